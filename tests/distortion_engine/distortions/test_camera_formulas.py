"""Camera and scene against their formulas: explicit loops over pixels, closed forms at centre and corners."""

import math

import numpy as np
import pytest
import torch

from distortion_engine.distortions import camera
from distortion_engine.distortions.random_fields import unit_normal
from tests.distortion_engine.distortions.literal import (
    PHOTO,
    PYRAMID,
    ROUNDING,
    TABLES,
    array,
    difference,
    from_linear,
    gaussian,
    seeded,
    self_guided,
    to_linear,
)

HEIGHT, WIDTH = PHOTO.shape[1:]
Y, X = np.meshgrid(np.linspace(-0.5, 0.5, HEIGHT), np.linspace(-0.5, 0.5, WIDTH), indexing="ij")
SMALL = PHOTO[:, :18, :20].contiguous()


def depth(angle_deg: float) -> np.ndarray:
    angle = math.radians(angle_deg)
    return 1.0 + 0.8 * (Y * math.sin(angle) + X * math.cos(angle))


@pytest.mark.parametrize("angle_deg", [0.0, 90.0, 250.0])
def test_haze_is_koschmieders_law_with_a_depth_that_rises_towards_its_angle(angle_deg: float):
    x, transmission = array(PHOTO), np.exp(-0.7 * depth(angle_deg))
    hazy = camera.haze(PHOTO, 0.7, seeded(), angle_deg=angle_deg, airlight=0.9)
    assert difference(hazy, x * transmission + 0.9 * (1.0 - transmission)) < ROUNDING
    share = 1.0 - transmission
    profile = camera.haze_profile(0.7, {"angle_deg": angle_deg}, HEIGHT, WIDTH)
    np.testing.assert_allclose(profile.numpy(), share / share.mean(), atol=1e-5)


def test_haze_is_denser_at_the_bottom_for_90_degrees():
    black = torch.zeros(3, HEIGHT, WIDTH)
    hazy = camera.haze(black, 0.7, seeded(), angle_deg=90.0, airlight=0.9)[0]
    assert float(hazy[-1].min()) > float(hazy[0].max()) + 0.1


def test_vignetting_is_the_fourth_power_of_the_distance_in_linear_light():
    r2 = 2.0 * (Y**2 + X**2)  # 1 in the corners
    dark = camera.vignetting(PHOTO, 1.5, seeded())
    assert difference(dark, from_linear(to_linear(array(PHOTO)) / (1.0 + 1.5 * r2) ** 2)) < 2 * TABLES
    white = camera.vignetting(torch.ones(3, 65, 65), 1.5, seeded())[0]
    corner = float(to_linear(array(white[0, 0])))
    assert corner == pytest.approx(1.0 / 2.5**2, abs=1e-3) and float(white[32, 32]) == pytest.approx(1.0, abs=1e-4)
    stops = np.log2(1.0 + 1.5 * r2)
    profile = camera.vignetting_profile(1.5, {}, HEIGHT, WIDTH)
    np.testing.assert_allclose(profile.numpy(), stops / stops.mean(), atol=1e-4)


def test_veiling_glare_screens_a_blurred_copy_over_the_picture():
    x = array(PHOTO)
    expected = 1.0 - (1.0 - x) * (1.0 - 0.4 * gaussian(x, 8.0))
    assert difference(camera.veiling_glare(PHOTO, 0.4, seeded(), glare_px=8.0), expected) < PYRAMID


def bayer_channel(y: int, x: int, phase: int) -> int:
    """Red where both are even after the phase, blue where both are odd, else green."""
    odd = (y + phase // 2) % 2 + (x + phase % 2) % 2
    return {0: 0, 1: 1, 2: 2}[odd]


@pytest.mark.parametrize("phase", [0, 1, 2, 3])
def test_demosaic_errors_are_those_of_bilinear_interpolation_of_a_bayer_mosaic(phase: int):
    x = array(SMALL)
    height, width = x.shape[1:]
    rebuilt = np.zeros_like(x)
    mirrored = [[min(max(i, 0), size - 1) for i in range(-1, size + 1)] for size in (height, width)]
    for c in range(3):
        for i in range(height):
            for j in range(width):
                total = weights = 0.0
                for di in (-1, 0, 1):
                    for dj in (-1, 0, 1):
                        y, z = mirrored[0][i + di + 1], mirrored[1][j + dj + 1]
                        if bayer_channel(y, z, phase) == c:
                            weight = (1.0 - 0.5 * abs(di)) * (1.0 - 0.5 * abs(dj))
                            total, weights = total + weight * x[c, y, z], weights + weight
                rebuilt[c, i, j] = x[c, i, j] if bayer_channel(i, j, phase) == c else total / weights
    result = camera.demosaic_errors(SMALL, 1.4, seeded(), phase=float(phase))
    assert difference(result, x + 1.4 * (rebuilt - x)) < 1e-5


def test_denoise_is_noise_and_a_bilateral_filter():
    amount = 0.1
    noisy = np.clip(array(SMALL + 0.4 * amount * unit_normal(SMALL.shape, seeded(), SMALL)), 0.0, 1.0)
    height, width = noisy.shape[1:]
    padded = np.pad(noisy, ((0, 0), (3, 3), (3, 3)), mode="symmetric")
    expected = np.zeros_like(noisy)
    for i in range(height):
        for j in range(width):
            total, weights = np.zeros(3), 0.0
            for di in range(-3, 4):
                for dj in range(-3, 4):
                    other = padded[:, i + di + 3, j + dj + 3]
                    colour = ((other - noisy[:, i, j]) ** 2).mean() / amount**2
                    weight = math.exp(-0.5 * (colour + (di**2 + dj**2) / 2.0**2))
                    total, weights = total + weight * other, weights + weight
            expected[:, i, j] = total / weights
    assert difference(camera.denoise(SMALL, amount, seeded()), expected) < 1e-5


@pytest.mark.parametrize("radius_px", [2.0, 4.0])
def test_guided_smoothing_is_the_self_guided_filter_with_the_amount_as_the_root_of_epsilon(radius_px: float):
    expected = self_guided(array(PHOTO), int(radius_px), 0.12)
    assert difference(camera.guided_smooth(PHOTO, 0.12, seeded(), radius_px=radius_px), expected) < 5e-5
