"""Large images in tiles that give the numbers of the whole image, because everything before pooling is local."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from relational_iqa.tiling.enlargement import CELL_PX

# The coarsest grid of the networks; tiles start on it, so that every cell means the same in a tile and in the image.
GRID_PX = 16
# More than any receptive field on one side: the distortion network reaches 176 px, the pair scorer on top 152 more.
HALO_PX = 336
# What tiles of a comparison are seen with, without and with a reference (whose scorer looks less far: 180 px in all). A
# tile with a wide halo is mostly halo. What lies beyond moves no margin by 1e-5 and no relation map by 1e-4; the local
# margin without a reference changes by less than .01 levels where tiles meet (`experiments.benchmarks.halos`).
PAIR_HALO_PX = 176
REFERENCE_HALO_PX = 160
_LEAST_PX = 320  # side of a core: below that a tile would be all halo


@dataclass(frozen=True)
class Tile:
    """One tile of a padded image, in pixels, as (top, left, bottom, right) on the grid.

    Args:
        core: the part of the image that this tile answers for.
        outer: the core with its halo, cut at the borders of the padded image.
    """

    core: tuple[int, int, int, int]
    outer: tuple[int, int, int, int]

    def with_halo(self, image: Float[Tensor, "b c _ _"]) -> Float[Tensor, "b c _ _"]:
        """The tile, with its halo, of padded images."""
        top, left, bottom, right = self.outer
        return image[..., top:bottom, left:right]

    def own_share(self, share: Float[Tensor, "1 1 _ _"]) -> Float[Tensor, "1 1 _ _"]:
        """The part of `share`, which has a value per cell of the padded image, that belongs to the tile with its halo;
        0 in the halo."""
        top, left, bottom, right = (x // CELL_PX for x in self.core)
        own = torch.zeros_like(share)
        own[..., top:bottom, left:right] = share[..., top:bottom, left:right]
        top, left, bottom, right = (x // CELL_PX for x in self.outer)
        return own[..., top:bottom, left:right]

    def own_share_of(self, height: int, width: int) -> Float[Tensor, "1 1 _ _"]:
        """`own_share` of `inside_share(height, width)`, computed without the cells of the rest of the image."""
        (top, left, bottom, right), (first, start, last, end) = self.core, self.outer
        rows, columns = _side_share(height, top, bottom, first, last), _side_share(width, left, right, start, end)
        return (rows[:, None] * columns)[None, None]

    def own_cells(self, values: Float[Tensor, "*any _ _"]) -> Float[Tensor, "*any _ _"]:
        """The cells of the core, of values on the grid of the tile with its halo."""
        top, left, bottom, right = (x // CELL_PX for x in self.core)
        y, x = (edge // CELL_PX for edge in self.outer[:2])
        return values[..., top - y : bottom - y, left - x : right - x]

    def place(self, whole: Float[Tensor, "c _ _"], part: Float[Tensor, "c _ _"]) -> None:
        """Writes the core of `part`, pixels of the tile with its halo, to its place in `whole`, the padded image."""
        top, left, bottom, right = self.core
        y, x = self.outer[0], self.outer[1]
        whole[:, top:bottom, left:right] = part[:, top - y : bottom - y, left - x : right - x]


def tiles_of(
    height: int,
    width: int,
    tile_px: int | tuple[int, int],
    halo_px: int = HALO_PX,
    whole_px: int | None = None,
) -> Iterator[Tile]:
    """Tiles whose cores cover a padded image, row by row.

    Args:
        height: of the padded image, px.
        width: of the padded image, px.
        tile_px: side of a square core, or height and width of a core.
        halo_px: width of the halo.
        whole_px: an image of at most this many pixels is one tile; by default the pixels of two cores.
    """
    tall, wide = tile_px if isinstance(tile_px, tuple) else (tile_px, tile_px)
    if height * width <= (2 * tall * wide if whole_px is None else whole_px):
        yield Tile((0, 0, height, width), (0, 0, height, width))
        return
    tall, wide = (max(GRID_PX, length // GRID_PX * GRID_PX) for length in (tall, wide))
    for top in range(0, height, tall):
        for left in range(0, width, wide):
            bottom, right = min(top + tall, height), min(left + wide, width)
            outer = (
                max(0, top - halo_px),
                max(0, left - halo_px),
                min(height, bottom + halo_px),
                min(width, right + halo_px),
            )
            yield Tile((top, left, bottom, right), outer)


def best_tile(height: int, width: int, halo_px: int, most_px: float) -> tuple[int, int]:
    """Height and width of the cores that minimise the overlap between tiles.

    Args:
        height: of the padded image, px.
        width: of the padded image, px.
        halo_px: width of the halo.
        most_px: largest number of pixels of a tile with its halo. Cores are never shorter than _LEAST_PX, even where
            that makes larger tiles.
    """
    best = (float("inf"), (min(_LEAST_PX, height), min(_LEAST_PX, width)))
    for rows in range(1, -(-height // _LEAST_PX) + 1):
        for columns in range(1, -(-width // _LEAST_PX) + 1):
            tall, wide = (padded_size(-(-length // count)) for length, count in ((height, rows), (width, columns)))
            outer = _with_halo(tall, rows, halo_px) * _with_halo(wide, columns, halo_px)
            work = (height + 2 * halo_px * (rows - 1)) * (width + 2 * halo_px * (columns - 1))
            if outer <= most_px and work < best[0]:
                best = (work, (tall, wide))
    return best[1]


def _with_halo(core_px: int, count: int, halo_px: int) -> int:
    """The largest side of `count` tiles of a line: the ends have a halo on one side."""
    return core_px + min(count - 1, 2) * halo_px


def pad_to_grid(image: Float[Tensor, "b c _ _"]) -> Float[Tensor, "b c _ _"]:
    """Images with the last row and column repeated until both sides are multiples of `GRID_PX`."""
    height, width = image.shape[-2:]
    down, right = -height % GRID_PX, -width % GRID_PX
    return F.pad(image, (0, right, 0, down), mode="replicate") if down or right else image


def padded_size(length: int) -> int:
    """A side of an image after `pad_to_grid`."""
    return length + -length % GRID_PX


def inside_share(height: int, width: int) -> Float[Tensor, "1 1 _ _"]:
    """Share of each cell of the padded image that lies in the image of `height` x `width` px, 0 to 1."""
    rows, columns = (_side_share(x, 0, padded_size(x), 0, padded_size(x)) for x in (height, width))
    return (rows[:, None] * columns)[None, None]


def _side_share(length: int, start: int, stop: int, outer_start: int, outer_stop: int) -> Tensor:
    """Share of each cell of one side of a tile that lies inside the image.

    Args:
        length: side of the image, px.
        start: of the core; cells outside of the core have share 0.
        stop: of the core.
        outer_start: of the core with its halo.
        outer_stop: of the core with its halo.
    """
    edge = torch.arange(outer_start, outer_stop, CELL_PX)
    share = (length - edge).clamp(0, CELL_PX) / CELL_PX
    return share * ((edge >= start) & (edge < stop))
