"""A comparison as one figure: the images where they are to be had, the local margin, and the strongest defects."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from distortion_engine.errors import UsageError
from relational_iqa.report.views import LOCAL_SCALE
from relational_iqa.results.colormaps import overlay, shade
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.inputs import open_inputs
from relational_iqa.results.map import Map
from relational_iqa.results.words.findings import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE_PX = 512  # longer side of every picture of the figure
MOST_DEFECTS = 3
_TILE_INCHES, _WORDS_INCHES, _HEAD_INCHES = 3.1, 0.45, 0.9
_GREY, _GREY_OF_DEFECTS = 128, 225


def panel_of(result: Comparison, images: Sequence[Any] | None = None) -> Figure:
    """The figure.

    Args:
        result: the comparison.
        images: a, b and, where there was one, the reference; None for those that the comparison knows. Where these are
            no longer to be had, the figure has the maps alone.

    Raises:
        UsageError: where matplotlib is not installed.
        ImageError: for given images that do not fit the maps.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            "a plot needs matplotlib, which is not installed: pip install 'relational-iqa[plot]'"
        ) from error
    height, width = result.shape
    pictures, maps = _pictures(result, images), _maps(result)
    columns, rows = max(len(pictures), len(maps)), 2 if pictures else 1
    tile = _TILE_INCHES * min(1.5, max(0.4, height / width)) + _WORDS_INCHES
    figure = Figure(figsize=(_TILE_INCHES * columns, tile * rows + _HEAD_INCHES), layout="constrained")
    figure.suptitle(_wrapped(result.verdict(), columns), fontsize=11, fontweight="bold")
    figure.supxlabel(_wrapped(result.reasons(), columns), fontsize=9)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axis in grid.ravel():
        axis.set_axis_off()
    for row, tiles in zip(grid, (pictures, maps) if pictures else (maps,), strict=True):
        for axis, (title, pixels) in zip(row, tiles, strict=False):
            axis.imshow(pixels, interpolation="none")
            axis.set_title(title, fontsize=9)
    return figure


def _maps(result: Comparison) -> list[tuple[str, np.ndarray]]:
    """Title and pixels of every map."""
    a, b = (_fitted(name) for name in result.labels)
    return [
        (f"blue: {a} better\norange: {b} better", local_picture(result, SIDE_PX)),
        *(
            (f"{(a, b)['ab'.index(one.side)]}\n{one.word} ({one.strength}, {one.intensity:.2f})",
             strength_picture(result.map_of(one), SIDE_PX))
            for one in strongest(result)
        ),
    ]  # fmt: skip


def local_picture(result: Comparison, side_px: int, steps: int = 0) -> np.ndarray:
    """(h, w, 3) uint8: the local margin over mid grey, blue where a is better."""
    values = _rounded(np.clip(result.local_margin.reduced(side_px) / LOCAL_SCALE, -1, 1), steps)
    return overlay(-values, np.full((*values.shape, 3), _GREY, np.uint8))


def strength_picture(values: Map, side_px: int, steps: int = 0) -> np.ndarray:
    """(h, w, 3) uint8: a defect over mid grey, which is where there is none."""
    layer = shade(_rounded(np.clip(values.reduced(side_px), 0, 1), steps)).astype(np.float32)
    opacity = layer[..., 3:] / 255
    picture: np.ndarray = np.rint(layer[..., :3] * opacity + _GREY_OF_DEFECTS * (1 - opacity)).astype(np.uint8)
    return picture


def _rounded(values: np.ndarray, steps: int) -> np.ndarray:
    """Values in so many steps up to 1, so that a picture of them is a small file; unchanged for 0."""
    return values if not steps else (np.rint(values * steps) / steps).astype(np.float32)


def strongest(result: Comparison) -> list[Finding]:
    """The defects that a picture of a comparison shows: those that the sentence names and whose map is not empty, then
    the most salient others that matter."""
    named = [reason.finding for reason in result.named]
    others = [finding for finding in result.findings if finding.matters]
    found: dict[tuple[str, str], Finding] = {}
    for finding in (*named, *others):
        if finding.axis in result.maps and result.map_of(finding).bounds[1] > 0:
            found.setdefault((finding.axis, finding.side), finding)
    return list(found.values())[:MOST_DEFECTS]


def _pictures(result: Comparison, images: Sequence[Any] | None) -> list[tuple[str, np.ndarray]]:
    try:
        opened = open_inputs(result.inputs, images, result.shape)
    except UsageError:
        if images is not None:
            raise
        return []
    return [
        (_fitted(name), _thumbnail(image.to_uint8()))
        for name, image in zip((*result.labels, "reference"), opened, strict=False)
    ]


def _thumbnail(pixels: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    return np.asarray(picture)


def _wrapped(text: str, columns: int) -> str:
    """The text in lines that fit above or below so many tiles."""
    return "\n".join(textwrap.wrap(text, 42 * columns))


def _fitted(name: str, characters: int = 22) -> str:
    """A name that fits above a tile: its middle is left out where it is longer."""
    half = characters // 2
    return name if len(name) <= characters else f"{name[: half - 1]}…{name[-half:]}"
