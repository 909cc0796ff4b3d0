"""How sure the sign of a margin is, in words: "95 % sure"; below MIN_CONFIDENCE the verdict is "cannot tell".

A confidence is the probability that the sign of a margin is right, in [.5, 1], or None where the weights know none. It
says which image is better, not by how much.
"""

from typing import Literal

Better = Literal["a", "b", "tie", "cannot tell"]
CANNOT_TELL: Literal["cannot tell"] = "cannot tell"
MIN_CONFIDENCE = 0.6  # a coin has .5; below this no image is called better
MOST_SAID = 0.99  # a higher confidence is "over 99 %", for no estimate is ever certain


def can_tell(confidence: float | None) -> bool:
    """Whether the sign of the margin is sure enough to name the better image; True where no confidence is known."""
    return confidence is None or confidence >= MIN_CONFIDENCE


def percent(confidence: float) -> str:
    """A confidence as people read it: "95 %", at most "over 99 %".

    Rounded down, so that 60 % is never said of what is below MIN_CONFIDENCE.
    """
    if confidence > MOST_SAID:
        return f"over {100 * MOST_SAID:.0f} %"
    return f"{max(number for number in range(50, 100) if number / 100 <= confidence)} %"  # exact; 100 * .57 is below 57


def odds(confidence: float, margin: float, names: tuple[str, str]) -> str:
    """What is known where nothing can be told: "B at 55 %", or "even odds".

    Args:
        confidence: probability that the sign of `margin` is right.
        margin: positive where the first image is ahead.
        names: what to call the two images.
    """
    said = percent(confidence)
    return "even odds" if said == "50 %" or margin == 0 else f"{names[0] if margin > 0 else names[1]} at {said}"


def explanation(confidence: float, margin: float, names: tuple[str, str]) -> str:
    """What the number in a verdict means, for a reader who sees one for the first time; arguments as of `odds`."""
    said = odds(confidence, margin, names)
    if said == "even odds":
        meaning = "Even odds: by the model's own estimate, each image is as likely as the other to be the better one."
    else:
        ahead, number = names[0] if margin > 0 else names[1], percent(confidence)
        sure = number + (" sure" if can_tell(confidence) else "")
        sure = sure[:1].upper() + sure[1:]
        meaning = f"{sure}: the probability, by the model's own estimate, that {ahead} is indeed the better image."
    return meaning if can_tell(confidence) else f"{meaning} Below {percent(MIN_CONFIDENCE)} no image is called better."
