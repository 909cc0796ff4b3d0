"""How strong a defect is, in words: "faint", "moderate", "strong"; the number behind the word stays in JSON and report.

The number is the value of a map on one axis, which is a severity: 0.2 is one of five levels.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class StrengthWord:
    """How the strength of a defect is described.

    Args:
        below: the word holds for severities smaller than this, in [0, 1].
        word: for example "faint".
        meaning: explains the word.
    """

    below: float
    word: str
    meaning: str


STRENGTH_WORDS: tuple[StrengthWord, ...] = (
    StrengthWord(0.25, "faint", "up to about the first of five severity levels"),
    StrengthWord(0.5, "moderate", "about the second level"),
    StrengthWord(float("inf"), "strong", "the third level or more"),
)


def strength_word(intensity: float) -> str:
    """The word of STRENGTH_WORDS for a severity; the sign is ignored."""
    return next(entry.word for entry in STRENGTH_WORDS if abs(intensity) < entry.below or entry.below == float("inf"))
