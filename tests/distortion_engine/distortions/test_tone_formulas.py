"""Brightness and contrast against their formulas in NumPy."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.distortions import tone
from tests.distortion_engine.distortions.literal import (
    PHOTO,
    ROUNDING,
    TABLES,
    array,
    difference,
    from_linear,
    luma,
    seeded,
    to_linear,
)

CURVES: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "brighten": lambda x, a: 1.0 - (1.0 - x) ** (1.0 + a),
    "darken": lambda x, a: x ** (1.0 + a),
    "gamma_up": lambda x, a: x ** (1.0 / (1.0 + a)),
    "mean_shift_up": lambda x, a: x + a,
    "mean_shift_down": lambda x, a: x - a,
    "overexpose": lambda x, a: from_linear(2.0**a * to_linear(x)),
    "low_light": lambda x, a: from_linear(to_linear(x) / 2.0**a),
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("rung", [1, 4])
def test_a_curve_is_its_formula(name: str, rung: int):
    amount = DISTORTIONS[name].ladder[rung]
    expected = CURVES[name](array(PHOTO), amount)
    tolerance = TABLES if name in ("overexpose", "low_light") else 2e-5
    assert difference(DISTORTIONS[name].apply(PHOTO, amount, seeded()), expected) < tolerance


@pytest.mark.parametrize("mid_grey", [0.0, 0.5, 1.0])
def test_contrast_is_multiplied_about_the_mean_luma_or_mid_grey(mid_grey: float):
    x = array(PHOTO)
    pivot = (1.0 - mid_grey) * luma(x).mean() + mid_grey * 0.5
    up = tone.contrast_up(PHOTO, 0.7, seeded(), mid_grey=mid_grey)
    down = tone.contrast_down(PHOTO, 0.3, seeded(), mid_grey=mid_grey)
    assert difference(up, pivot + 1.7 * (x - pivot)) < ROUNDING
    assert difference(down, pivot + 0.7 * (x - pivot)) < ROUNDING


def test_the_contrast_curve_mixes_in_a_logistic_that_keeps_black_and_white():
    x = array(PHOTO)
    low, high = (1.0 / (1.0 + math.exp(-10.0 * (end - 0.5))) for end in (0.0, 1.0))
    logistic = (1.0 / (1.0 + np.exp(-10.0 * (x - 0.5))) - low) / (high - low)
    for share in (0.3, 1.0):
        assert difference(tone.contrast_curve(PHOTO, share, seeded()), (1.0 - share) * x + share * logistic) < ROUNDING
