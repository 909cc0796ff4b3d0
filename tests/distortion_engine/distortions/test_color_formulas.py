"""Colour against its formulas in NumPy: saturation, hue, white balance, chroma, misregistration, levels."""

import math

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from distortion_engine.distortions import color
from distortion_engine.distortions.random_fields import unit_uniform
from tests.distortion_engine.distortions.literal import (
    PHOTO,
    ROUNDING,
    SOFT,
    TABLES,
    array,
    difference,
    from_linear,
    gaussian,
    luma,
    seeded,
    to_linear,
)

GREYS = [{}, {"lightness": 1.0}, {"mean": 1.0}, {"lightness": 0.2, "mean": 0.5}]


def grey(x: np.ndarray, lightness: float = 0.0, mean: float = 0.0) -> np.ndarray:
    rest = 1.0 - lightness - mean
    return rest * luma(x) + lightness * (x.max(axis=0) + x.min(axis=0)) / 2.0 + mean * x.mean(axis=0)


@pytest.mark.parametrize("params", GREYS)
def test_saturation_multiplies_the_distance_from_grey(params: dict[str, float]):
    x = array(SOFT)
    pale = grey(x, **params)
    assert difference(color.saturate(SOFT, 0.4, seeded(), **params), pale + 1.4 * (x - pale)) < ROUNDING
    assert difference(color.desaturate(SOFT, 0.4, seeded(), **params), pale + 0.6 * (x - pale)) < ROUNDING


def test_bounded_saturation_stops_a_pixel_where_its_colour_leaves_the_range():
    x, pale = array(PHOTO), luma(array(PHOTO))
    expected = np.empty_like(x)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            chroma, g = x[:, i, j] - pale[i, j], pale[i, j]
            limits = [(1.0 - g) / c if c > 0 else g / -c for c in chroma if abs(c) > 1e-6]
            expected[:, i, j] = g + max(1.0, min([3.0, *limits])) * chroma
    assert difference(color.saturate(PHOTO, 2.0, seeded(), bounded=1.0), expected) < 1e-4


@pytest.mark.parametrize("lightness", [0.0, 1.0])
def test_hue_is_a_rotation_of_the_plane_of_cb_and_cr(lightness: float):
    x, tone = array(SOFT), luma(array(SOFT))
    blue, red = (x[2] - tone) / 1.772, (x[0] - tone) / 1.402
    for turn, angle_deg in ((color.hue_rotate_warm, 25.0), (color.hue_rotate_cool, -25.0)):
        cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        b, r = cos * blue - sin * red, sin * blue + cos * red
        turned = np.stack([tone + 1.402 * r, tone - 0.344136 * b - 0.714136 * r, tone + 1.772 * b])
        turned = turned + lightness * (grey(x, lightness=1.0) - grey(turned, lightness=1.0))
        assert difference(turn(SOFT, 25.0, seeded(), lightness=lightness), turned) < 1e-5


def test_white_balance_is_stops_of_red_over_blue_at_the_luminance_of_grey():
    light = to_linear(array(SOFT))
    for turn, stops in ((color.white_balance_warm, 0.8), (color.white_balance_cool, -0.8)):
        gains = np.array([2.0 ** (stops / 2.0), 1.0, 2.0 ** (-stops / 2.0)])
        gains /= 0.2126 * gains[0] + 0.7152 * gains[1] + 0.0722 * gains[2]
        assert difference(turn(SOFT, 0.8, seeded()), from_linear(gains[:, None, None] * light)) < 2 * TABLES


def test_a_tint_is_stops_of_green_over_the_rest_at_the_luminance_of_grey():
    light = to_linear(array(SOFT))
    for turn, stops in ((color.tint_green, 0.6), (color.tint_magenta, -0.6)):
        gains = np.array([2.0 ** (-stops / 2.0), 2.0 ** (stops / 2.0), 2.0 ** (-stops / 2.0)])
        gains /= 0.2126 * gains[0] + 0.7152 * gains[1] + 0.0722 * gains[2]
        assert difference(turn(SOFT, 0.6, seeded()), from_linear(gains[:, None, None] * light)) < 2 * TABLES


def test_casts_on_code_values_keep_the_luma_of_grey():
    for turn, stops in ((color.tint_green, np.array([-0.3, 0.3, -0.3])), (color.white_balance_cool, [-0.3, 0.0, 0.3])):
        gains = 2.0 ** (np.array(stops) / 2.2)
        gains /= 0.299 * gains[0] + 0.587 * gains[1] + 0.114 * gains[2]
        assert difference(turn(SOFT, 0.6, seeded(), coded=1.0), gains[:, None, None] * array(SOFT)) < 1e-5


