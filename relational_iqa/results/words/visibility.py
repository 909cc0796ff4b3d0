"""What is said of two images in which nothing differs that an eye could see: "A and B look the same".

The difference is that of `relational_iqa.viewing.visibility`, in units of the threshold of visibility, at most 1.
"""

import math
from typing import Any

from distortion_engine.errors import UsageError
from relational_iqa.viewing.visibility import PIXELS_PER_DEGREE, THRESHOLD_DELTA_E

LOOKS_THE_SAME = "looks the same"
NOTHING_SEEN = "Nothing differs that can be seen, so nothing is said of the differences that were measured."
MEANING = (
    "largest difference that an eye can see, 1: at or above the threshold of visibility "
    f"(S-CIELAB, {THRESHOLD_DELTA_E:g} unit of CIE94 at {PIXELS_PER_DEGREE:g} pixels per degree)"
)


def is_unseen(difference: float | None) -> bool:
    """Whether nothing is visible; False where the difference is unknown."""
    return difference is not None and difference < 1


def check_visible(difference: float | None) -> None:
    """Raises UsageError for a difference outside [0, 1]; None is one that is not known."""
    if difference is not None and not 0 <= difference <= 1:
        raise UsageError(f"visible_difference is {difference}, expected 0 to 1, or None")


def look_the_same(names: tuple[str, str], difference: float) -> str:
    """The verdict on images that differ, but not visibly, for example "A and B look the same: no difference above the
    threshold of visibility (the largest has 0.62 of it)"."""
    if difference == 0:  # beyond a mask
        return f"{names[0]} and {names[1]} look the same: no difference where pixels count"
    size = max(0.01, math.floor(100 * difference) / 100)  # rounded down: below the threshold is never said to be at it
    said = f"no difference above the threshold of visibility (the largest has {size:.2f} of it)"
    return f"{names[0]} and {names[1]} look the same: {said}"


def facts(difference: float | None) -> dict[str, Any] | None:
    """For the JSON; None where the difference is unknown."""
    if difference is None:
        return None
    return {"largest": difference, "visible": not is_unseen(difference), "means": MEANING}
