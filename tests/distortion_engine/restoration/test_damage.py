"""Damage of restoration sets: the camera's mosaic and noise as published, shrinking that keeps the picture in place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.distortions.color_conversion import from_linear, to_linear
from distortion_engine.reading.image_io import load_image
from distortion_engine.restoration import damage

PHOTO = load_image(Path(__file__).parents[2] / "images" / "photo_2.png")[:, 8:104, 8:128].contiguous()
KERNELS = ["aliased", "area", "bilinear", "bicubic", "lanczos", "gaussian"]
# Malvar, He and Cutler (2004), figure 2, written out: weights over 8 by (row, column) from the pixel.
GREEN_AT_RED = {(0, 0): 4, (0, -1): 2, (0, 1): 2, (-1, 0): 2, (1, 0): 2,
                (0, -2): -1, (0, 2): -1, (-2, 0): -1, (2, 0): -1}  # fmt: skip
RED_IN_RED_ROW = {(0, 0): 5, (0, -1): 4, (0, 1): 4, (-1, -1): -1, (-1, 1): -1, (1, -1): -1, (1, 1): -1,
                  (0, -2): -1, (0, 2): -1, (-2, 0): 0.5, (2, 0): 0.5}  # fmt: skip
RED_AT_BLUE = {(0, 0): 6, (-1, -1): 2, (-1, 1): 2, (1, -1): 2, (1, 1): 2,
               (0, -2): -1.5, (0, 2): -1.5, (-2, 0): -1.5, (2, 0): -1.5}  # fmt: skip


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weighted(
    mosaic: Tensor, row: int, column: int, weights: dict[tuple[int, int], float], turned: bool = False
) -> float:
    places = {(x, y) if turned else (y, x): weight for (y, x), weight in weights.items()}
    return sum(float(mosaic[row + y, column + x]) * weight for (y, x), weight in places.items()) / 8


def test_the_mosaic_is_red_green_green_blue():
    image = torch.stack([torch.full((4, 6), value) for value in (0.1, 0.5, 0.9)])
    expected = torch.tensor([[0.1, 0.5] * 3, [0.5, 0.9] * 3] * 2)
    assert torch.equal(damage.bayer_mosaic(image), expected)


@pytest.mark.parametrize("demosaic", damage.DEMOSAICING.values(), ids=damage.DEMOSAICING)
def test_demosaicing_keeps_what_was_sampled_and_rebuilds_a_ramp(demosaic):
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(20.0), indexing="ij")
    image = torch.stack([x / 40, y / 40, (x + y) / 80])
    rebuilt = demosaic(damage.bayer_mosaic(image))
    torch.testing.assert_close(rebuilt[:, 3:-3, 3:-3], image[:, 3:-3, 3:-3], atol=1e-6, rtol=0)
    assert torch.equal(damage.bayer_mosaic(rebuilt), damage.bayer_mosaic(image))


def test_malvar_is_the_published_filter_at_every_kind_of_site():
    mosaic = torch.rand(12, 12, generator=generator())
    rebuilt = damage.demosaic_malvar(mosaic)
    assert float(rebuilt[1, 4, 4]) == pytest.approx(weighted(mosaic, 4, 4, GREEN_AT_RED), abs=1e-5)
    assert float(rebuilt[1, 5, 5]) == pytest.approx(weighted(mosaic, 5, 5, GREEN_AT_RED), abs=1e-5)
    assert float(rebuilt[0, 4, 5]) == pytest.approx(weighted(mosaic, 4, 5, RED_IN_RED_ROW), abs=1e-5)
    assert float(rebuilt[0, 5, 4]) == pytest.approx(weighted(mosaic, 5, 4, RED_IN_RED_ROW, turned=True), abs=1e-5)
    assert float(rebuilt[2, 5, 4]) == pytest.approx(weighted(mosaic, 5, 4, RED_IN_RED_ROW), abs=1e-5)
    assert float(rebuilt[2, 4, 5]) == pytest.approx(weighted(mosaic, 4, 5, RED_IN_RED_ROW, turned=True), abs=1e-5)
    assert float(rebuilt[0, 5, 5]) == pytest.approx(weighted(mosaic, 5, 5, RED_AT_BLUE), abs=1e-5)
    assert float(rebuilt[2, 4, 4]) == pytest.approx(weighted(mosaic, 4, 4, RED_AT_BLUE), abs=1e-5)


def test_the_noise_of_the_sensor_is_poissonian_gaussian_where_green_was_sampled():
    light, sensor = 0.3, damage.Sensor(shot=4e-4, read=0.01, demosaicing="bilinear")
    grey = from_linear(torch.full((3, 256, 256), light))
    taken = to_linear(damage.camera(grey, sensor, generator()))[1]
    sampled = torch.cat([taken[0::2, 1::2].flatten(), taken[1::2, 0::2].flatten()])
    assert float(sampled.mean()) == pytest.approx(light, abs=5e-4)
    assert float(sampled.var()) == pytest.approx(4e-4 * light + 0.01**2, rel=0.03)


def test_a_channel_with_more_gain_is_noisier_and_white_balance_keeps_the_colour():
    grey = torch.full((3, 128, 128), 0.5)
    sensor = damage.Sensor(shot=1e-3, gains=(4.0, 1.0))
    taken = damage.camera(grey, sensor, generator())
    torch.testing.assert_close(taken.mean((1, 2)), torch.full((3,), 0.5), atol=0.01, rtol=0)
    spread = to_linear(taken)[:, 0::2, 0::2].std((1, 2))[0], to_linear(taken)[:, 1::2, 1::2].std((1, 2))[2]
    # Shot noise of a signal of a quarter, amplified four times: half the relative light, twice the deviation.
    assert float(spread[0] / spread[1]) == pytest.approx(2.0, rel=0.1)


def test_a_camera_without_noise_leaves_a_grey_ramp():
    ramp = torch.linspace(0.2, 0.8, 64).expand(3, 48, 64).contiguous()
    taken = damage.camera(ramp, damage.Sensor(shot=0.0, gains=(2.0, 1.5)), generator())
    torch.testing.assert_close(taken[:, 4:-4, 4:-4], ramp[:, 4:-4, 4:-4], atol=2e-3, rtol=0)


@pytest.mark.parametrize("grain_px", [0.8, 1.0, 2.0])
def test_correlated_noise_has_its_deviation_and_its_correlation(grain_px: float):
    noise = damage.correlated_noise(torch.full((3, 256, 256), 0.5), 0.05, grain_px, generator()) - 0.5
    assert float(noise.std()) == pytest.approx(0.05, rel=0.06)
    beside = float((noise[..., 1:] * noise[..., :-1]).mean() / noise.var())
    # Noise filtered by a Gaussian g is correlated as g * g: exp(-d^2 / (4 sigma^2)) at distance d.
    assert beside == pytest.approx(np.exp(-1 / (4 * grain_px**2)), abs=0.06)


def test_chroma_blotches_have_their_deviation_and_leave_the_mean_of_the_channels():
    noise = damage.correlated_chroma_noise(torch.full((3, 256, 256), 0.5), 0.04, 1.5, generator()) - 0.5
    assert float(noise.mean(0).abs().max()) < 1e-5
    assert float(noise.std()) == pytest.approx(0.04, rel=0.08)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_shrinking_keeps_every_place_of_a_ramp(kernel: str, factor: int):
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(60.0), indexing="ij")
    ramp = torch.stack([x / 60, y / 60, (x + y) / 120])
    small = damage.shrink(ramp, factor, kernel, sigma_px=1.0)
    rows, columns = ((torch.arange(size // factor) + 0.5) * factor - 0.5 for size in (48, 60))
    v, u = torch.meshgrid(rows, columns, indexing="ij")
    expected = torch.stack([u / 60, v / 60, (u + v) / 120])
    inside = (slice(None), slice(4, -4), slice(4, -4))
    torch.testing.assert_close(small[inside], expected[inside], atol=2e-4, rtol=0)


def test_block_means_are_block_means():
    small = damage.shrink(PHOTO, 3, "area")
    expected = PHOTO[:, :96, :120].reshape(3, 32, 3, 40, 3).mean((2, 4))
    torch.testing.assert_close(small, expected, atol=1e-6, rtol=0)


def test_what_is_no_multiple_of_the_factor_is_cut():
    assert damage.shrink(PHOTO[:, :95, :118], 4, "bicubic").shape == (3, 23, 29)


def test_jpeg_is_that_of_the_library_and_worse_at_lower_quality():
    errors = [float((damage.jpeg(PHOTO, quality) - PHOTO).square().mean()) for quality in (95, 60, 20)]
    assert errors == sorted(errors) and errors[0] > 0
    grey = torch.full((3, 32, 32), 128 / 255)
    assert torch.equal(damage.jpeg(grey, 50), grey)


@pytest.mark.parametrize(
    "function",
    [
        lambda image: damage.camera(image, damage.Sensor(1e-3, chroma_blotch=0.02, quality_jpeg=80), generator()),
        lambda image: damage.white_noise(image, 0.1, generator()),
        lambda image: damage.correlated_noise(image, 0.1, 1.0, generator()),
        lambda image: damage.shrink(image, 2, "gaussian", 1.0),
        lambda image: damage.jpeg(image, 50),
    ],
    ids=["camera", "white", "correlated", "shrink", "jpeg"],
)
def test_damage_is_pure_and_stays_in_range(function):
    before = PHOTO.clone()
    first, second = function(PHOTO), function(PHOTO)
    assert torch.equal(PHOTO, before) and torch.equal(first, second)
    assert first.dtype == torch.float32 and 0.0 <= float(first.min()) and float(first.max()) <= 1.0
