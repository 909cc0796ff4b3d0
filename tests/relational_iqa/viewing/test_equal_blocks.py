"""Enlargements by nearest neighbour are seen in the pixels, whatever their offset."""

import io

import numpy as np
import pytest
from PIL import Image

from relational_iqa.viewing.equal_blocks import block_side


def scene(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = np.asarray(Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)).resize((width, height), 3))
    return np.clip(coarse.astype(int) + rng.integers(-9, 10, coarse.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [2, 3, 4, 8])
@pytest.mark.parametrize("offset", [0, 1])
def test_blocks_are_found_with_their_side_from_any_offset(side: int, offset: int) -> None:
    large = scene(40, 50).repeat(side, 0).repeat(side, 1)
    assert block_side(large[offset:, offset:]) == side


def test_photographs_other_enlargements_and_flat_areas_have_no_blocks() -> None:
    photo = Image.fromarray(scene(60, 80))
    assert block_side(np.asarray(photo)) == 1
    assert block_side(np.asarray(photo.resize((160, 120), Image.Resampling.BICUBIC))) == 1
    assert block_side(np.asarray(photo.resize((120, 90), Image.Resampling.NEAREST))) == 1  # by 1.5
    assert block_side(np.full((64, 64, 3), 200, np.uint8)) == 1
    wide = scene(60, 80).repeat(2, 1)  # along one side only
    assert block_side(wide) == 1


def test_blocks_that_were_compressed_afterwards_are_left_to_the_networks() -> None:
    stream = io.BytesIO()
    Image.fromarray(scene(40, 50).repeat(2, 0).repeat(2, 1)).save(stream, "JPEG", quality=80)
    assert block_side(np.asarray(Image.open(stream))) == 1
