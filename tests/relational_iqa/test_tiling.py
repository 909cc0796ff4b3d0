"""Tiles: they cover an image once, start on the grid of the networks, and carry a halo wide enough."""

import itertools

import numpy as np
import pytest
import torch

from relational_iqa.stored_image import StoredImage, open_image
from relational_iqa.tiled import MEMORY_BYTES, tile_side
from relational_iqa.tiling import (
    CELL_PX,
    GRID_PX,
    HALO_PX,
    REFERENCE_HALO_PX,
    inside_share,
    pad_to_grid,
    padded_size,
    tiles_of,
)

SIZES = [(16, 16), (2048, 64), (1600, 1200), (48, 3008)]


@pytest.mark.parametrize(("size", "tile_px"), [*itertools.product(SIZES, (100, 512)), ((64, 64), 1)])
def test_cores_cover_every_pixel_once_and_start_on_the_grid(size: tuple[int, int], tile_px: int) -> None:
    covered = torch.zeros(size)
    for tile in tiles_of(*size, tile_px):
        top, left, bottom, right = tile.core
        covered[top:bottom, left:right] += 1
        assert all(edge % GRID_PX == 0 for edge in (*tile.core, *tile.outer))
        for inner, outer, limit in zip(tile.core, tile.outer, (0, 0, *size), strict=True):
            assert abs(inner - outer) == HALO_PX or outer == limit
    assert (covered == 1).all()


def test_image_hardly_larger_than_a_tile_is_one_tile() -> None:
    assert len(list(tiles_of(128, 256, 128))) == 1
    assert len(list(tiles_of(144, 256, 128))) == 4
    assert len(list(tiles_of(144, 256, 128, whole_px=144 * 256))) == 1


def test_joined_tiles_are_the_image_and_shares_of_cores_add_up() -> None:
    height, width = 30, 1500
    image = pad_to_grid(torch.rand(1, 2, height, width))
    share = inside_share(height, width)
    joined, shares = torch.zeros(2, *image.shape[-2:]), 0.0
    for tile in tiles_of(*image.shape[-2:], 128):
        part = tile.with_halo(image)
        own = tile.own_share(share)
        assert own.shape[-2:] == (part.shape[-2] // CELL_PX, part.shape[-1] // CELL_PX)
        tile.place(joined, part[0])
        shares += float(own.sum())
    assert torch.equal(joined, image[0])
    assert shares == pytest.approx(height * width / CELL_PX**2, rel=1e-6)


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (31, 48)])
def test_padding_repeats_the_border_and_has_no_share(size: tuple[int, int]) -> None:
    image = torch.rand(1, 3, *size)
    padded = pad_to_grid(image)
    height, width = size
    assert padded.shape[-2] % GRID_PX == padded.shape[-1] % GRID_PX == 0
    assert padded.shape[-2] - height < GRID_PX and padded.shape[-1] - width < GRID_PX
    assert torch.equal(padded[..., :height, :width], image)
    assert (padded[..., height:, :width] == image[..., -1:, :]).all()
    assert (padded[..., width:] == padded[..., width - 1 : width]).all()
    share = inside_share(*size)
    assert share.shape[-2:] == (padded.shape[-2] // CELL_PX, padded.shape[-1] // CELL_PX)
    assert share.min() >= 0 and share.max() == 1 and float(share.sum()) * CELL_PX**2 == pytest.approx(height * width)


@pytest.mark.parametrize("size", [(16, 16), (37, 1103), (700, 645)])
@pytest.mark.parametrize("halo_px", [REFERENCE_HALO_PX, HALO_PX])
def test_the_share_of_a_tile_is_that_cut_out_of_the_whole(size: tuple[int, int], halo_px: int) -> None:
    share, padded = inside_share(*size), [padded_size(length) for length in size]
    values = torch.rand(2, *share.shape[-2:])
    joined = torch.zeros_like(values)
    for tile in tiles_of(*padded, 128, halo_px):
        assert torch.equal(tile.own_share_of(*size), tile.own_share(share))
        top, left, bottom, right = (edge // CELL_PX for edge in tile.core)
        y, x, y_end, x_end = (edge // CELL_PX for edge in tile.outer)
        joined[:, top:bottom, left:right] = tile.own_cells(values[:, y:y_end, x:x_end])
    assert torch.equal(joined, values)


def flat_images(count: int, height: int, releases: bool = True) -> list[StoredImage]:
    """4:3 images that take no memory, but say what they would take."""
    pixels = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (height, height * 4 // 3, 3))
    images = [open_image(pixels) for _ in range(count)]
    for image in images:
        image.releases = releases
    return images


@pytest.mark.parametrize(("count", "halo_px", "largest"), [(2, HALO_PX, 8660), (3, REFERENCE_HALO_PX, 7000)])
def test_tiles_shrink_with_the_images_so_that_memory_stays_bounded(count: int, halo_px: int, largest: int) -> None:
    heights = (1500, 3000, 4500, 6000, largest)  # 8660: a hundred megapixels, 7000: 65
    sides = [tile_side(flat_images(count, height), halo_px) for height in heights]
    assert sides == sorted(sides, reverse=True) and all(side % GRID_PX == 0 for side in sides)
    assert sides[0] > 900 and sides[-1] > 320
    for height, side in zip(heights, sides, strict=True):  # images, tile with what the networks need for it, Python
        assert count * 3 * height * height * 4 / 3 + 350 * (side + 2 * halo_px) ** 2 + 4.8e8 <= MEMORY_BYTES
    assert tile_side(flat_images(count, 6000, releases=False), halo_px) < sides[3]
    assert tile_side(flat_images(count, 12_000), halo_px) == 320
