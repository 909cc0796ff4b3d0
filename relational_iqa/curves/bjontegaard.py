"""The mean difference of two curves of rate and quality, over the range that both cover.

G. Bjontegaard, "Calculation of average PSNR differences between RD-curves", ITU-T VCEG-M33, 2001; with monotone
piecewise cubics in place of one polynomial, as JCT-VC and later AOM do: a polynomial through five points oscillates.
"""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import Akima1DInterpolator, PchipInterpolator

from relational_iqa.curves.names import Interpolation

MIN_POINTS = 2


def bd_log_rate(
    anchor: Float[np.ndarray, "n 2"], test: Float[np.ndarray, "m 2"], how: Interpolation = "pchip"
) -> float | None:
    """Mean of ln(rate of test / rate of anchor) at equal quality; `percent` makes a BD-rate of it.

    Args:
        anchor: (bits per pixel, quality) of each encode, in any order.
        test: the same of the other codec.
        how: interpolation between encodes.

    Returns:
        None where the qualities of the two do not overlap, or where a codec has fewer than MIN_POINTS of them.
    """
    return _mean_difference(_rising(anchor)[:, ::-1], _rising(test)[:, ::-1], how)


def bd_quality(
    anchor: Float[np.ndarray, "n 2"], test: Float[np.ndarray, "m 2"], how: Interpolation = "pchip"
) -> float | None:
    """Mean of quality of test less quality of anchor at equal rate (on a logarithmic scale), levels; arguments and None
    as of `bd_log_rate`, for rates that do not overlap."""
    return _mean_difference(_rising(anchor), _rising(test), how)


def percent(log_rate: float) -> float:
    """A BD-rate in percent: -20 for a fifth fewer bits."""
    return float(100 * np.expm1(log_rate))


def _rising(points: np.ndarray) -> np.ndarray:
    """(ln rate, quality), both strictly rising. Encodes whose quality is no better than that of one with fewer bits are
    pooled with it (isotonic regression by pooling adjacent violators)."""
    order = np.argsort(points[:, 0], kind="stable")
    pools: list[tuple[float, float, int]] = []  # sums of ln rate and of quality, and how many
    for rate, quality in zip(np.log(points[order, 0]), points[order, 1], strict=True):
        pool = (float(rate), float(quality), 1)
        while pools and (
            pools[-1][1] / pools[-1][2] >= pool[1] / pool[2] or pools[-1][0] / pools[-1][2] >= pool[0] / pool[2]
        ):
            before = pools.pop()
            pool = (before[0] + pool[0], before[1] + pool[1], before[2] + pool[2])
        pools.append(pool)
    return np.array([(rate / count, quality / count) for rate, quality, count in pools])


def _mean_difference(anchor: np.ndarray, test: np.ndarray, how: Interpolation) -> float | None:
    """Mean of test(x) - anchor(x) over the x that both cover; rows are (x, y), x strictly rising."""
    if min(len(anchor), len(test)) < MIN_POINTS:
        return None
    low, high = max(anchor[0, 0], test[0, 0]), min(anchor[-1, 0], test[-1, 0])
    if high - low < 1e-9:
        return None
    areas = [float(_interpolator(points, how).integrate(low, high)) for points in (anchor, test)]
    return (areas[1] - areas[0]) / float(high - low)


def _interpolator(points: np.ndarray, how: Interpolation) -> PchipInterpolator | Akima1DInterpolator:
    if how == "pchip" or len(points) < 3:
        return PchipInterpolator(points[:, 0], points[:, 1])
    return Akima1DInterpolator(points[:, 0], points[:, 1], method="makima")
