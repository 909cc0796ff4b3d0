"""A sheet of ranked sets that a person can check: is each row ordered, and do the maps say what can be seen?

A row is one set: its reference, then its members from best to worst. Below each member lie its field on the axis that
it changed most (fixed colour scale) and, beside it, where its pixels really differ from the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from distortion_engine.catalog import AXES
from distortion_engine.generation.lettering import FAINT, PAPER, write_text
from distortion_engine.recipe import RankedSet, Recipe

TILE_PX = 224
DIFFERENCE_GAIN = 4.0  # a change of 64 code values is white
_GAP_PX, _LINE_PX, _LABEL_PX = 8, 15, 150
_HALF_PX = (TILE_PX - 2) // 2
_HEADER_PX = 3 * _LINE_PX + _GAP_PX
_NO_EVIDENCE = (150, 150, 150)
# Field values -1 to +1 in steps of a half: blue is less of the axis, orange is more.
_COLOURS = np.array([(8, 60, 144), (90, 150, 215), (250, 250, 250), (240, 150, 60), (150, 55, 0)], np.float32)
_SHOWN_PARAMS = 3  # of an operation; more do not fit above an image
_SEEN_PX = 0.02  # mean field below which an axis is not worth a caption


@dataclass(frozen=True)
class SheetRow:
    """One ranked set of n members.

    Args:
        title: line above the row.
        ranked: recipes of the members and their order.
        judge: severity of each image, the reference first, by the mean of a judge's metrics; None without a judge.
        images: (n + 1, 3, S, S) uint8, the reference first.
        fields: (n + 1, K, S, S) in [-1, 1].
        validity: (n + 1, 1, S, S), > 0 where the fields are known.
    """

    title: str
    ranked: RankedSet
    judge: Sequence[float] | None
    images: np.ndarray
    fields: np.ndarray
    validity: np.ndarray


def varied(kinds: Sequence[str], count: int) -> list[int]:
    """Indices of up to `count` items, rising: the first of every kind, then the second, and so on."""
    seen: dict[str, int] = {}
    turns = []
    for index, kind in enumerate(kinds):
        seen[kind] = seen.get(kind, -1) + 1
        turns.append((seen[kind], index))
    return sorted(index for _, index in sorted(turns)[:count])


def field_colours(field: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 of a field (H, W) in [-1, 1] on a fixed scale; hatched grey where `valid` (H, W) is false."""
    position = (np.clip(field, -1, 1) + 1) * (len(_COLOURS) - 1) / 2
    colours = np.stack([np.interp(position, range(len(_COLOURS)), _COLOURS[:, c]) for c in range(3)], axis=-1)
    row, column = np.indices(field.shape)
    hatched = ~valid & ((row + column) % 8 < 4)
    return np.where(hatched[..., None], _NO_EVIDENCE, colours).round().astype(np.uint8)


def draw_sheet(rows: Sequence[SheetRow]) -> np.ndarray:
    """The sheet (H, W, 3) uint8."""
    columns = max((len(row.images) for row in rows), default=1)
    width = _LABEL_PX + columns * (TILE_PX + _GAP_PX) + _GAP_PX
    heights = [_row_height(row) for row in rows]
    sheet = Image.new("RGB", (width, _HEADER_PX + sum(heights)), PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_header(sheet, draw)
    top = _HEADER_PX
    for row, height in zip(rows, heights, strict=True):
        _draw_row(sheet, draw, row, top)
        top += height
    return np.array(sheet)


def _caption(recipe: Recipe) -> list[str]:
    lines = []
    for operation in recipe.operations:
        said = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in operation.params.values()]
        lines.append(f"{operation.name} {' '.join(said[:_SHOWN_PARAMS])}")
    for step in recipe.steps:
        mask = step.mask
        place = "" if mask.extent >= 1.0 else f", {mask.kind} {100 * mask.extent:.0f} %"
        lines.append(f"{step.distortion} {step.severity:.2f}{place}")
    return lines


def _caption_lines(ranked: RankedSet) -> int:
    return max((len(_caption(member)) for member in ranked.members), default=0)


def _row_height(row: SheetRow) -> int:
    return (3 + _caption_lines(row.ranked)) * _LINE_PX + TILE_PX + 2 + _HALF_PX + 2 * _GAP_PX


