"""Harnesses that try to break what must not break, each a command that prints one line a trial."""
