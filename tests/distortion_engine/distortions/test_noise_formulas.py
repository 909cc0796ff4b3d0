"""Noise against its formulas in NumPy, with the same random numbers, and impulses against their distribution."""

import numpy as np
import pytest
import torch

from distortion_engine.distortions import noise
from distortion_engine.distortions.random_fields import unit_normal
from tests.distortion_engine.distortions.literal import (
    PHOTO,
    ROUNDING,
    SOFT,
    TABLES,
    array,
    blotches,
    box,
    difference,
    from_linear,
    gaussian,
    gaussian_weights,
    luma,
    seeded,
    self_guided,
    to_linear,
)

HEIGHT, WIDTH = SOFT.shape[1:]


def normal(channels: int) -> np.ndarray:
    """What a distortion draws first from a generator of `seeded()`."""
    return array(unit_normal((channels, HEIGHT, WIDTH), seeded(), SOFT))


def test_white_noise_is_added():
    assert difference(noise.white_noise(SOFT, 0.04, seeded()), array(SOFT) + 0.04 * normal(3)) < ROUNDING


def test_multiplicative_noise_is_in_proportion_to_the_value():
    assert difference(noise.multiplicative_noise(SOFT, 0.1, seeded()), array(SOFT) * (1.0 + 0.1 * normal(3))) < ROUNDING


def test_raw_noise_has_the_variance_of_shot_and_read_noise_in_linear_light():
    light = to_linear(array(SOFT))
    noisy = light + 0.03 * np.sqrt(light + 0.05**2) * normal(3)
    assert difference(noise.raw_noise(SOFT, 0.03, seeded()), from_linear(noisy)) < 2 * TABLES


def test_developed_noise_is_grain_of_luma_and_blotches_of_colour_in_linear_light():
    light, field = to_linear(array(SOFT)), normal(3)
    grain, (blue, red) = blotches(field[:1], 0.7)[0], 0.6 * blotches(field[1:], 2.5)
    colours = np.stack([grain + 1.402 * red, grain - 0.344136 * blue - 0.714136 * red, grain + 1.772 * blue])
    noisy = light + 0.03 * np.sqrt(light + 0.05**2) * colours
    result = noise.developed_noise(SOFT, 0.03, seeded(), grain_px=0.7, blotch_px=2.5, colour=0.6)
    assert difference(result, from_linear(noisy)) < 2 * TABLES


def developed(code: float, amount: float, grain_px: float, blotch_px: float, colour: float) -> np.ndarray:
    """Luma, Cb and Cr, (3, H, W), of what developed noise adds to the linear light of an even grey."""
    flat = torch.full((3, 320, 320), code)
    result = noise.developed_noise(flat, amount, seeded(), grain_px=grain_px, blotch_px=blotch_px, colour=colour)
    change = to_linear(array(result)) - to_linear(array(flat))
    tone = luma(change)
    return np.stack([tone, (change[2] - tone) / 1.772, (change[0] - tone) / 1.402])


@pytest.mark.parametrize(("grain_px", "blotch_px", "colour"), [(0.5, 0.8, 1.0), (1.0, 1.5, 0.5), (0.4, 3.0, 0.3)])
def test_developed_noise_has_the_deviation_and_the_correlation_it_was_asked_for(
    grain_px: float, blotch_px: float, colour: float
):
    planes = developed(0.7, 0.02, grain_px, blotch_px, colour)
    deviation = 0.02 * np.sqrt(to_linear(np.array(0.7)) + 0.05**2)
    assert planes.std(axis=(1, 2)) == pytest.approx(deviation * np.array([1.0, colour, colour]), rel=0.04)
    for plane, sigma_px in zip(planes, (grain_px, blotch_px, blotch_px), strict=True):
        weights = gaussian_weights(sigma_px)
        # White noise filtered by w is correlated as w with itself.
        expected = (weights[1:] * weights[:-1]).sum() / (weights**2).sum()
        across, down = (plane[:, 1:] * plane[:, :-1]).mean(), (plane[1:] * plane[:-1]).mean()
        assert [across / plane.var(), down / plane.var()] == pytest.approx([expected, expected], abs=0.02)
    assert np.abs(np.corrcoef(planes.reshape(3, -1)) - np.eye(3)).max() < 0.03


def test_developed_noise_grows_with_the_root_of_the_light():
    dark, bright = (developed(code, 0.02, 0.7, 2.0, 0.5) for code in (0.35, 0.7))
    light = to_linear(np.array([0.35, 0.7])) + 0.05**2
    assert bright.std() / dark.std() == pytest.approx(np.sqrt(light[1] / light[0]), rel=2e-3)


