"""What the template of the report shows, as plain data: sentences, bands of the margin scale, rows of facts.

Scales are fixed so that two reports can be held side by side: local margin -LOCAL_SCALE .. +LOCAL_SCALE levels, defects
0 .. 1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from relational_iqa.report.pictures import Preview
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.words.confidence import CANNOT_TELL, MIN_CONFIDENCE, explanation, percent
from relational_iqa.results.words.margins import MARGIN_WORDS, TIE_MARGIN, levels
from relational_iqa.results.words.sentences import NOTHING_STANDS_OUT
from relational_iqa.results.words.visibility import NOTHING_SEEN
from relational_iqa.viewing.condition import PIXEL_PEEP

LOCAL_SCALE = 2.0  # levels at full colour in the local-margin map
SCALE_END = 5.0  # levels at either end of the margin scale: the whole distortion ladder
LABELS = ("A", "B")
LEAST_LEAD = 0.005  # levels; less is 0.00 when it is written


def axis_title(name: str) -> str:
    """The name of an axis as people read it: "chroma_noise" -> "Chroma noise"."""
    return name.replace("_", " ").capitalize()


def scale_position(margin: float) -> float:
    """Where a margin lies on the scale: 0 left (A far better), 0.5 tie, 1 right (B far better).

    Every word of MARGIN_WORDS gets the same width (linear within it), so that the words fit on a telephone; the last
    band ends at SCALE_END and larger margins stay there.
    """
    edges = [0.0] + [min(entry.below, SCALE_END) for entry in MARGIN_WORDS]
    bands = [0.0] + [0.5 + index for index in range(len(MARGIN_WORDS))]  # the tie band is shared by both sides
    away = float(np.interp(min(abs(margin), SCALE_END), edges, bands)) / bands[-1]
    return 0.5 - 0.5 * away if margin > 0 else 0.5 + 0.5 * away


def scale_bands() -> list[dict[str, Any]]:
    """The bands of the scale from left to right: side, word, and the number at the right edge ('' at the end)."""
    words = [entry.word.removesuffix(" better") for entry in MARGIN_WORDS]
    edges = [f"{entry.below:g}" for entry in MARGIN_WORDS[:-1]]
    left = [{"side": "a", "word": word, "edge": edge} for word, edge in zip(words[:0:-1], edges[::-1], strict=True)]
    right = [{"side": "b", "word": word, "edge": edge} for word, edge in zip(words[1:], edges[1:] + [""], strict=True)]
    return [*left, {"side": "tie", "word": "equal", "edge": edges[0]}, *right]


def sentence(comparison: Comparison) -> str:
    """The reasons as a sentence of their own, under the verdict; before it what was noticed about the images, behind it
    what reading them changed."""
    noticed = comparison.noticed
    parts = (noticed.before(LABELS), _reasons(comparison), noticed.after(LABELS))
    return unbroken(" ".join(part for part in parts if part))


def _reasons(comparison: Comparison) -> str:
    if comparison.identical:
        return "Nothing differs: every map is zero."
    if comparison.looks_the_same:
        return NOTHING_SEEN
    reasons = comparison.reasons(LABELS) or NOTHING_STANDS_OUT
    return f"{reasons[:1].upper()}{reasons[1:]}."


def roi_views(comparison: Comparison) -> list[dict[str, str]]:
    """Rows of the table of regions of interest: the whole picture, then each region."""
    rows = [("whole picture", 1.0, comparison)] + [(part.name, part.share, part.result) for part in comparison.rois]
    return [
        {
            "name": name,
            "share": unbroken(f"{100 * share:.3g} %"),
            "verdict": unbroken(found.verdict(LABELS)),
            "reasons": unbroken(_reasons(found)),
            "lead": lead(0.0 if found.looks_the_same else found.margin),
        }
        for name, share, found in rows
        if comparison.rois
    ]


def confidence_note(comparison: Comparison) -> str:
    """One line on how sure the verdict is, under it; empty where that is unknown or where there is nothing to tell."""
    if comparison.confidence is None or comparison.identical or comparison.looks_the_same:
        return ""
    return unbroken(explanation(comparison.confidence, comparison.margin, LABELS))


def lead(margin: float) -> str:
    """A margin with the name of the image that is ahead in place of a sign: "A better by 1.3 levels"."""
    return f"{LABELS[margin < 0]} better by {levels(margin)}" if abs(margin) >= LEAST_LEAD else "equal"


def unbroken(text: str) -> str:
    """The text with percent signs that stay on the line of their number."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def fact_rows(comparison: Comparison, shown: Sequence[Preview], command: str | None) -> list[tuple[str, str]]:
    """Rows of the table at the foot: what was compared, with what, and how to do it again."""
    height, width = comparison.shape
    rows = [("A", comparison.names[0]), ("B", comparison.names[1]), ("Size", f"{width} × {height} px")]
    rows.append(("Reference", "yes" if comparison.has_reference else "none: the two images alone were judged"))
    if comparison.quality_a is not None and comparison.quality_b is not None:
        rows.append(("Quality of A", f"{abs(comparison.quality_a):.2f} levels below the reference"))
        rows.append(("Quality of B", f"{abs(comparison.quality_b):.2f} levels below the reference"))
    lead = f"{LABELS[comparison.margin < 0]} ahead by {abs(comparison.margin):.3f} levels"
    rows.append(("Margin", f"{lead if comparison.margin else '0 levels'} (less than {TIE_MARGIN:g}: a tie)"))
    if comparison.confidence is not None and not (comparison.identical or comparison.looks_the_same):
        rows.append((
            "Confidence",
            f"{percent(comparison.confidence)} that the sign of the margin is right "
            f"(below {percent(MIN_CONFIDENCE)}: {CANNOT_TELL})",
        ))  # fmt: skip
    rows.append(("Pictures shown", shown[0].note))
    if "viewing" not in comparison.meta:
        rows.append(("Viewing", f"{PIXEL_PEEP}: every pixel counts"))
    if command:
        rows.append(("Command", command))
    return rows + [(_fact_title(str(key)), _fact(value)) for key, value in comparison.meta.items() if key != "size"]


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, typographic minus; a zero has none."""
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text[1:] if not any(digit in text for digit in "123456789") else text


def _fact_title(key: str) -> str:
    words = key.replace("_", " ").replace("sha256", "SHA-256")
    return words[:1].upper() + words[1:]


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
