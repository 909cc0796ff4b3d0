"""What the template of the report shows, as plain data: axes, regions, bands of the margin scale, rows of facts.

Colours: blue speaks about A, orange about B. Scales are fixed so that two reports can be held side by side: local
margin -LOCAL_SCALE .. +LOCAL_SCALE levels, axes -1 .. 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distortion_engine.catalog import AXES, Axis
from relational_iqa.report.pictures import CROP_HEIGHT_PX, CROP_WIDTH_PX, Preview, crop_origin, crop_uri, map_uri
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.regions import Region
from relational_iqa.results.words.confidence import CANNOT_TELL, MIN_CONFIDENCE, explanation, percent
from relational_iqa.results.words.findings import Finding
from relational_iqa.results.words.margins import MARGIN_WORDS, TIE_MARGIN
from relational_iqa.results.words.sentences import NOTHING_STANDS_OUT, remarks
from relational_iqa.results.words.visibility import NOTHING_SEEN

LOCAL_SCALE = 2.0  # levels at full colour in the local-margin map
SCALE_END = 5.0  # levels at either end of the margin scale: the whole distortion ladder
LABELS = ("A", "B")


@dataclass(frozen=True)
class AxisView:
    """One distortion axis as the report shows it.

    The colours of map and bars say which image the word describes: blue for A, orange for B.

    Args:
        name: name of the axis.
        title: the name in words.
        about: what the axis means.
        word: comparative, for example "blurrier".
        phrases: the findings that matter, in words.
        matters: whether there are any.
        uri: data URI of the map.
        a: the finding that is drawn blue, None where there is none.
        b: the finding that is drawn orange, None where there is none.
    """

    name: str
    title: str
    about: str
    word: str
    phrases: tuple[str, ...]
    matters: bool
    uri: str
    a: Finding | None
    b: Finding | None


@dataclass(frozen=True)
class RegionView:
    """One of the regions as the report lists it.

    Args:
        number: from 1, worst first.
        region: box and finding.
        title: for example "A blockier".
        percent: "left", "top", "width" and "height" of the box in percent of the picture.
        crops: ("A", "B" or "reference", data URI) for each image, one image pixel to one pixel of the crop.
        crop_size: width and height of the crops in px.
    """

    number: int
    region: Region
    title: str
    percent: dict[str, float]
    crops: tuple[tuple[str, str], ...]
    crop_size: tuple[int, int]


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
    """The reasons as a sentence of their own, under the verdict."""
    if comparison.identical:
        return "Nothing differs: every map is zero."
    if comparison.looks_the_same:
        return NOTHING_SEEN
    reasons = comparison.reasons(LABELS) or NOTHING_STANDS_OUT
    return unbroken(f"{reasons[:1].upper()}{reasons[1:]}.")


def confidence_note(comparison: Comparison) -> str:
    """One line on how sure the verdict is, under it; empty where that is unknown or where there is nothing to tell."""
    if comparison.confidence is None or comparison.identical or comparison.looks_the_same:
        return ""
    return unbroken(explanation(comparison.confidence, comparison.margin, LABELS))


def unbroken(text: str) -> str:
    """The text with percent signs that stay on the line of their number."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def axis_views(comparison: Comparison) -> list[AxisView]:
    """All axes: those that matter first, most salient first, then the others in the order of the catalog."""
    order = {finding.axis: rank for rank, finding in reversed(list(enumerate(comparison.findings)))}
    views = [_axis_view(axis, comparison) for axis in AXES if axis.name in comparison.maps]
    return sorted(views, key=lambda view: (not view.matters, order[view.name] if view.matters else 0))


def _axis_view(axis: Axis, comparison: Comparison) -> AxisView:
    own = [finding for finding in comparison.findings if finding.axis == axis.name]
    word = own[0].word if own else (axis.less if axis.name == "sharpness" else axis.more)
    # The map says who has more; where the word says who has less, as in "blurrier", colours change sides.
    flip = -1 if word == axis.less else 1
    drawn = {("b" if flip * finding.value > 0 else "a"): finding for finding in own}
    matter = [finding for finding in own if finding.matters]
    return AxisView(
        name=axis.name,
        title=axis_title(axis.name),
        about=axis.about[:1].upper() + axis.about[1:],
        word=word,
        phrases=tuple(remark.clause(LABELS) for remark in remarks(matter)),
        matters=bool(matter),
        uri=map_uri(comparison.maps[axis.name], flip),
        a=drawn.get("a"),
        b=drawn.get("b"),
    )


def region_views(comparison: Comparison, images: Sequence[np.ndarray]) -> list[RegionView]:
    """The regions with crops of A, B and, where there is one, the reference."""
    height, width = comparison.shape
    views = []
    for number, region in enumerate(comparison.regions, start=1):
        centre = (region.left + region.width / 2, region.top + region.height / 2)
        left, top = crop_origin((height, width), centre)
        views.append(
            RegionView(
                number=number,
                region=region,
                title=f"{region.side.upper()} {region.word}",
                percent={
                    "left": 100 * region.left / width,
                    "top": 100 * region.top / height,
                    "width": 100 * region.width / width,
                    "height": 100 * region.height / height,
                },
                crops=tuple(
                    (name, crop_uri(image, left, top))
                    for name, image in zip(("A", "B", "reference"), images, strict=False)
                ),
                crop_size=(min(CROP_WIDTH_PX, width - left), min(CROP_HEIGHT_PX, height - top)),
            )
        )
    return views


def fact_rows(comparison: Comparison, shown: Sequence[Preview], command: str | None) -> list[tuple[str, str]]:
    """Rows of the table at the foot: what was compared, with what, and how to do it again."""
    height, width = comparison.shape
    rows = [("A", comparison.labels[0]), ("B", comparison.labels[1]), ("Size", f"{width} × {height} px")]
    rows.append(("Reference", "yes" if comparison.has_reference else "none: the two images alone were judged"))
    if comparison.quality_a is not None and comparison.quality_b is not None:
        rows.append(("Quality of A", f"−{abs(comparison.quality_a):.2f} levels (0 equals the reference)"))
        rows.append(("Quality of B", f"−{abs(comparison.quality_b):.2f} levels (0 equals the reference)"))
    rows.append(("Margin", f"{signed(comparison.margin, 3)} levels (positive: A better; within ±{TIE_MARGIN:g}: tie)"))
    if comparison.confidence is not None:
        rows.append((
            "Confidence",
            f"{percent(comparison.confidence)} that the sign of the margin is right "
            f"(below {percent(MIN_CONFIDENCE)}: {CANNOT_TELL})",
        ))  # fmt: skip
    rows.append(("Pictures shown", shown[0].note))
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
