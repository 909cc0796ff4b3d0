"""A sheet that shows the whole catalogue to the eye: each distortion at its five levels, and a truth map of it.

Down a column the images should look about equally bad: that is what severity promises. Where a distortion does not
reach a level, or starts above it, the sheet says so instead of showing something else.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import interpolate

from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS, Distortion
from distortion_engine.dataset import Judge
from distortion_engine.errors import UsageError
from distortion_engine.generation.contact_sheet import field_colours
from distortion_engine.generation.lettering import EMPTY, FAINT, INK, PAPER, write_text
from distortion_engine.generation.options import check_names
from distortion_engine.masks import MaskSpec
from distortion_engine.reading.image_io import load_image, save_image, to_uint8
from distortion_engine.recipe import Recipe, Step
from distortion_engine.render import render
from distortion_engine.severity import LEVELS, amount_for, max_severity, min_severity

SAMPLE_PHOTO = Path(__file__).with_name("sample_photo.webp")  # shipped; credits in THIRD_PARTY.md
TILE_PX = 192  # at which the severity curves were fitted: shown pixel for pixel
MASK = MaskSpec("blobs", 0.4, 0.3, seed=7)
MASKED_SEVERITY = 0.8
WHOLE = MaskSpec()
NEAR_ENOUGH = 0.03  # a severity that ends so little below a level is shown for it
BLOCKS = 3  # the rows are set in so many columns of rows, or the sheet would be a strip
_GAP_PX, _LINE_PX, _LABEL_PX = 8, 15, 168


@dataclass(frozen=True)
class Cell:
    """One distortion at one level.

    Args:
        image: (3, S, S) in [0, 1], rounded to 8 bits; None where the distortion does not reach the level.
        amount: in the unit of the distortion; NaN where the level is not reached.
        note: where the distortion starts or ends, if that keeps it from the level; else empty.
        judged: severity by the mean of the judge's metrics; None without a judge.
    """

    image: Tensor | None
    amount: float
    note: str = ""
    judged: float | None = None


@dataclass(frozen=True)
class CatalogRow:
    """One distortion at all levels, and once inside a mask.

    Args:
        spec: the distortion.
        cells: one a level.
        masked: (3, S, S) in [0, 1], rounded to 8 bits: the distortion inside the mask.
        masked_severity: severity of the distortion there.
        field: (S, S) in [-1, 1], field of that image on the axis of the distortion.
        valid: (S, S) bool, where the field is known.
    """

    spec: Distortion
    cells: tuple[Cell, ...]
    masked: Tensor
    masked_severity: float
    field: np.ndarray
    valid: np.ndarray


def draw(
    photo: str | os.PathLike[str] | Tensor,
    path: str | os.PathLike[str],
    *,
    names: Sequence[str] = (),
    judge: Judge | None = None,
    tile_px: int = TILE_PX,
) -> list[CatalogRow]:
    """Draws distortions at all levels on a square of a photograph, and returns the rows drawn.

    Args:
        photo: a file, or an image (3, H, W) in [0, 1]; `reference_tile` says which part of it is used.
        path: file to write, .png or .webp.
        names: distortions, empty for all.
        judge: as for `RankedSetDataset`; the mean of its metrics is then written above each image.
        tile_px: side of the square.

    Raises:
        UsageError: for an unknown or repeated name, or a photograph smaller than the tile.
        ImageError: for a photograph that cannot be read.
    """
    ordered = by_axis(names)
    image = photo if isinstance(photo, Tensor) else load_image(photo)
    reference = reference_tile(image, tile_px)
    rows = [catalog_row(reference, name, judge) for name in ordered]
    sheet = _compose(rows, reference, "" if isinstance(photo, Tensor) else Path(photo).name)
    save_image(torch.from_numpy(sheet).permute(2, 0, 1).float() / 255, path)
    return rows


def by_axis(names: Sequence[str] = ()) -> list[str]:
    """`names`, or all distortions when empty, in the order of their axes. Raises UsageError for an unknown one."""
    check_names(names)
    return sorted(names or DISTORTIONS, key=lambda name: AXIS_INDEX[DISTORTIONS[name].axis])


def reference_tile(image: Tensor, side_px: int) -> Tensor:
    """What of a photograph (3, H, W) the catalogue is shown on: its central (3, side_px, side_px), after shrinking one
    whose shorter side is over twice that; the middle of a camera's full size would show a bare surface."""
    height, width = image.shape[-2:]
    scale = 2 * side_px / min(height, width)
    if scale < 1:
        size = (max(side_px, round(height * scale)), max(side_px, round(width * scale)))
        image = interpolate(image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
    return central_square(image, side_px)


def central_square(image: Tensor, side_px: int) -> Tensor:
    """The middle (3, side_px, side_px) of an image (3, H, W), unscaled. Raises UsageError if it is smaller."""
    height, width = image.shape[-2:]
    if min(height, width) < side_px:
        raise UsageError(f"the photo is {width}x{height} px; needs {side_px} px on each side, so give a larger one")
    top, left = (height - side_px) // 2, (width - side_px) // 2
    return image[:, top : top + side_px, left : left + side_px].contiguous()


def catalog_row(reference: Tensor, name: str, judge: Judge | None = None) -> CatalogRow:
    """Distortion `name` on `reference` (3, S, S): five levels with the same parameters and seed, and its masked map."""
    spec = DISTORTIONS[name]
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") // 2
    params = spec.sample_params(np.random.default_rng(seed))

    def rendered(severity: float, mask: MaskSpec = WHOLE) -> tuple[Step, Tensor, Tensor, Tensor]:
        step = Step(name, severity, amount_for(name, severity), params, mask, seed)
        result = render(reference, Recipe((step,)))
        return step, (result.image * 255).round() / 255, result.field, result.validity

    top, onset = max_severity(name), min_severity(name)
    cells = []
    for level in LEVELS:
        if level > top + NEAR_ENOUGH:
            cells.append(Cell(None, float("nan"), f"not reached: ends at {top:.2f}"))
            continue
        step, image, _, _ = rendered(min(level, top))
        judged = None if judge is None else float(judge(image[None], reference[None]).mean())
        note = f"starts at {onset:.2f}" if level < onset else f"ends at {top:.2f}" if level > top else ""
        cells.append(Cell(image, step.amount, note, judged))
    step, masked, fields, validity = rendered(min(top, MASKED_SEVERITY), MASK)
    field = fields[AXIS_INDEX[spec.axis]].numpy()
    return CatalogRow(spec, tuple(cells), masked, step.severity, field, validity[0].numpy() > 0)


def _compose(rows: Sequence[CatalogRow], reference: Tensor, photo: str) -> np.ndarray:
    side = reference.shape[-1]
    pitch = side + _GAP_PX
    blocks = min(BLOCKS, len(rows))
    a_block = -(-len(rows) // blocks)
    block_width = _LABEL_PX + (len(LEVELS) + 1) * pitch + _GAP_PX
    row_height = side + 2 * _LINE_PX + _GAP_PX
    header = side + 2 * _GAP_PX
    sheet = Image.new("RGB", (blocks * block_width, header + _LINE_PX + a_block * row_height), PAPER)
    pen = ImageDraw.Draw(sheet)
    _draw_header(sheet, pen, reference, photo)
    for block in range(blocks):
        left = block * block_width
        for column, title in enumerate([*(f"severity {level:g}" for level in LEVELS), "field, masked"]):
            write_text(pen, left + _LABEL_PX + column * pitch, header - 2, title, FAINT)
    for index, row in enumerate(rows):
        left, top = index // a_block * block_width, header + _LINE_PX + index % a_block * row_height
        _draw_row(sheet, pen, row, left, top, side)
    return np.array(sheet)


def _draw_header(sheet: Image.Image, pen: ImageDraw.ImageDraw, reference: Tensor, photo: str) -> None:
    side = reference.shape[-1]
    sheet.paste(Image.fromarray(to_uint8(reference)), (_GAP_PX, _GAP_PX))
    left, top = side + 2 * _GAP_PX, _GAP_PX
    lines = (
        f"Reference {photo}",
        "Each row: one distortion at five severities (amount in its own unit above the image).",
        "Images in a column should look about equally bad.",
        f"Last: the truth map of severity {MASKED_SEVERITY} or the most it reaches, in a {MASK.kind} mask.",
        "Map: -1 ",
    )
    for number, line in enumerate(lines):
        write_text(pen, left, top + number * _LINE_PX, line)
    strip = field_colours(np.tile(np.linspace(-1, 1, 129), (_LINE_PX - 3, 1)), np.ones((_LINE_PX - 3, 129), bool))
    sheet.paste(Image.fromarray(strip), (left + 52, top + 4 * _LINE_PX + 1))
    write_text(pen, left + 188, top + 4 * _LINE_PX, "+1; hatched grey: no trace that can be measured")


def _draw_row(sheet: Image.Image, pen: ImageDraw.ImageDraw, row: CatalogRow, left: int, top: int, side: int) -> None:
    pen.line([(left, top), (left + _LABEL_PX + (len(LEVELS) + 1) * (side + _GAP_PX), top)], fill=EMPTY)
    axis = AXES[AXIS_INDEX[row.spec.axis]]
    labels = (
        (row.spec.name, INK),
        (f"axis {axis.name},", FAINT),
        (axis.more if row.spec.sign > 0 else axis.less, FAINT),
        (f"in {row.spec.unit}", FAINT),
        ("" if row.spec.trained else "not drawn in training", FAINT),
    )
    for number, (text, colour) in enumerate(labels):
        write_text(pen, left + _GAP_PX, top + (number + 2) * _LINE_PX, text, colour)
    above = top + 2 * _LINE_PX
    for column, cell in enumerate(row.cells):
        x = left + _LABEL_PX + column * (side + _GAP_PX)
        if cell.image is None:
            pen.rectangle([x, above, x + side - 1, above + side - 1], fill=EMPTY)
            write_text(pen, x + 2 * _GAP_PX, above + side // 2, cell.note, FAINT)
            continue
        seen = "" if cell.judged is None else f"metrics see {cell.judged:.2f}"
        write_text(pen, x, top + 1, f"{cell.amount:.3g}" + (f", {cell.note}" if cell.note else ""))
        write_text(pen, x, top + _LINE_PX, seen, FAINT)
        sheet.paste(Image.fromarray(to_uint8(cell.image)), (x, above))
    x = left + _LABEL_PX + len(row.cells) * (side + _GAP_PX)
    sheet.paste(Image.fromarray(field_colours(row.field, row.valid)), (x, above))
