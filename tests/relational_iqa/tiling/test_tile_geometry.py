"""Tiles: they cover an image once, start on the grid of the networks, and carry a halo wide enough."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from relational_iqa.systems.network_inference import PAIR_BYTES, REFERENCE_BYTES
from relational_iqa.tiling.stored_image import StoredImage, open_image
from relational_iqa.tiling.tile_geometry import (
    CELL_PX,
    GRID_PX,
    HALO_PX,
    PAIR_HALO_PX,
    REFERENCE_HALO_PX,
    best_tile,
    inside_share,
    pad_to_grid,
    padded_size,
    tiles_of,
)
from relational_iqa.tiling.tile_runner import MEMORY_BYTES, NETWORK_BYTES, tile_px_within

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


def flat_images(count: int, height: int) -> list[StoredImage]:
    """4:3 images that take no memory, but say what they would take."""
    pixels = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (height, height * 4 // 3, 3))
    return [open_image(pixels) for _ in range(count)]


def test_tiles_shrink_where_networks_take_more_for_a_pixel():
    images = flat_images(2, 3008)
    whole, parted = tile_px_within(images), tile_px_within(images, PAIR_BYTES)
    assert whole == pytest.approx(parted * (PAIR_BYTES + 2 * 16) / (NETWORK_BYTES + 2 * 16))


@pytest.mark.parametrize(
    ("count", "halo_px", "network_bytes"),
    [(2, PAIR_HALO_PX, PAIR_BYTES), (3, REFERENCE_HALO_PX, REFERENCE_BYTES), (3, REFERENCE_HALO_PX, NETWORK_BYTES)],
)
def test_tiles_shrink_with_images_in_memory_so_that_memory_stays_bounded(
    count: int, halo_px: int, network_bytes: int
) -> None:
    heights = (1504, 3008, 4512, 6000)
    budgets = [tile_px_within(flat_images(count, height), network_bytes) for height in heights]
    assert budgets == sorted(budgets, reverse=True) and budgets[0] > 1500**2
    for height, most_px in zip(heights, budgets, strict=True):
        tall, wide = best_tile(padded_size(height), padded_size(height * 4 // 3), halo_px, most_px)
        assert tall % GRID_PX == wide % GRID_PX == 0 and min(tall, wide) >= 320
        for tile in tiles_of(padded_size(height), padded_size(height * 4 // 3), (tall, wide), halo_px, whole_px=0):
            top, left, bottom, right = tile.outer
            # images, tile with what the networks need for it, Python
            needed = network_bytes + 16 * count
            taken = count * 3 * height * height * 4 / 3 + needed * (bottom - top) * (right - left) + 5e8
            assert taken <= MEMORY_BYTES


def test_images_in_files_leave_the_tiles_as_large_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(np.zeros((600, 800, 3), np.uint8)).save(path)
    in_memory = tile_px_within([open_image(path)] * 2)
    for module in ("temporary_arrays", "stored_image", "tile_runner"):
        monkeypatch.setattr(f"relational_iqa.tiling.{module}.IN_FILE_FROM_BYTES", 1)
    assert tile_px_within([open_image(path)] * 2) > in_memory + 1000


def test_the_best_tile_is_the_one_with_the_least_work() -> None:
    def work(height: int, width: int, core: tuple[int, int], halo: int) -> tuple[float, int]:
        tiles = [tile.outer for tile in tiles_of(height, width, core, halo, whole_px=0)]
        areas = [(bottom - top) * (right - left) for top, left, bottom, right in tiles]
        return sum(areas) / height / width, max(areas)

    for height, width, halo in ((3008, 4000, 240), (8336, 12000, 160), (2000, 6000, 240), (320, 9600, 160)):
        core = best_tile(height, width, halo, 1800**2)
        overlap, largest = work(height, width, core, halo)
        assert largest <= 1800**2 and overlap < 1.8
        square = (1800 - 2 * halo) // GRID_PX * GRID_PX
        assert overlap <= work(height, width, (square, square), halo)[0]
    assert best_tile(3008, 4000, 240, 3008 * 4000) == (3008, 4000)
    assert best_tile(3008, 4000, 240, 0.0) == (320, 320)  # no room: the least


def test_tiles_of_a_small_image_by_hand() -> None:
    tiles = [(tile.core, tile.outer) for tile in tiles_of(48, 80, 32, halo_px=16, whole_px=0)]
    assert tiles == [
        ((0, 0, 32, 32), (0, 0, 48, 48)),
        ((0, 32, 32, 64), (0, 16, 48, 80)),
        ((0, 64, 32, 80), (0, 48, 48, 80)),
        ((32, 0, 48, 32), (16, 0, 48, 48)),
        ((32, 32, 48, 64), (16, 16, 48, 80)),
        ((32, 64, 48, 80), (16, 48, 48, 80)),
    ]


@pytest.mark.parametrize(("length", "padded"), [(1, 16), (15, 16), (16, 16), (17, 32), (30, 32), (33, 48)])
def test_a_side_is_padded_to_the_next_multiple_of_the_grid(length: int, padded: int) -> None:
    assert padded_size(length) == padded


def test_shares_of_cells_at_the_border_by_hand() -> None:
    share = inside_share(18, 21)[0, 0]
    rows = [1.0, 1.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0]  # 18 px are 4 cells and a half, padded to 8
    columns = [1.0, 1.0, 1.0, 1.0, 1.0, 0.25, 0.0, 0.0]
    assert torch.equal(share, torch.tensor([[y * x for x in columns] for y in rows]))
