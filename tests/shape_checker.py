"""The checker behind the annotated shapes: beartype, with what a type checker allows and what functions refuse."""

import os
from typing import Literal

from beartype import BeartypeConf, FrozenDict, beartype

# Choices that functions refuse by themselves, with a message for users that tests read: the check would come first.
_OWN_REFUSALS = (Literal["auto", "resize", "crop"], Literal["mean", "sum", "none"], Literal["pair", "reference"])
# Every union of what may be an image has paths in it; what is no image is refused by the functions themselves, too.
_ANY_IMAGE = {os.PathLike[str]: object}

check = beartype(
    conf=BeartypeConf(
        is_pep484_tower=True,  # an int may stand for a float
        hint_overrides=FrozenDict(dict.fromkeys(_OWN_REFUSALS, str) | _ANY_IMAGE),
    )
)
