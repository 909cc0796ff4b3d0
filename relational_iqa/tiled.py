"""A function of tiles over whole images: windows of stored images in, grid maps and sums of the whole image out.

Memory does not grow with the image but for the images as stored and the maps on the 1/4 grid.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distortion_engine.errors import ImageError
from relational_iqa.grid_map import CELL_PX
from relational_iqa.networks.scoring_network import Sums
from relational_iqa.stored_image import StoredImage
from relational_iqa.tiling import GRID_PX, Tile, pad_to_grid, padded_size, tiles_of

WHOLE_PX = 2_200_000
"""An image up to here is one tile: nothing is computed twice."""
MEMORY_BYTES = 1_500_000_000
"""What a process that compares may take: tiles are as large as that leaves room for. Where images alone come near it
(over 100 megapixels, over 75 with a reference) tiles stay at the least side and memory grows with the images."""
_PROCESS_BYTES = 480_000_000  # Python, torch, weights, and what the C library holds on to; measured
_NETWORK_BYTES = 350  # of the networks for a pixel of a tile, measured
_SIDES_PX = (320, 1600)  # least and largest side of a tile
_MAPS_BYTES = 18 * 4 / CELL_PX**2  # a pixel of the image

# Tiles (1, 3, H, W) of the images and the share of each cell -> maps (C, h, w) on the grid of the tile, and sums.
Judge = Callable[[Sequence[Tensor], Tensor], tuple[Tensor, tuple[Sums, ...]]]


@dataclass(frozen=True)
class Tiled:
    """maps: float32 (C, h, w) on the 1/4 grid of the padded image, or None where they were not wanted; sums: as many as
    the judge gives, over the whole image."""

    maps: np.ndarray | None
    sums: tuple[Sums, ...]


@dataclass(frozen=True)
class Tiler:
    """How images are cut: side of a tile (None: what memory allows), the size up to which an image is one tile, and the
    device tiles go to."""

    tile_px: int | None
    whole_px: int
    device: torch.device

    def run(
        self,
        images: Sequence[StoredImage],
        judge: Judge,
        halo_px: int,
        *,
        region: StoredImage | None = None,
        want_maps: bool = True,
    ) -> Tiled:
        """`judge` over all tiles of images of one size, each with a halo that is as wide as the judge sees. region: an
        image, white where it counts. Raises ImageError where nothing counts."""
        if region is not None and region.mean() == 0:
            raise ImageError("the mask is black everywhere: make white what should count")
        _, height, width = images[0].shape
        size = (padded_size(height), padded_size(width))
        maps: np.ndarray | None = None
        sums: list[tuple[Sums, ...]] = []
        last_row = 0
        side = self.tile_px or tile_side(images, halo_px)
        for tile in tiles_of(*size, side, halo_px, self.whole_px):
            if tile.outer[0] > last_row:  # what lies above is not needed again
                last_row = tile.outer[0]
                for image in images:
                    image.release(last_row)
            share = tile.own_share_of(height, width).to(self.device)
            if region is not None:
                share = share * F.avg_pool2d(self._window(region, tile).mean(1, keepdim=True), CELL_PX)
            values, pooled = judge([self._window(image, tile) for image in images], share)
            sums.append(pooled)
            if want_maps:
                part = tile.own_cells(values).cpu().numpy()
                if maps is None:
                    maps = np.empty((len(part), size[0] // CELL_PX, size[1] // CELL_PX), np.float32)
                top, left, bottom, right = (edge // CELL_PX for edge in tile.core)
                np.add(part, 0.0, out=maps[:, top:bottom, left:right])  # + 0.0 turns -0.0 into 0.0
            if tile.core[2:] != size:  # another tile follows
                del values
                _give_back_freed_memory()
        return Tiled(maps, tuple(reduce(add, parts) for parts in zip(*sums, strict=True)))

    def _window(self, image: StoredImage, tile: Tile) -> Tensor:
        """(1, 3, H, W) of the tile with its halo, the border of the image repeated to the grid."""
        top, left, bottom, right = tile.outer
        _, height, width = image.shape
        part = image.window(top, min(bottom, height), left, min(right, width))
        return pad_to_grid(part.to(self.device)[None])


def _give_back_freed_memory() -> None:
    """Memory kept for the next tensor falls to pieces over tiles of different sizes, to nearly twice of what is in use;
    between two tiles all of it is free (glibc; elsewhere nothing happens)."""
    if sys.platform.startswith("linux"):
        try:
            ctypes.CDLL(None).malloc_trim(0)
        except (OSError, AttributeError):  # another C library
            return


def tile_side(images: Sequence[StoredImage], halo_px: int) -> int:
    """Side of tiles with which comparing these images stays within MEMORY_BYTES, px."""
    _, height, width = images[0].shape
    # Rows that are given back make room for the maps, which take less.
    maps = 0.0 if all(image.releases for image in images) else _MAPS_BYTES * height * width
    free = MEMORY_BYTES - _PROCESS_BYTES - maps - sum(image.nbytes for image in images)
    side = int((max(free, 0.0) / _NETWORK_BYTES) ** 0.5) - 2 * halo_px
    return min(max(side, _SIDES_PX[0]), _SIDES_PX[1]) // GRID_PX * GRID_PX
