"""Blur and sharpening against their formulas: kernels from impulses, unsharp masks in NumPy."""

import math

import numpy as np
import pytest
import torch

from distortion_engine.distortions import blur
from tests.distortion_engine.distortions.literal import PHOTO, ROUNDING, SOFT, array, difference, gaussian, luma, seeded

SIDE = 41
IMPULSE = torch.zeros(3, SIDE, SIDE)
IMPULSE[:, SIDE // 2, SIDE // 2] = 1.0


@pytest.mark.parametrize("sigma_px", [0.6, 1.8, 3.0])
def test_gaussian_blur_is_the_sum_of_neighbours_weighted_by_a_gaussian(sigma_px: float):
    assert difference(blur.gaussian_blur(PHOTO, sigma_px, seeded()), gaussian(array(PHOTO), sigma_px)) < ROUNDING


@pytest.mark.parametrize("radius_px", [0.7, 4.8])
def test_lens_blur_makes_a_point_a_disk_whose_rim_falls_over_one_pixel(radius_px: float):
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    disk = np.clip(radius_px + 1.0 - np.sqrt(y**2 + x**2), 0.0, 1.0)
    assert difference(blur.lens_blur(IMPULSE, radius_px, seeded()), np.stack([disk / disk.sum()] * 3)) < ROUNDING


def splatted(points: list[tuple[float, float, float]]) -> np.ndarray:
    """What a point becomes that is seen from each of `points` (y, x, weight): shares of the four pixels around."""
    kernel = np.zeros((SIDE, SIDE))
    for y, x, weight in points:
        # Where the pixel looks at +offset, the point appears at -offset.
        top, left = math.floor(SIDE // 2 - y), math.floor(SIDE // 2 - x)
        down, right = SIDE // 2 - y - top, SIDE // 2 - x - left
        kernel[top, left] += weight * (1.0 - down) * (1.0 - right)
        kernel[top + 1, left] += weight * down * (1.0 - right)
        kernel[top, left + 1] += weight * (1.0 - down) * right
        kernel[top + 1, left + 1] += weight * down * right
    return kernel / kernel.sum()


@pytest.mark.parametrize("angle_deg", [0.0, 30.0, 120.0])
@pytest.mark.parametrize(
    ("decay", "bow", "anchor"), [(0.0, 0.0, 0.0), (2.0, 0.0, 0.0), (2.5, 1.0, 0.0), (1.5, 0.4, 1.0)]
)
def test_motion_blur_is_the_path_of_the_exposure(angle_deg: float, decay: float, bow: float, anchor: float):
    length = 12.0
    path = np.linspace(-0.5, 0.5, 257)
    age = decay * (path + 0.5)
    weights = np.exp(-((1.0 - bow) * age + bow * age**2 / 2.0))
    mean = (weights * path).sum() / weights.sum()
    moved = anchor * (mean + 0.5)  # the mean of the exposure as seen from the pixel
    spread = (weights * (path - mean) ** 2).sum() / weights.sum() + 2.0 * moved**2
    plain = (path**2).mean()
    along = length * (path - mean + moved) * math.sqrt(plain / spread)
    angle = math.radians(angle_deg)
    expected = splatted([(a * math.sin(angle), a * math.cos(angle), w) for a, w in zip(along, weights, strict=True)])
    params = {"angle_deg": angle_deg, "decay": decay, "bow": bow, "anchor": anchor}
    assert difference(blur.motion_blur(IMPULSE, length, seeded(), **params), np.stack([expected] * 3)) < ROUNDING


@pytest.mark.parametrize("all_channels", [0.0, 0.4, 1.0])
def test_sharpening_adds_gain_times_what_a_gaussian_takes_away(all_channels: float):
    x, radius_px, gain = array(SOFT), 1.7, 0.6
    tone = luma(x)[None]
    channels, grey = x - gaussian(x, radius_px), tone - gaussian(tone, radius_px)
    detail = all_channels * channels + (1.0 - all_channels) * grey
    params = {"radius_px": radius_px, "all_channels": all_channels}
    assert difference(blur.halo_sharpen(SOFT, gain, seeded(), **params), x + gain * detail) < 1e-5
    # A Gaussian of sigma r takes away about r^2 / (r^2 + 1.2) of the detail; gains are those at 1 px.
    scaled = gain * (1.0 / (1.0 + 1.2)) / (radius_px**2 / (radius_px**2 + 1.2))
    assert difference(blur.sharpen(SOFT, gain, seeded(), **params), x + scaled * detail) < 1e-5
