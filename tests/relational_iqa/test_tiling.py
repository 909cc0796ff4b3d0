"""Tiles: they cover an image once, start on the grid of the networks, and carry a halo wide enough."""

import itertools

import pytest
import torch

from relational_iqa.tiling import CELL_PX, GRID_PX, HALO_PX, inside_share, pad_to_grid, tiles_of

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
