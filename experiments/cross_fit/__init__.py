"""Fitted on one rated set, tested on another: does a fit hold beyond the photographs and the people it saw?"""
