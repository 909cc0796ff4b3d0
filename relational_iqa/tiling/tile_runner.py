"""Runs a function over all tiles of whole images and joins its maps and sums.

Memory does not grow with the image: tiles have one size, and large images and maps lie in temporary files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor

from distortion_engine.jobs.progress import steps
from relational_iqa.networks.in_parts import at_once
from relational_iqa.tiling.enlargement import CELL_PX
from relational_iqa.tiling.memory import give_back_freed_memory, large_blocks_apart
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.tiling.temporary_arrays import IN_FILE_FROM_BYTES, give_back, temporary_array
from relational_iqa.tiling.tile_geometry import Tile, best_tile, pad_to_grid, padded_size, tiles_of

WHOLE_PX = 2_200_000
"""An image up to here is one tile: nothing is computed twice."""
MEMORY_BYTES = 1_500_000_000
"""What a process that compares may take: tiles are as large as that leaves room for."""
# Python, torch, weights, rows of large images and maps while a tile is read, and blocks in work; measured.
_PROCESS_BYTES = 500_000_000
NETWORK_BYTES = 340
"""What networks take for a pixel of a tile that they see as a whole, beside the images; measured."""
_IMAGE_BYTES = 16  # of each image for a pixel of a tile; measured
_MAPS_BYTES = 23 * 4 / CELL_PX**2  # a pixel of the image


@runtime_checkable
class Pooled(Protocol):
    """Sums over pixels; those of tiles add."""

    def __add__(self, other: Any, /) -> Any: ...


Parts = TypeVar("Parts", bound=Pooled)
# Tiles of the images and the share of each cell -> maps on the grid of the tile, and sums.
TileFunction = Callable[
    [Sequence[Float[Tensor, "1 3 _ _"]], Float[Tensor, "1 1 h w"]], tuple[Float[Tensor, "c h w"], tuple[Parts, ...]]
]


@dataclass(frozen=True)
class TiledResult(Generic[Parts]):
    """What a function of tiles gives for whole images.

    Args:
        maps: on the 1/4 grid of the padded image; None where they were not wanted.
        sums: those that the function gives, over the whole image.
    """

    maps: Float32[np.ndarray, "c h w"] | None
    sums: tuple[Parts, ...]


@dataclass(frozen=True)
class TileRunner:
    """Cuts images into tiles and runs a function over them.

    Args:
        tile_px: side of the core of a tile, None for the largest that MEMORY_BYTES allows.
        whole_px: an image of at most this many pixels is one tile.
        device: where tiles are computed.
    """

    tile_px: int | None
    whole_px: int
    device: torch.device

    def run(
        self,
        images: Sequence[StoredImage],
        function: TileFunction[Parts],
        halo_px: int,
        *,
        want_maps: bool = True,
        network_bytes: int = NETWORK_BYTES,
    ) -> TiledResult[Parts]:
        """Runs `function` over all tiles of images of one size.

        Args:
            images: of one size; where the first says which of its pixels count, that holds for all.
            function: takes the tiles of the images and the share of each cell, gives maps on the grid of the tile and
                sums over its cells.
            halo_px: width of the halo, at least the reach of the function.
            want_maps: whether the maps are kept.
            network_bytes: what the function takes for a pixel of a tile on a CPU, beside the images.
        """
        counts = images[0].counts
        _, height, width = images[0].shape
        size = (padded_size(height), padded_size(width))
        maps: np.ndarray | None = None
        sums: list[tuple[Parts, ...]] = []
        needed = network_bytes if self.device.type == "cpu" else NETWORK_BYTES
        cores = self.tile_px or best_tile(*size, halo_px, tile_px_within(images, needed))
        tiles = list(tiles_of(*size, cores, halo_px, self.whole_px))
        with large_blocks_apart() if len(tiles) > 1 else nullcontext(), steps(len(tiles)) as done:
            for tile in tiles:
                share = tile.own_share_of(height, width).to(self.device)
                if counts is not None:
                    share = share * F.avg_pool2d(self._window(counts, tile).mean(1, keepdim=True), CELL_PX)
                values, pooled = function(at_once(*(partial(self._window, image, tile) for image in images)), share)
                sums.append(pooled)
                if want_maps:
                    part = tile.own_cells(values).cpu().numpy()
                    if maps is None:
                        maps = temporary_array((len(part), size[0] // CELL_PX, size[1] // CELL_PX), np.float32)
                    top, left, bottom, right = (edge // CELL_PX for edge in tile.core)
                    np.add(part, 0.0, out=maps[:, top:bottom, left:right])  # + 0.0 turns -0.0 into 0.0
                    give_back(maps)
                    del part
                del values
                if len(tiles) > 1:
                    give_back_freed_memory()
                done()
        return TiledResult(maps, tuple(reduce(add, parts) for parts in zip(*sums, strict=True)))

    def _window(self, image: StoredImage, tile: Tile) -> Tensor:
        """(1, 3, H, W) of the tile with its halo, the border of the image repeated to the grid."""
        top, left, bottom, right = tile.outer
        _, height, width = image.shape
        part = image.window(top, min(bottom, height), left, min(right, width))
        image.give_back()  # with what the system reads ahead: whole rows of a wide image
        return pad_to_grid(part.to(self.device)[None])


def tile_px_within(images: Sequence[StoredImage], network_bytes: int = NETWORK_BYTES) -> float:
    """The largest number of pixels of a tile with its halo with which comparing these images takes MEMORY_BYTES.

    Args:
        images: that are compared, of one size.
        network_bytes: what the networks take for a pixel.
    """
    _, height, width = images[0].shape
    maps = _MAPS_BYTES * height * width
    free = float(MEMORY_BYTES - _PROCESS_BYTES - sum(image.memory_bytes for image in images))
    free -= maps if maps < IN_FILE_FROM_BYTES else 0.0
    return free / (network_bytes + _IMAGE_BYTES * len(images))
