"""Agreement of predictions with people's scores: SRCC, KRCC and PLCC."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from distortion_engine.errors import UsageError

Values = Sequence[float] | np.ndarray
MIN_SAMPLES = 3


def srcc(predicted: Values, observed: Values) -> float:
    """Spearman's rank correlation in [-1, 1], ties averaged; NaN where one side is constant.

    Raises UsageError for lengths that differ, fewer than `MIN_SAMPLES` values, or values that are not finite.
    """
    return _correlation(lambda x, y: stats.spearmanr(x, y).statistic, predicted, observed)


def krcc(predicted: Values, observed: Values) -> float:
    """Kendall's tau-b in [-1, 1]; NaN where one side is constant. Raises UsageError like `srcc`."""
    return _correlation(lambda x, y: stats.kendalltau(x, y).statistic, predicted, observed)


def plcc(predicted: Values, observed: Values) -> float:
    """Pearson's linear correlation in [-1, 1], of the values as they are (no logistic fit); NaN where one side is
    constant. Raises UsageError like `srcc`."""
    return _correlation(lambda x, y: stats.pearsonr(x, y).statistic, predicted, observed)


def _correlation(function: Callable[[np.ndarray, np.ndarray], float], predicted: Values, observed: Values) -> float:
    x, y = (np.asarray(values, dtype=np.float64).ravel() for values in (predicted, observed))
    if len(x) != len(y):
        raise UsageError(f"{len(x)} predictions for {len(y)} scores; expected one prediction a score")
    if len(x) < MIN_SAMPLES:
        raise UsageError(f"{len(x)} scores are too few for a correlation; expected {MIN_SAMPLES} or more")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise UsageError("predictions or scores hold NaN or infinite values; leave those images out")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(function(x, y))