def test_levels_of_developed_noise_share_one_field():
    mild, strong = (developed(0.6, amount, 0.7, 2.0, 0.5) for amount in (0.01, 0.03))
    assert np.abs(strong - 3.0 * mild).max() < 4e-4


def test_high_frequency_noise_is_white_noise_less_its_blur_at_unit_variance():
    weights = gaussian_weights(1.0)
    kernel = -np.outer(weights, weights)
    kernel[len(weights) // 2, len(weights) // 2] += 1.0
    field = normal(1)
    field = (field - gaussian(field, 1.0)) / np.sqrt((kernel**2).sum())
    assert difference(noise.high_frequency_noise(SOFT, 0.05, seeded()), array(SOFT) + 0.05 * field) < 1e-5


def test_film_grain_is_correlated_and_strongest_in_the_mid_tones():
    x, field = array(SOFT), blotches(normal(1), 1.2)
    expected = x + 0.06 * (0.3 + 2.8 * luma(x) * (1.0 - luma(x))) * field
    assert difference(noise.film_grain(SOFT, 0.06, seeded(), grain_px=1.2), expected) < 1e-5
    middle, dark = (torch.full((3, HEIGHT, WIDTH), value) for value in (0.5, 0.1))
    spread = [float((noise.film_grain(flat, 0.01, seeded(), grain_px=1.2) - flat).std()) for flat in (middle, dark)]
    assert spread[1] / spread[0] == pytest.approx(0.3 + 2.8 * 0.1 * 0.9, rel=1e-3)


def test_masked_noise_is_in_proportion_to_the_texture_that_hides_it():
    x, tone = array(SOFT), luma(array(SOFT))[None]
    variance = gaussian((tone - gaussian(tone, 2.0)) ** 2, 2.0)
    share = variance / (variance + 0.05**2)
    assert difference(noise.masked_noise(SOFT, 0.1, seeded()), x + 0.1 * share * normal(3)) < 1e-5


@pytest.mark.parametrize("amount", [0.6, 1.7])
def test_comfort_noise_trades_texture_for_noise_of_its_energy(amount: float):
    x = array(SOFT)
    texture = x - self_guided(x, 3, 0.15)
    noisy = np.sqrt(box(texture**2, 3)) * normal(1)
    kept = np.sqrt(max(0.0, 1.0 - amount**2))
    expected = x - texture + kept * texture + amount * noisy
    assert difference(noise.comfort_noise(SOFT, amount, seeded()), expected) < 2e-4


def test_chroma_noise_moves_cb_and_cr():
    x = array(SOFT)
    blue, red = 0.03 * blotches(normal(2), 0.9)
    expected = np.stack([x[0] + 1.402 * red, x[1] - 0.344136 * blue - 0.714136 * red, x[2] + 1.772 * blue])
    assert difference(noise.chroma_noise(SOFT, 0.03, seeded(), grain_px=0.9), expected) < 1e-5


def test_impulse_noise_makes_values_black_or_white_with_its_probability():
    image = SOFT.repeat(1, 4, 4)
    result = noise.impulse_noise(image, 0.08, seeded())
    hit = result != image
    assert float(hit.float().mean()) == pytest.approx(0.08, rel=0.03)
    assert set(result[hit].unique().tolist()) == {0.0, 1.0} and float(result[hit].mean()) == pytest.approx(
        0.5, abs=0.02
    )
    assert float(hit.all(dim=0).float().mean()) < 0.002  # each channel on its own


def test_dead_pixels_have_any_colour_with_their_probability():
    image = SOFT.repeat(1, 4, 4)
    result = noise.dead_pixels(image, 0.2, seeded())
    hit = (result != image).any(dim=0)
    assert float(hit.float().mean()) == pytest.approx(0.2, rel=0.02)
    colours = result[:, hit]
    assert float(colours.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(colours.std()) == pytest.approx(12**-0.5, abs=0.01)
    assert abs(float(torch.corrcoef(colours)[0, 1])) < 0.03
    assert float(colours.min()) < 0.01 and float(colours.max()) > 0.99


def test_equal_values_of_different_amounts_come_from_the_same_draws():
    once, more = (noise.dead_pixels(PHOTO, amount, seeded()) for amount in (0.05, 0.2))
    hit = (once != PHOTO).any(dim=0)
    assert torch.equal(once[:, hit], more[:, hit])
