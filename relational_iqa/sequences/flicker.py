"""Temporal flicker: a defect that alternates between frames, told by a test against shuffled order.

A quality that changes slowly with the scene is no flicker, and neither is one that changes at random. What is tested is
the order: the series of a quality has its slow part taken off (a running mean), then two statistics say how it
alternates, and both are compared with those of the same values in shuffled order.

alternation  the von Neumann ratio, sum of squared successive differences over sum of squares: 2 for values in no
             order, up to 4 for values that alternate
repetition   the highest line of the spectrum over the geometric mean of its neighbours, at periods of 2 to 8 frames;
             what repeats more slowly (a key frame every 30 frames) has overtones there

Several series are tested together, those of the whole frame and of its parts. The largest of the standardised
statistics of a shuffle is compared with each, so that the probability of a false finding is that of all of them (the
maxT procedure of Westfall and Young, "Resampling-based multiple testing", 1993).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import uniform_filter1d

MIN_FRAMES = 16
"""In fewer frames flicker is not looked for."""
MIN_SIZE = 0.1
"""Levels: smaller flicker is not told, as a smaller margin is a tie."""
LARGEST_P = 0.01
_SLOW = 9  # frames of the running mean that is taken off
_SLOWEST = 8  # frames: the longest period in the band that is looked at, 3 to 4 Hz in usual video
_LONGEST = 120  # frames: the longest period that is named
_SHUFFLES = 999
_BUDGET = 40_000_000  # values that are shuffled; a sequence of hours has fewer shuffles
_LEAST_SHUFFLES = 199
_AT_ONCE = 2_000_000  # values of one batch of shuffles


@dataclass(frozen=True)
class Flicker:
    """One series that alternates.

    Args:
        name: of the series.
        period: after how many frames it repeats; None where it alternates without a period.
        size: from peak to trough, in the unit of the series.
        p_value: probability of an order as regular as this one among shuffled ones, over all series that were tested.
    """

    name: str
    period: int | None
    size: float
    p_value: float


def find_flicker(
    series: Mapping[str, Float[np.ndarray, " n"]], least: float = MIN_SIZE, seed: int = 0
) -> list[Flicker]:
    """The series that alternate by `least` or more, largest first; empty for fewer than MIN_FRAMES frames.

    Args:
        series: name -> one value a frame.
        least: smallest size from peak to trough.
        seed: of the shuffles.
    """
    # Chosen by what no shuffle changes: values that differ too little to flicker by so much are no candidates.
    names = [name for name, values in series.items() if len(values) >= MIN_FRAMES and np.ptp(values) >= least]
    if not names:
        return []
    values = np.stack([np.asarray(series[name], np.float64) for name in names])
    chances = order_p_values(values, seed)
    found = []
    for name, row, chance in zip(names, values, chances, strict=True):
        if chance > LARGEST_P:
            continue
        period = find_period(without_slow_part(row))
        size = _size(row, period)
        if size >= least:
            found.append(Flicker(name, period, size, float(chance)))
    return sorted(found, key=lambda one: -one.size)


def order_p_values(values: Float[np.ndarray, "s n"], seed: int = 0) -> Float[np.ndarray, " s"]:
    """Probability, among shuffled orders of the frames, of a statistic as large as that of each series.

    Args:
        values: s series of n frames; the frames of all are shuffled alike.
        seed: of the shuffles.

    Returns:
        (s,), allowing for all s series and both statistics.
    """
    count, frames = values.shape
    shuffles = max(_LEAST_SHUFFLES, min(_SHUFFLES, _BUDGET // (count * frames)))
    generator = np.random.default_rng(seed)
    batch = max(1, _AT_ONCE // (count * frames))
    parts = []
    for first in range(0, shuffles, batch):
        orders = np.argsort(generator.random((min(batch, shuffles - first), frames)), axis=1)
        parts.append(_statistics(np.moveaxis(values[:, orders], 1, 0)))
    shuffled, observed = np.concatenate(parts), _statistics(values[None])[0]  # (shuffles, s, 2), (s, 2)
    mean, spread = shuffled.mean(0), np.maximum(shuffled.std(0), 1e-12)
    largest = ((shuffled - mean) / spread).max((1, 2))
    own = ((observed - mean) / spread).max(1)
    return np.asarray((1 + (largest[:, None] >= own[None]).sum(0)) / (1 + shuffles))


def without_slow_part(values: Float[np.ndarray, "... n"]) -> Float[np.ndarray, "... n"]:
    """What is left of series (..., n) beside their running mean; mirrored at both ends."""
    return np.asarray(values - uniform_filter1d(values, _SLOW, axis=-1, mode="mirror"))


def von_neumann_ratio(fast: Float[np.ndarray, "... n"]) -> Float[np.ndarray, "..."]:
    """Sum of squared successive differences over the sum of squares, of series with mean 0."""
    squares = np.maximum((fast**2).sum(-1), 1e-24)
    return np.asarray((np.diff(fast, axis=-1) ** 2).sum(-1) / squares)


def strongest_line(fast: Float[np.ndarray, "... n"]) -> Float[np.ndarray, "..."]:
    """Logarithm of the highest line of the spectrum over the geometric mean of the lines around it, at periods of 2 to
    8 frames."""
    frames = fast.shape[-1]
    power = np.abs(np.fft.rfft(fast - fast.mean(-1, keepdims=True), axis=-1)) ** 2
    if frames % 2 == 0:
        power[..., -1] /= 2  # real, so with twice the mean power of the others
    lines = np.log(power + 1e-9 * np.maximum(power.sum(-1, keepdims=True), 1e-24))
    usual = uniform_filter1d(lines, 2 * max(4, frames // 24) + 1, axis=-1, mode="mirror")
    band = slice(math.ceil(frames / _SLOWEST), None)
    return np.asarray((lines - usual)[..., band].max(-1))


def find_period(fast: Float[np.ndarray, " n"]) -> int | None:
    """The shortest period that explains nearly all that any period explains, in frames; None where none explains half
    of the variance."""
    shares = {period: _explained(fast, period) for period in range(2, min(_LONGEST, len(fast) // 4) + 1)}
    best = max(shares.values(), default=0.0)
    if best < 0.5:
        return None
    return next(period for period, share in shares.items() if share >= 0.9 * best)


def _statistics(values: np.ndarray) -> np.ndarray:
    """(..., n) -> (..., 2): both statistics."""
    fast = without_slow_part(values)
    return np.stack([von_neumann_ratio(fast), strongest_line(fast)], -1)


def _phase_means(fast: np.ndarray, period: int) -> tuple[np.ndarray, np.ndarray]:
    phase = np.arange(len(fast)) % period
    counts = np.bincount(phase, minlength=period)
    return np.bincount(phase, fast, period) / counts, counts


def _explained(fast: np.ndarray, period: int) -> float:
    """Share of the variance that the mean of each phase explains, less what it explains of values in no order."""
    means, counts = _phase_means(fast, period)
    total, frames = float((fast**2).sum()), len(fast)
    if total == 0:
        return 0.0
    share = float((counts * means**2).sum()) / total
    return 1 - (1 - share) * (frames - 1) / max(1, frames - period)


def _size(values: np.ndarray, period: int | None) -> float:
    """From peak to trough: of the means of the phases; without a period, the usual step from frame to frame."""
    if period is None:
        return float(np.sqrt(np.mean(np.diff(without_slow_part(values)) ** 2)))
    window = period * -(-_SLOW // period)  # whole periods, whose mean holds nothing of the flicker
    return float(np.ptp(_phase_means(values - uniform_filter1d(values, window, mode="mirror"), period)[0]))
