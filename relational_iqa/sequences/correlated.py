"""Means over frames that resemble their neighbours: the interval by a circular block bootstrap.

Neighbouring frames say nearly the same, so that resampling single frames gives an interval that is far too narrow.
Blocks of successive frames keep what they have in common (Politis and Romano, "A circular block-resampling procedure
for stationary data", 1992). The length of the blocks is chosen from the autocovariance as Politis and White propose
("Automatic block-length selection for the dependent bootstrap", Econometric Reviews 23, 2004; with the correction of
Patton, Politis and White, 2009).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from relational_iqa.folders.summary import DRAWS, LEVEL, Estimate

MIN_FRAMES = 10
"""With fewer frames there is no interval: nothing is known of how they depend on each other."""
_AT_ONCE = 1_000_000  # sums of blocks that are looked up together
_NEGLIGIBLE = 2.0  # autocorrelations below this times sqrt(log10(n) / n) count as zero (Politis and White, section 3)


@dataclass(frozen=True)
class CorrelatedMean:
    """The mean of a series.

    Args:
        estimate: mean and 95 % interval; no interval for fewer than MIN_FRAMES values.
        block: length of the resampled blocks in frames; 1 where values do not depend on their neighbours.
        effective: how many independent values would give a mean as sure as this one, at most the number of values.
    """

    estimate: Estimate
    block: int
    effective: float


def correlated_means(values: Float[np.ndarray, "n c"], seed: int = 0) -> list[CorrelatedMean]:
    """The means of series that belong together, with intervals that allow for the dependence of successive values.

    Args:
        values: one row a frame, in order. The blocks, which all columns share, suit the first column.
        seed: the same values and seed give the same intervals.
    """
    count, means = len(values), values.mean(0)
    if count < MIN_FRAMES:
        return [CorrelatedMean(Estimate(float(mean), None), 1, float(count)) for mean in means]
    block = block_length(values[:, 0])
    resampled = resampled_means(values, block, seed)
    tail = (1 - LEVEL) / 2
    ends = np.quantile(resampled, (tail, 1 - tail), axis=0)
    spreads, variances = values.var(0, ddof=1), resampled.var(0)
    found = []
    for column, mean in enumerate(means):
        variance = float(variances[column])
        effective = float(count) if variance <= 0 else float(np.clip(spreads[column] / variance, 1, count))
        interval = float(ends[0, column]), float(ends[1, column])
        found.append(CorrelatedMean(Estimate(float(mean), interval), block, effective))
    return found


def correlated_mean(values: Float[np.ndarray, " n"], seed: int = 0) -> CorrelatedMean:
    """`correlated_means` of one series."""
    return correlated_means(values[:, None], seed)[0]


def resampled_means(values: Float[np.ndarray, "n c"], block: int, seed: int = 0) -> Float[np.ndarray, "draws c"]:
    """Means of DRAWS series that are put together of blocks, which begin anywhere and go on at the start of the series
    where they reach its end."""
    count, columns = values.shape
    blocks, rest = divmod(count, block)
    lengths = np.array([block] * blocks + ([rest] if rest else []))
    sums = np.zeros((count + block + 1, columns))
    np.cumsum(np.concatenate([values, values[:block]]), axis=0, out=sums[1:])
    generator = np.random.default_rng(seed)
    found = np.empty((DRAWS, columns))
    batch = max(1, _AT_ONCE // (len(lengths) * columns))
    for first in range(0, DRAWS, batch):
        starts = generator.integers(0, count, (min(batch, DRAWS - first), len(lengths)))
        found[first : first + batch] = (sums[starts + lengths] - sums[starts]).sum(1) / count
    return found


def block_length(values: Float[np.ndarray, " n"]) -> int:
    """Length of blocks that suits the dependence of the values, from 1 to min(3 sqrt(n), n / 3)."""
    count = len(values)
    centred = values - np.mean(values)
    variance = float(np.mean(centred**2))
    if variance == 0:
        return 1
    most = math.ceil(min(3 * math.sqrt(count), count / 3))
    looked_at = max(5, math.ceil(math.sqrt(math.log10(count))))
    lags = min(count - 1, math.ceil(math.sqrt(count)) + looked_at)
    covariances = np.array([float(centred[lag:] @ centred[: count - lag]) / count for lag in range(lags + 1)])
    limit = _NEGLIGIBLE * math.sqrt(math.log10(count) / count)
    large = np.abs(covariances[1:] / variance) >= limit
    cut = next((lag for lag in range(lags - looked_at + 1) if not large[lag : lag + looked_at].any()), None)
    if cut is None:
        cut = int(np.nonzero(large)[0].max()) + 1
    reach = min(2 * max(cut, 1), lags)
    lag = np.arange(1, reach + 1)
    weights = np.minimum(1.0, 2 * (1 - lag / reach))  # flat to the half, then down to 0
    total = covariances[0] + 2 * float(weights @ covariances[1 : reach + 1])
    slope = 2 * float((weights * lag) @ covariances[1 : reach + 1])
    if total <= 0:
        return 1
    length = (2 * slope**2 / (4 / 3 * total**2)) ** (1 / 3) * count ** (1 / 3)
    return int(min(most, max(1, math.ceil(length))))
