"""The maps of a comparison as pictures in a folder: one PNG a map, with its colour scale and range printed below it.

Scales are fixed, so that the pictures of two comparisons can be held side by side. Blue and orange say which image is
better and nothing else: the map of an axis, which says who has *more* of it, is purple and green.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from distortion_engine.axes import AXES
from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, cannot_write
from relational_iqa.report.pictures import as_uint8
from relational_iqa.report.views import LOCAL_SCALE
from relational_iqa.results.colormaps import DIVERGING, MORE_OF, NEUTRAL, overlay
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.results.map_files import LACKS, named_maps, save_maps

SIDE_PX = 1600
"""Longer side of a picture. Maps of larger images are drawn at 1/2, 1/3 ... of their size; the values themselves lie on
a grid of a quarter of it, so that nothing is lost up to 6,400 px."""
ARRAYS = "maps.npz"
_LEAST_WIDTH_PX = 420  # so that the words of the legend have room below a small image too
_FONT_PX = (13, 22)
_PAPER, _INK, _QUIET = (255, 255, 255), (28, 29, 31), (95, 99, 104)


@dataclass(frozen=True)
class _Scale:
    """What the legend of a map says.

    Args:
        title: what the map shows.
        colours: (256, 3) in [0, 1], for values of -1 to +1.
        factor: what a value is multiplied by before it is coloured; negative where positive values are drawn as A's.
        ends: words at the left and at the right end of the colours.
        ticks: numbers at the left end, in the middle and at the right end.
        sign: what positive values mean.
    """

    title: str
    colours: np.ndarray
    factor: float
    ends: tuple[str, str]
    ticks: tuple[str, str, str]
    sign: str


def write_maps(
    comparison: Comparison, folder: str | os.PathLike[str], image_a: Any = None, image_b: Any = None
) -> list[Path]:
    """Writes every map of a comparison into a folder: `maps.npz` (`results.map_files.save_maps`), then one PNG a map.

    A picture has the pixels of the map in its upper left corner, at the size of the images or, above SIDE_PX, at a
    whole fraction of it, which the legend below says, with the scale of the colours and the range of the values.

    Args:
        comparison: the result.
        folder: where to write; it is made where it is missing. Files of the same names are replaced.
        image_a: one of the compared images, as `write_report` takes them; the maps are laid over a grey mean of the
            two. None for both draws them over plain grey.
        image_b: the other one.

    Returns:
        The files, in the order in which they were written.

    Raises:
        ImageError: for something that is no image.
        UsageError: where a file cannot be written.
    """
    target = Path(folder)
    files = [save_maps(comparison, target / ARRAYS)]
    maps = named_maps(comparison)
    shrink = max(1, math.ceil(max(comparison.shape) / SIDE_PX))
    backdrop = _backdrop([(image_a, "image a"), (image_b, "image b")], comparison.shape, shrink)
    for name, values in maps.items():
        picture = _picture(values, _scale_of(name, values), backdrop, shrink, comparison.labels)
        files.append(target / f"{name}.png")
        try:
            with atomic_file(files[-1]) as stream:
                picture.save(stream, "PNG", compress_level=3)
        except OSError as error:
            raise UsageError(cannot_write(files[-1], error)) from error
    return files


def map_file_names() -> list[str]:
    """Every name that `write_maps` may write in its folder."""
    names = [axis.name for axis in AXES]
    return [ARRAYS, *(f"{name}.png" for name in ("local_margin", "weight", *names, *(f"{LACKS}{n}" for n in names)))]


def _scale_of(name: str, values: Map) -> _Scale:
    if name == "local_margin":
        title, end = "local margin: which image is better, in severity levels", f"{LOCAL_SCALE:g} levels or more"
        ends = ("A better", "B better")
        return _Scale(title, DIVERGING, -1 / LOCAL_SCALE, ends, (end, "0", end), "positive: A is better")
    if name == "weight":
        title, most = "weight: how much each pixel counts in the margin", max(values.bounds[1], 1e-12)
        ends, ticks = ("counts nothing", "counts most"), ("0", f"{most / 2:.2g}", f"{most:.2g}")
        return _Scale(title, NEUTRAL, 1 / most, ends, ticks, "only ratios matter")
    axis = next(axis for axis in AXES if axis.name == name.removeprefix(LACKS))
    title, ticks = f"{axis.name.replace('_', ' ')}: {axis.about}", ("1", "0", "1")
    if name.startswith(LACKS):
        title = f"too little beside the reference, {title}"
        ends = (f"A {axis.less} than the reference", f"B {axis.less}")
        return _Scale(title, MORE_OF, 1.0, ends, ticks, "positive: B lacks more than A")
    return _Scale(title, MORE_OF, 1.0, (f"A {axis.more}", f"B {axis.more}"), ticks, "positive: B has more")


def _backdrop(images: Sequence[tuple[Any, str]], shape: tuple[int, int], shrink: int) -> np.ndarray:
    """(h, w, 3) uint8 grey at the size of the pictures: the mean of the images that are given, each with what to call
    it, or mid grey without any."""
    size, small = _size(shape, shrink), []
    for image, what in images:
        if image is not None:
            grey = Image.fromarray(as_uint8(image, what)).convert("L").resize(size, Image.Resampling.BOX)
            small.append(np.asarray(grey, np.float32))
    mean = np.mean(small, axis=0) if small else np.full((size[1], size[0]), 128.0)
    return np.repeat(np.rint(mean).astype(np.uint8)[..., None], 3, axis=2)


def _size(shape: tuple[int, int], shrink: int) -> tuple[int, int]:
    """Width and height of a picture of a map (H, W)."""
    return max(1, round(shape[1] / shrink)), max(1, round(shape[0] / shrink))


def _picture(values: Map, scale: _Scale, backdrop: np.ndarray, shrink: int, labels: tuple[str, str]) -> Image.Image:
    height, width = backdrop.shape[:2]
    drawn = values.reduced(round(max(values.shape) / shrink))[:height, :width] * np.float32(scale.factor)
    if scale.colours is NEUTRAL:
        pixels = np.rint(NEUTRAL[np.rint(255 * np.clip(drawn, 0, 1)).astype(np.intp)] * 255).astype(np.uint8)
    else:
        pixels = overlay(drawn, backdrop, scale.colours)
    low, high = _extremes(values)
    lines = [f"values {low:+.3g} to {high:+.3g} ({scale.sign})"]
    if labels != ("A", "B"):
        lines.append(f"A = {labels[0]}, B = {labels[1]}")
    if shrink > 1:
        lines.append(f"drawn at 1/{shrink} of {values.shape[1]} × {values.shape[0]} px")
    return _with_legend(Image.fromarray(pixels), scale, lines)


def _extremes(values: Map) -> tuple[float, float]:
    if values.is_zero:
        return 0.0, 0.0
    found = values.statistics(0.0)
    return found.min + 0.0, found.max + 0.0


def _with_legend(picture: Image.Image, scale: _Scale, lines: list[str]) -> Image.Image:
    """The picture with title, bar and lines below it; on paper of at least _LEAST_WIDTH_PX."""
    width = max(picture.width, _LEAST_WIDTH_PX)
    size = min(max(width // 70, _FONT_PX[0]), _FONT_PX[1])
    font, step, edge = _font(size), round(1.5 * size), size
    head = _wrapped(scale.title, font, width - 2 * edge)
    foot = [part for line in lines for part in _wrapped(line, font, width - 2 * edge)]
    ends = picture.height + edge // 2 + len(head) * step  # y of the words above the bar
    bar = ends + step
    page = Image.new("RGB", (width, bar + (3 + len(foot)) * step), _PAPER)
    page.paste(picture, (0, 0))
    page.paste(_bar(scale, width - 2 * edge, step), (edge, bar))
    pen = ImageDraw.Draw(page)
    for number, text in enumerate(head):
        pen.text((edge, picture.height + edge // 2 + number * step), text, _INK, font)
    for text, x, anchor in zip(scale.ends, (edge, width - edge), ("la", "ra"), strict=True):
        pen.text((x, ends), text, _INK, font, anchor)
    below = bar + step + size // 4
    for text, x, anchor in zip(scale.ticks, (edge, width // 2, width - edge), ("la", "ma", "ra"), strict=True):
        pen.text((x, below), text, _QUIET, font, anchor)
    for number, text in enumerate(foot, start=1):
        pen.text((edge, below + number * step), text, _QUIET, font)
    return page


def _bar(scale: _Scale, width: int, height: int) -> Image.Image:
    """The colours as they are drawn over mid grey, from the left end to the right one."""
    row = np.linspace(0 if scale.colours is NEUTRAL else -1, 1, width, dtype=np.float32)[None]
    if scale.colours is NEUTRAL:
        colours = np.rint(NEUTRAL[np.rint(255 * row).astype(np.intp)] * 255).astype(np.uint8)
    else:
        colours = overlay(row, np.full((1, width, 3), 128, np.uint8), scale.colours)
    return Image.fromarray(np.repeat(colours, height, axis=0))


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The text in lines of at most `width` px, broken between words, and inside a word that is too wide by itself."""
    lines = [""]
    for word in text.split(" "):
        lines += [""] if lines[-1] and font.getlength(f"{lines[-1]} {word}") > width else []
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
        while font.getlength(lines[-1]) > width and len(lines[-1]) > 1:
            keep = next(n for n in range(len(lines[-1]) - 1, 0, -1) if n == 1 or font.getlength(lines[-1][:n]) <= width)
            lines[-1:] = [lines[-1][:keep], lines[-1][keep:]]
    return lines


def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings with it: Latin, Greek and Cyrillic names of files are readable."""
    home = importlib.util.find_spec("matplotlib")
    (folder,) = home.submodule_search_locations if home is not None and home.submodule_search_locations else ("",)
    return ImageFont.truetype(Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf"), size)
