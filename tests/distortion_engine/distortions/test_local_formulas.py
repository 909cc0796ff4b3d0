"""Local damage on images that tell where each pixel came from: red rises with the row, green with the column."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.distortions import local
from distortion_engine.distortions.random_fields import unit_normal
from tests.distortion_engine.distortions.literal import PHOTO, ROUNDING, array, blotches, difference, luma, seeded

SIZE = 192  # twelve blocks of 16 px
ROW, COLUMN = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
PLACES = torch.stack([ROW, COLUMN, torch.zeros_like(ROW)]).float() / (SIZE - 1)
INSIDE = slice(20, -20)


def offsets(image: Tensor) -> np.ndarray:
    """From where each pixel was fetched, relative to itself, (2, H, W) in px."""
    return array(image - PLACES)[:2] * (SIZE - 1)


def test_jitter_fetches_each_pixel_at_its_own_normal_offset():
    drawn = 1.5 * array(unit_normal((2, SIZE, SIZE), seeded(), PLACES))
    found = offsets(local.jitter(PLACES, 1.5, seeded()))
    assert np.abs(found - drawn)[:, INSIDE, INSIDE].max() < 0.05  # OpenCV: 32 steps a px


def test_wobble_fetches_from_smooth_offsets_of_its_standard_deviation():
    noise = array(unit_normal((2, SIZE, SIZE), seeded(), PLACES))
    drawn = 2.0 * blotches(noise, 0.25 * 16.0)
    found = offsets(local.wobble(PLACES, 2.0, seeded(), wavelength_px=16.0))
    assert np.abs(found - drawn)[:, INSIDE, INSIDE].max() < 0.1
    assert drawn.std() == pytest.approx(2.0, rel=0.1)


def test_displaced_patches_cover_their_share_and_come_from_half_to_one_and_a_half_patches_away():
    result = local.displaced_patches(PLACES, 8.0, seeded())
    changed = array((result != PLACES).any(dim=0)) > 0
    assert 0.055 < changed.mean() <= 0.081  # patches may overlap
    moves = np.unique(np.rint(offsets(result)[:, changed]), axis=1)
    lengths = np.hypot(*moves)
    assert 2 <= len(lengths) <= math.ceil(0.08 * SIZE**2 / 16**2)  # each patch moves as a whole
    # Offsets are rounded to pixels, and are shorter where the source would lie outside.
    assert lengths.max() <= 1.5 * 16 + 1 and np.sort(lengths)[len(lengths) // 2 :].min() >= 0.5 * 16 - 1


def test_the_first_patches_lie_where_they_were_drawn():
    place = torch.rand((144, 2), generator=seeded(), dtype=torch.float64).numpy()
    corner = (place[0] * (SIZE - 16 + 1)).astype(int)
    one = local.displaced_patches_support(100.0 * 16**2 / SIZE**2, seeded(), SIZE, SIZE)
    expected = torch.zeros(SIZE, SIZE)
    expected[corner[0] : corner[0] + 16, corner[1] : corner[1] + 16] = 1.0
    assert float((one - expected).abs().max()) < 1e-4
    half = local.displaced_patches_support(50.0 * 16**2 / SIZE**2, seeded(), SIZE, SIZE)
    assert float((half - 0.5 * expected).abs().max()) < 1e-4  # the last patch is blended in by its fraction


def test_colour_blocks_are_squares_of_one_random_colour_that_cover_their_share():
    grey = torch.full((3, SIZE, SIZE), 0.5)
    result = local.color_blocks(grey, 4.0, seeded(), side_px=12.0)
    changed = (result != 0.5).any(dim=0)
    assert 0.03 < float(changed.float().mean()) <= 0.0401
    colours = torch.unique(result[:, changed], dim=1)
    blocks = 0.04 * SIZE**2 / 12**2
    assert colours.shape[1] == math.ceil(blocks)


def test_the_first_colour_block_lies_on_top_of_those_that_overlap_it():
    result = local.color_blocks(torch.full((3, SIZE, SIZE), 0.5), 60.0, seeded(), side_px=12.0)
    place = torch.rand((math.ceil(SIZE**2 / 12**2), 2), generator=(drawn := seeded()), dtype=torch.float64)
    corners = (place.numpy() * (SIZE - 12 + 1)).astype(int)
    y, x = corners[0]
    there = corners[1 : math.floor(0.6 * SIZE**2 / 12**2)]
    assert (np.abs(there - corners[0]) < 12).all(1).any()  # some other block would cover a part of it
    colour = torch.rand((len(place), 3), generator=drawn)[0]
    assert torch.equal(result[:, y : y + 12, x : x + 12], colour[:, None, None].expand(3, 12, 12))


@pytest.mark.parametrize("mirrored", [0.0, 1.0])
def test_foreign_patches_cover_their_share_with_squares_of_other_places(mirrored: float):
    result = local.foreign_patches(PLACES, 100.0 * 3 * 24**2 / SIZE**2, seeded(), side_px=24.0, mirrored=mirrored)
    weight = local.foreign_patches_support(
        100.0 * 3 * 24**2 / SIZE**2, seeded(), SIZE, SIZE, side_px=24.0, mirrored=mirrored
    )
    assert torch.equal((result != PLACES).any(dim=0), weight > 0) and int(weight.sum()) <= 3 * 24**2
    drawn, total = seeded(), math.ceil(SIZE**2 / 24**2)
    to, source = (torch.rand((total, 2), generator=drawn, dtype=torch.float64).numpy() for _ in range(2))
    y, x = (to[0] * (SIZE - 23)).astype(int)  # the first one lies on top
    from_y, from_x = (source[0] * (SIZE - 23)).astype(int)
    patch = PLACES[:, from_y : from_y + 24, from_x : from_x + 24]
    assert torch.equal(result[:, y : y + 24, x : x + 24], patch.flip(2) if mirrored else patch)


def test_a_ghost_is_the_picture_and_a_share_of_itself_elsewhere():
    result = local.ghosting(PLACES, 0.3, seeded(), distance_px=10.0, angle_deg=30.0)
    moved = offsets(result)[:, INSIDE, INSIDE]  # pixels of the ghost come from 10 px away, at 30 degrees
    expected = 0.3 * 10.0 * np.array([math.sin(math.radians(30.0)), math.cos(math.radians(30.0))])
    assert np.abs(moved - expected[:, None, None]).max() < 0.02


def test_dropped_blocks_are_runs_of_the_block_grid_filled_with_grey_or_from_one_place():
    grey = local.dropped_blocks(PLACES, 10.0, seeded(), copied=0.0)
    lost = (grey != PLACES).any(dim=0)
    blocks = lost.float().reshape(12, 16, 12, 16).mean(dim=(1, 3))
    count = 0.1 * 144
    assert int((blocks > 0.9).sum()) >= math.floor(count) and int((blocks > 0.0).sum()) == math.ceil(count)
    assert float((grey[:, lost] == 0.5).float().mean()) > 0.9  # all but the last block, which is blended
    runs = int(((blocks[:, 1:] > 0) & (blocks[:, :-1] == 0)).sum() + (blocks[:, 0] > 0).sum())
    assert runs <= math.ceil(count) / 2  # of 1 to 8 blocks each
    copied = local.dropped_blocks(PLACES, 10.0, seeded(), copied=1.0)
    whole = (blocks > 0.9).repeat_interleave(16, 0).repeat_interleave(16, 1)
    whole &= (ROW > 24) & (ROW < SIZE - 24) & (COLUMN > 24) & (COLUMN < SIZE - 24)
    moves = np.unique(np.rint(offsets(copied)[:, whole.numpy()]), axis=1)
    # All from one vector, but for the last block, which is blended in.
    assert moves.shape[1] <= 2 and 8 - 1 <= np.hypot(*moves).max() <= 24 + 1


@pytest.mark.parametrize("period_px", [2.0, 3.0])
def test_checkerboard_is_a_cosine_along_rows_and_columns_that_grows_with_luma(period_px: float):
    x = array(PHOTO)
    row, column = np.mgrid[: x.shape[1], : x.shape[2]]
    wave = (np.cos(2.0 * math.pi * row / period_px) + np.cos(2.0 * math.pi * column / period_px)) / 2.0
    expected = x + 0.1 * (0.25 + luma(x)) * wave
    assert difference(local.checkerboard(PHOTO, 0.1, seeded(), period_px=period_px), expected) < 2 * ROUNDING
