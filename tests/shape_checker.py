"""The checker behind the annotated shapes: beartype, with what a type checker allows and what functions refuse."""

from typing import Literal

from beartype import BeartypeConf, FrozenDict, beartype

# Choices that functions refuse by themselves, with a message for users that tests read: the check would come first.
_OWN_REFUSALS = (Literal["resize", "crop"], Literal["mean", "sum", "none"], Literal["pair", "reference"])

check = beartype(
    conf=BeartypeConf(
        is_pep484_tower=True,  # an int may stand for a float
        hint_overrides=FrozenDict(dict.fromkeys(_OWN_REFUSALS, str)),
    )
)
