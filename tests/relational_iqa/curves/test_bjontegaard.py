"""BD-rate: closed forms, an integral written out, and what encodes out of order do to it."""

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

from relational_iqa.curves.bjontegaard import bd_log_rate, bd_quality, percent
from relational_iqa.curves.names import INTERPOLATIONS


def line(slope: float, start: float, qualities: list[float]) -> np.ndarray:
    """Encodes with ln(rate) = start + slope * quality."""
    q = np.array(qualities)
    return np.column_stack([np.exp(start + slope * q), q])


ANCHOR = line(0.5, 1.0, [-3, -2.2, -1, -0.4])


@pytest.mark.parametrize("how", INTERPOLATIONS)
def test_a_codec_that_needs_a_share_of_the_bits_at_every_quality_saves_the_rest(how: str) -> None:
    test = line(0.5, 1.0 + np.log(0.7), [-3.3, -2, -1.4, -0.2])
    log_rate = bd_log_rate(ANCHOR, test, how)  # type: ignore[arg-type]
    assert log_rate is not None and percent(log_rate) == pytest.approx(-30)
    back = bd_log_rate(test, ANCHOR, how)  # type: ignore[arg-type]
    assert back is not None and percent(back) == pytest.approx(100 / 0.7 - 100)
    # At equal rate: ln .7 / slope better.
    assert bd_quality(ANCHOR, test, how) == pytest.approx(-np.log(0.7) / 0.5)  # type: ignore[arg-type]


def test_lines_of_other_slopes_have_the_mean_of_the_range_that_both_cover() -> None:
    test = line(0.8, 1.2, [-2, -1.5, -0.9])
    low, high = -2.0, -0.9
    expected = 0.2 + (0.8 - 0.5) * (low + high) / 2  # mean of a linear difference
    assert bd_log_rate(ANCHOR, test) == pytest.approx(expected)


def test_the_cubics_are_those_of_fritsch_and_carlson() -> None:
    """Literal: the harmonic slopes of PCHIP at inner points, its ends, and the integral by the trapezoidal rule."""
    q = np.array([-4.0, -2.5, -1.2, -0.3])
    rate = np.array([0.2, 0.5, 1.1, 3.5])
    x, y = q, np.log(rate)
    h, d = np.diff(x), np.diff(y) / np.diff(x)
    inner = [
        (3 * (h[k] + h[k + 1])) / ((2 * h[k + 1] + h[k]) / d[k] + (h[k + 1] + 2 * h[k]) / d[k + 1]) for k in (0, 1)
    ]

    def end(h0: float, h1: float, d0: float, d1: float) -> float:
        slope = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
        return 0.0 if slope * d0 < 0 else 3 * d0 if d0 * d1 < 0 and abs(slope) > 3 * abs(d0) else slope

    slopes = [end(h[0], h[1], d[0], d[1]), *inner, end(h[2], h[1], d[2], d[1])]
    at = np.linspace(-3, -0.4, 40001)
    difference = CubicHermiteSpline(x, y, slopes)(at) - (1.0 + 0.5 * at)
    expected = np.trapezoid(difference, at) / (at[-1] - at[0])
    assert bd_log_rate(ANCHOR, np.column_stack([rate, q])) == pytest.approx(expected, abs=1e-6)


def test_encodes_in_any_order_and_ones_that_waste_bits_are_pooled() -> None:
    shuffled = ANCHOR[[2, 0, 3, 1]]
    test = line(0.5, 0.6, [-3, -2, -1, -0.4])
    assert bd_log_rate(shuffled, test[::-1]) == bd_log_rate(ANCHOR, test)
    wasteful = np.vstack([test, [test[1, 0] * 1.1, -2.2]])  # more bits than the second, and worse
    pooled = np.vstack([test[[0, 2, 3]], [test[1, 0] * np.sqrt(1.1), -2.1]])
    assert bd_log_rate(ANCHOR, wasteful) == pytest.approx(bd_log_rate(ANCHOR, pooled))


def test_no_common_range_and_single_encodes_have_no_difference() -> None:
    assert bd_log_rate(ANCHOR, line(0.5, 1, [-9, -8])) is None
    assert bd_log_rate(ANCHOR, ANCHOR[:1]) is None
    assert bd_log_rate(ANCHOR, ANCHOR) == 0
