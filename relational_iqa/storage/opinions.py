"""Whose human judgments are in weights: the words that weights, cards and results carry through every further fit."""

from __future__ import annotations

NO_OPINIONS = "none"
_BETWEEN = "; "


def joined_opinions(*opinions: str) -> str:
    """What weights hold after several fits, oldest first: "A; B", each data set once; "none" where there were none."""
    named = (name for several in opinions for name in several.split(_BETWEEN))
    return _BETWEEN.join(dict.fromkeys(name for name in named if name and name != NO_OPINIONS)) or NO_OPINIONS