def _draw_header(sheet: Image.Image, draw: ImageDraw.ImageDraw) -> None:
    write_text(
        draw,
        _GAP_PX,
        _GAP_PX // 2,
        "Each row: reference, then members from best to worst. Below a member, left: its field on the axis it changed "
        f"most; right: largest change of R, G, B against the reference, x{DIFFERENCE_GAIN:g}.",
    )
    top, scale = _GAP_PX // 2 + _LINE_PX + 2, np.linspace(-1, 1, 257)
    strip = field_colours(np.tile(scale, (_LINE_PX, 1)), np.ones((_LINE_PX, 257), bool))
    write_text(draw, _GAP_PX, top, "field: less, -1")
    sheet.paste(Image.fromarray(strip), (_GAP_PX + 90, top))
    write_text(draw, _GAP_PX + 90 + 257 + 6, top, "+1, more of the axis; hatched grey: no change can be measured")


def _draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, row: SheetRow, top: int) -> None:
    draw.line([(0, top), (sheet.width, top)], fill=(200, 200, 200))
    top += _GAP_PX
    write_text(draw, _GAP_PX, top, row.title, FAINT)
    top += _LINE_PX
    certainty = f"certainty {row.ranked.certainty:g}" if row.ranked.certainty else "in no known order"
    for number, text in enumerate((row.ranked.kind, certainty)):
        write_text(draw, _GAP_PX, top + number * _LINE_PX, text)
    by_rank = sorted(range(len(row.ranked.members)), key=lambda number: row.ranked.ranks[number])
    for column, number in enumerate([-1, *by_rank]):
        _draw_member(sheet, draw, row, number, _LABEL_PX + column * (TILE_PX + _GAP_PX), top)


def _draw_member(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, row: SheetRow, number: int, left: int, top: int
) -> None:
    """One column of a row; `number` -1 is the reference."""
    image = row.images[number + 1]
    rank = f"rank {row.ranked.ranks[number]}" if row.ranked.certainty else "no rank"
    title = "reference" if number < 0 else f"member {number}, {rank}"
    seen = "" if row.judge is None else f", metrics see {row.judge[number + 1]:.2f}"
    write_text(draw, left, top, title + seen)
    for line, text in enumerate([] if number < 0 else _caption(row.ranked.members[number])):
        write_text(draw, left, top + (1 + line) * _LINE_PX, text)
    top += (1 + _caption_lines(row.ranked)) * _LINE_PX
    _paste(sheet, image.transpose(1, 2, 0), (left, top), TILE_PX)
    if number < 0:
        return
    top += TILE_PX + 2
    field, valid = row.fields[number + 1], row.validity[number + 1, 0] > 0
    axis = int(np.abs(field).mean((1, 2)).argmax())
    # Shrunk before it is hatched, so that the hatching stays to be seen.
    small = Image.fromarray(field[axis].astype(np.float32)).resize((_HALF_PX, _HALF_PX), Image.Resampling.BOX)
    known = Image.fromarray(valid).resize((_HALF_PX, _HALF_PX), Image.Resampling.NEAREST)
    _paste(sheet, field_colours(np.asarray(small), np.asarray(known)), (left, top), _HALF_PX)
    change = np.abs(image.astype(np.int16) - row.images[0]).max(0)
    grey = np.clip(DIFFERENCE_GAIN * change, 0, 255).astype(np.uint8)
    _paste(sheet, np.repeat(grey[..., None], 3, axis=2), (left + TILE_PX - _HALF_PX, top), _HALF_PX)
    others = int((np.abs(field).mean((1, 2)) > _SEEN_PX).sum()) - 1
    more = f" (+ {others} more)" if others > 0 else ""
    write_text(draw, left, top + _HALF_PX + 1, f"{AXES[axis].name}{more}", FAINT)


def _paste(sheet: Image.Image, pixels: np.ndarray, place: tuple[int, int], side: int) -> None:
    """Shrinks by area, enlarges by whole pixels: neither invents smoothness."""
    how = Image.Resampling.BOX if pixels.shape[0] > side else Image.Resampling.NEAREST
    sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), how), place)
