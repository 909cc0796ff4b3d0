"""Pictures as an eye resolves them: light is averaged, masks go with them."""

import numpy as np
import pytest
import torch

from distortion_engine.errors import UsageError
from distortion_engine.reading import light
from distortion_engine.reading.notes import Note
from relational_iqa.tiling.regions_of_interest import find_region, within
from relational_iqa.tiling.seen_images import octaves, see
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.condition import Viewing


def noise(height: int, width: int) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))


def test_a_fine_checkerboard_is_seen_as_its_mean_light() -> None:
    board = (torch.arange(128)[:, None] + torch.arange(128)[None]).remainder(2).float().expand(3, -1, -1).contiguous()
    (seen,) = see([StoredImage(board, "board")], Viewing("240", 240.0))
    assert seen.shape == (3, 32, 32) and seen.notes[-1].text == "seen at 240 pixels per degree, as 32x32 px"
    inside = seen.pixels()[:, 4:-4, 4:-4]
    torch.testing.assert_close(inside, torch.full_like(inside, 1.055 * 0.5 ** (1 / 2.4) - 0.055), atol=2e-3, rtol=0)


def test_hdr_is_averaged_as_light_too() -> None:
    nits = np.array([1.0, 10.0, 203.0, 999.0])
    np.testing.assert_allclose(light.nits_of_shown(light.encoded(nits)), nits, rtol=1e-4)
    board = (torch.arange(128)[:, None] + torch.arange(128)[None]).remainder(2).float().expand(3, -1, -1).contiguous()
    image = StoredImage(board * light.white_shown(), "board", (Note("hdr", "HDR"),))
    (seen,) = see([image], Viewing("240", 240.0))
    expected = float(light.encoded(np.array(203.0 / 2)))
    inside = seen.pixels()[:, 4:-4, 4:-4]
    torch.testing.assert_close(inside, torch.full_like(inside, expected), atol=3e-3, rtol=0)


def test_at_sixty_pixels_per_degree_pictures_stay_and_octaves_halve_them() -> None:
    image = StoredImage(noise(128, 160), "noise")
    (seen,) = see([image], Viewing("60", 60.0))
    assert torch.equal(seen.pixels(), image.pixels()) and seen.viewing is not None and image.viewing is None
    assert [each[0].shape for each in octaves([seen])] == [(3, 128, 160), (3, 64, 80), (3, 32, 40)]
    small = see([StoredImage(noise(50, 70), "noise")], Viewing("60", 60.0))
    assert [each[0].shape for each in octaves(small)] == [(3, 50, 70)]
    assert see([image], None)[0] is image


def test_a_mask_and_the_place_of_a_region_are_seen_with_it() -> None:
    image, mask = StoredImage(noise(128, 160), "noise"), torch.zeros(3, 128, 160)
    mask[:, 32:96, 40:120] = 1
    mask[:, 40:50, 50:60] = 0
    part = within([image], find_region(mask, image))
    (seen,) = see(part, Viewing("120", 120.0))
    assert seen.shape == (3, 32, 40) and seen.origin == (20, 16) and seen.counts is not None
    assert float(seen.counts.mean()) == pytest.approx(1 - 100 / (64 * 80), abs=0.01)


def test_what_leaves_too_little_to_judge_is_refused() -> None:
    with pytest.raises(UsageError, match="of 100x100 px an eye sees 6x6, too little"):
        see([StoredImage(noise(100, 100), "noise")], Viewing("1000", 1000.0))
