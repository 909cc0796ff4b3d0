"""The conventional maps of SPIPS have the published formulas, and are exactly 0 where nothing differs."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from relational_iqa.conventional import ms_ssim, ssim, ssim_map
from relational_iqa.networks.error_maps import PSNR_FLOOR, conventional_maps


def test_every_map_is_0_where_nothing_differs_and_rises_with_damage(versions: list[Tensor]) -> None:
    photo = versions[0][None]
    assert (conventional_maps(photo, photo) == 0).all()
    for damaged in versions[1:]:
        means = [
            conventional_maps(photo + strength * (damaged[None] - photo), photo).mean((0, 2, 3))
            for strength in (0.25, 0.5, 1.0)
        ]
        assert (means[0] > 0).all() and (means[1] > means[0]).all() and (means[2] > means[1]).all()


def test_psnr_map_is_the_inverted_psnr_with_its_floor_put_on_0_to_1(versions: list[Tensor]) -> None:
    photo = versions[0][None]
    for step in (1 / 255, 10 / 255, 0.3):
        test = torch.full_like(photo, 0.5) + step
        found = conventional_maps(test, torch.full_like(photo, 0.5))[:, 0]
        best, here, worst = (-10 * math.log10(error + PSNR_FLOOR) for error in (0.0, step**2, 1.0))
        torch.testing.assert_close(found, torch.full_like(found, (best - here) / (best - worst)), rtol=1e-4, atol=1e-6)


def test_ssim_map_agrees_with_the_published_one_inside_the_image(versions: list[Tensor]) -> None:
    photo, inside = versions[0][None], (..., slice(5, -5), slice(5, -5))
    for damaged in versions[1:]:
        expected = (1 - ssim_map(damaged[None], photo)) / 2
        found = conventional_maps(damaged[None], photo)[:, 1:2]
        torch.testing.assert_close(found[inside], expected[inside], rtol=0, atol=1e-4)
        torch.testing.assert_close(
            found[inside].mean(), (1 - ssim(damaged[None], photo, downsample=False)).mean() / 2, rtol=0.01, atol=1e-4
        )


def test_ms_ssim_map_follows_ms_ssim(scene: Callable[[int, int, int], Tensor]) -> None:
    photo = scene(192, 192, 0)[None]
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(1))
    for amount in (0.02, 0.08, 0.2):
        test = (photo + amount * noise).clamp(0, 1)
        found, expected = float(conventional_maps(test, photo)[:, 2].mean()), 1 - float(ms_ssim(test, photo))
        # The index multiplies means over the image, the map multiplies at every pixel: alike, never equal.
        assert found == pytest.approx(expected, rel=0.35)


def test_maps_of_odd_and_smallest_sizes_exist(versions: list[Tensor]) -> None:
    for height, width in ((16, 16), (17, 35), (37, 18)):
        photo, test = (versions[index][None, :, :height, :width] for index in (0, 2))
        maps = conventional_maps(test, photo)
        assert maps.shape == (1, 3, height, width) and maps.isfinite().all() and (maps >= 0).all() and (maps <= 1).all()