@pytest.mark.parametrize("coded", [0.0, 1.0])
def test_the_level_of_a_cast_goes_from_no_gain_above_1_to_none_below(coded: float):
    grey = PHOTO[:, :1, :1] * 0 + 0.4
    for turn in (color.tint_green, color.tint_magenta, color.white_balance_warm, color.white_balance_cool):
        low, middle, high = (
            turn(grey.expand(3, 16, 16), 0.5, seeded(), coded=coded, level=x)[:, 0, 0] for x in (-1, 0, 1)
        )
        assert float(low.max()) == pytest.approx(0.4, abs=1e-3) and float(high.min()) == pytest.approx(0.4, abs=1e-3)
        assert bool((low < middle).all()) and bool((middle < high).all())
        half = turn(grey.expand(3, 16, 16), 0.5, seeded(), coded=coded, level=0.5)[:, 0, 0]
        assert bool((middle < half).all()) and bool((half < high).all())


def test_colour_diffusion_blurs_chroma_under_a_luma_that_stays():
    x, tone = array(SOFT), luma(array(SOFT))
    red, blue = gaussian(np.stack([x[0] - tone, x[2] - tone]), 2.5)
    green = -(0.299 * red + 0.114 * blue) / 0.587
    expected = tone + np.stack([red, green, blue])
    assert difference(color.color_diffusion(SOFT, 2.5, seeded()), expected) < 1e-5


def moved(plane: np.ndarray, down: float | np.ndarray, right: float | np.ndarray) -> np.ndarray:
    """The plane read at (y + down, x + right), bilinear, edges repeated."""
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]]
    return map_coordinates(plane, [y + down, x + right], order=1, mode="nearest")


def test_channels_are_read_from_elsewhere_along_an_angle():
    x, angle = array(SOFT), math.radians(60.0)
    down, right = 2.5 * math.sin(angle), 2.5 * math.cos(angle)
    expected = np.stack([moved(x[0], down, right), x[1], moved(x[2], -0.6 * down, -0.6 * right)])
    params = {"angle_deg": 60.0, "red": 1.0, "blue": -0.6}
    assert difference(color.chroma_shift(SOFT, 2.5, seeded(), **params), expected) < 1e-5
    tone = luma(x)
    red, blue = moved(x[0] - tone, down, right), moved(x[2] - tone, -0.6 * down, -0.6 * right)
    expected = tone + np.stack([red, -(0.299 * red + 0.114 * blue) / 0.587, blue])
    assert difference(color.chroma_shift(SOFT, 2.5, seeded(), **params, chroma=1.0), expected) < 1e-5


def test_radial_fringing_magnifies_red_and_shrinks_blue_about_the_centre():
    x = array(SOFT)
    height, width = x.shape[1:]
    y, z = np.mgrid[:height, :width] - np.array([(height - 1) / 2.0, (width - 1) / 2.0])[:, None, None]
    corner = math.hypot((height - 1) / 2.0, (width - 1) / 2.0)
    down, right = 3.0 * y / corner, 3.0 * z / corner
    expected = np.stack([moved(x[0], -down, -right), x[1], moved(x[2], down, right)])
    assert difference(color.radial_fringing(SOFT, 3.0, seeded()), expected) < 1e-2  # OpenCV: 32 steps a px
    distance = np.hypot(y, z)
    profile = color.radial_fringing_profile(3.0, {}, height, width)
    np.testing.assert_allclose(profile.numpy(), distance / distance.mean(), atol=1e-4)


@pytest.mark.parametrize("step", [0.07, 0.21])
def test_quantisation_rounds_to_multiples_of_the_step(step: float):
    x, dither = array(SOFT), array(unit_uniform(SOFT.shape, seeded(), SOFT)) - 0.5
    smooth = gaussian(x, 3.0)
    for turn, expected in (
        (color.quantize, step * np.round(x / step)),
        (color.quantize_dither, step * np.round(x / step + dither)),
        (color.banding, x - smooth + step * np.round(smooth / step)),
    ):
        result = array(turn(SOFT, step, seeded()))
        off = np.abs(result - np.clip(expected, 0.0, 1.0)) > 1e-5
        assert off.mean() < 1e-3  # half-way values may round either way
