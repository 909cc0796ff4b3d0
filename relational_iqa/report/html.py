"""Builds the report of one comparison: gathers what the template shows, renders it, writes it in one step.

Colours: blue speaks about A, orange about B. Scales are fixed so that two reports can be held side by side: local
margin -LOCAL_SCALE .. +LOCAL_SCALE levels, axes -1 .. 1.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from distortion_engine.catalog import AXES, Axis
from distortion_engine.errors import ImageError
from relational_iqa.comparison import Comparison
from relational_iqa.findings import MARGIN_WORDS, TIE_MARGIN, Finding
from relational_iqa.report.colormaps import legend_gradient
from relational_iqa.report.pictures import (
    MAP_WIDTH_PX,
    SMALL_MAP_WIDTH_PX,
    Preview,
    as_uint8,
    backdrop_of,
    map_uri,
    preview,
)

LOCAL_SCALE = 2.0  # levels at full colour in the local-margin map
SCALE_END = 5.0  # levels at either end of the margin scale: the whole distortion ladder
LABELS = ("A", "B")


@dataclass(frozen=True)
class AxisView:
    """One axis as shown: its word points at the image it is said of, blue for A and orange for B."""

    name: str
    title: str
    about: str
    word: str  # "blurrier": the map's colours and the bars say which image is so
    phrases: tuple[str, ...]  # the findings that matter, in words
    matters: bool
    uri: str
    a: Finding | None  # the part of the map that is drawn blue
    b: Finding | None  # and orange


def write_report(
    comparison: Comparison, image_a: Any, image_b: Any, path: str | os.PathLike[str], reference: Any = None
) -> Path:
    """Write the self-contained HTML report and return its path.

    image_a, image_b, reference: torch tensors (3, H, W) or arrays (3, H, W) / (H, W, 3), floats in [0, 1] or uint8, all
    of the size of the maps. The file appears whole or not at all; missing folders are made. Raises ImageError for
    images that do not fit the maps, OSError where the path cannot be written.
    """
    images = [as_uint8(image_a, "image a"), as_uint8(image_b, "image b")]
    if reference is not None:
        images.append(as_uint8(reference, "reference"))
    height, width = comparison.local_margin.shape
    for what, image in zip(("image a", "image b", "reference"), images, strict=False):
        if image.shape[:2] != (height, width):
            raise ImageError(
                f"{what} is {image.shape[1]} x {image.shape[0]} px but the maps are {width} x {height}: "
                "pass the images that were compared"
            )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _write_atomically(target, _render(comparison, images))
    return target


def _render(comparison: Comparison, images: Sequence[np.ndarray]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("relational_iqa", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown: list[Preview] = [preview(image) for image in images]
    backdrop = backdrop_of(images[:2])
    # Positive means A better there, and blue speaks about A: hence the negative scale.
    local_uri = map_uri(comparison.local_margin, -LOCAL_SCALE, backdrop, MAP_WIDTH_PX)
    axes = _axis_views(comparison, backdrop)
    return environment.get_template("report.html.j2").render(
        result=comparison,
        verdict=comparison.verdict(LABELS),
        reasons=_sentence(comparison),
        labels=comparison.labels,
        named=comparison.labels != LABELS,
        previews=shown,
        local_uri=local_uri,
        local_scale=LOCAL_SCALE,
        clipped=float((np.abs(comparison.local_margin) > LOCAL_SCALE).mean()),
        axes=axes,
        gradient=legend_gradient(),
        bands=_bands(),
        marker=100 * scale_position(comparison.margin),
        words=MARGIN_WORDS,
        data=comparison.to_json(),
        facts=_facts(comparison, shown),
    )


def _sentence(comparison: Comparison) -> str:
    """The reasons as a sentence of their own, under the verdict."""
    if comparison.identical:
        return "Nothing differs: every map is zero."
    reasons = comparison.reasons(LABELS)
    return reasons[:1].upper() + reasons[1:] + "." if reasons else "No single kind of distortion stands out."


def scale_position(margin: float) -> float:
    """Where a margin lies on the scale: 0 left (A far better), 0.5 tie, 1 right (B far better).

    Every word of MARGIN_WORDS gets the same width (linear within it), so that the words fit on a telephone; the last
    band ends at SCALE_END and larger margins stay there.
    """
    edges = [0.0] + [min(entry.below, SCALE_END) for entry in MARGIN_WORDS]
    bands = [0.0] + [0.5 + index for index in range(len(MARGIN_WORDS))]  # the tie band is shared by both sides
    away = float(np.interp(min(abs(margin), SCALE_END), edges, bands)) / bands[-1]
    return 0.5 - 0.5 * away if margin > 0 else 0.5 + 0.5 * away


def _bands() -> list[dict[str, Any]]:
    """The bands of the scale from left to right: side, word, and the number at the right edge ('' at the end)."""
    words = [entry.word.removesuffix(" better") for entry in MARGIN_WORDS]
    edges = [f"{entry.below:g}" for entry in MARGIN_WORDS[:-1]]
    left = [{"side": "a", "word": word, "edge": edge} for word, edge in zip(words[:0:-1], edges[::-1], strict=True)]
    right = [{"side": "b", "word": word, "edge": edge} for word, edge in zip(words[1:], edges[1:] + [""], strict=True)]
    return [*left, {"side": "tie", "word": "equal", "edge": edges[0]}, *right]


def _axis_views(comparison: Comparison, backdrop: np.ndarray) -> list[AxisView]:
    """All axes: those that matter first, most salient first, then the others in the order of the catalog."""
    order = {finding.axis: rank for rank, finding in reversed(list(enumerate(comparison.findings)))}
    views = [_axis_view(axis, comparison, backdrop) for axis in AXES if axis.name in comparison.maps]
    return sorted(views, key=lambda view: (not view.matters, order[view.name] if view.matters else 0))


def _axis_view(axis: Axis, comparison: Comparison, backdrop: np.ndarray) -> AxisView:
    own = [finding for finding in comparison.findings if finding.axis == axis.name]
    word = own[0].word if own else (axis.less if axis.name == "sharpness" else axis.more)
    # The map says who has more; where the word says who has less, as in "blurrier", colours change sides.
    flip = -1 if word == axis.less else 1
    drawn = {("b" if flip * finding.value > 0 else "a"): finding for finding in own}
    matter = [finding for finding in own if finding.matters]
    return AxisView(
        name=axis.name,
        title=axis.name.replace("_", " ").capitalize(),
        about=axis.about[:1].upper() + axis.about[1:],
        word=word,
        phrases=tuple(f"{LABELS['ab'.index(finding.side)]} is {finding}" for finding in matter),
        matters=bool(matter),
        uri=map_uri(comparison.maps[axis.name], flip, backdrop, SMALL_MAP_WIDTH_PX),
        a=drawn.get("a"),
        b=drawn.get("b"),
    )


def _facts(comparison: Comparison, shown: Sequence[Preview]) -> list[tuple[str, str]]:
    """Rows of the table at the foot: what was compared and with what."""
    height, width = comparison.local_margin.shape
    rows = [("A", comparison.labels[0]), ("B", comparison.labels[1]), ("Size", f"{width} × {height} px")]
    rows.append(("Reference", "yes" if comparison.has_reference else "none: the two images alone were judged"))
    if comparison.quality_a is not None and comparison.quality_b is not None:
        rows.append(("Quality of A", f"−{abs(comparison.quality_a):.2f} levels (0 equals the reference)"))
        rows.append(("Quality of B", f"−{abs(comparison.quality_b):.2f} levels (0 equals the reference)"))
    margin = f"{comparison.margin:+.3f}".replace("-", "−")
    rows.append(("Margin", f"{margin} levels (positive: A better; within ±{TIE_MARGIN:g}: tie)"))
    rows.append(("Pictures shown", shown[0].note))
    return rows + [(str(key).replace("_", " "), _fact(value)) for key, value in comparison.meta.items()]


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _write_atomically(target: Path, text: str) -> None:
    """Write beside the target under another name, then rename, so that a reader never sees half a report."""
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, 0o644)  # mkstemp makes it private; a report is to be passed on
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
