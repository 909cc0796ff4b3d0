"""How a margin is said in words: "slightly better", "1.3 levels"; below TIE_MARGIN the verdict is a tie."""

from dataclasses import dataclass

from distortion_engine.errors import UsageError

UNIT = "severity levels"
TIE_MARGIN = 0.1  # levels; below it the verdict is a tie
MOST_LEVELS = 100.0  # noise instead of a photograph is some ten levels below it; no sound weights say more than this


@dataclass(frozen=True)
class MarginWord:
    """How a margin is described.

    Args:
        below: the word holds for margins whose absolute value is smaller than this, in levels.
        word: for example "slightly better".
        meaning: explains the word.
    """

    below: float
    word: str
    meaning: str


MARGIN_WORDS: tuple[MarginWord, ...] = (
    MarginWord(TIE_MARGIN, "equally good", "no difference to rely on: a tie"),
    MarginWord(0.5, "slightly better", "seen when the two are compared closely"),
    MarginWord(1.5, "clearly better", "about one level of a five-level distortion ladder"),
    MarginWord(3.0, "much better", "about two levels"),
    MarginWord(float("inf"), "far better", "three levels or more"),
)


def check_levels(value: float, what: str) -> None:
    """Raises UsageError for a number of levels that no images have: NaN, infinite, or beyond MOST_LEVELS. Weights that
    were scaled or damaged within the range of their format are noticed by it."""
    if not abs(value) <= MOST_LEVELS:
        raise UsageError(
            f"{what} is {value:.6g}, expected a number of levels within ±{MOST_LEVELS:g}: check images and weights"
        )


def margin_word(margin: float) -> MarginWord:
    """The entry of MARGIN_WORDS for a margin in levels; the sign is ignored."""
    return next(entry for entry in MARGIN_WORDS if abs(margin) < entry.below or entry.below == float("inf"))


def levels(margin: float) -> str:
    """A margin in levels as people read it, without sign: "1.3 levels"; small ones keep a second digit, and those of a
    tie that would round up to TIE_MARGIN keep a third: 0.10 is never said of what is below it."""
    size = abs(margin)
    if TIE_MARGIN - 0.005 <= size < TIE_MARGIN:
        return f"{min(size, TIE_MARGIN - 0.001):.3f} levels"
    return f"{size:.2f} levels" if size < 0.2 else f"{size:.1f} levels"
