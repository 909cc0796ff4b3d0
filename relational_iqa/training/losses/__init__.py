"""Losses: small pure functions, each with a slow oracle in the tests.

relation_maps   predicted relation maps against the true ones (distortion stage)
ranking         pairwise logistic loss, Rank-N-Contrast
ranked_sets     what ranked sets teach about scores, with and without a reference
opinion_maps    pMOS maps and region-of-interest weights
"""
