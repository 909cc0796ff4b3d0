"""Fits a linear regressor from features to opinion scores: standardises, then ridge regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.splits import Predict
from relational_iqa.storage.regressor import Regressor

# Wide enough that the chosen strength lies inside: for 1000 standardised features it is some hundreds.
ALPHAS = np.geomspace(1e-1, 1e6, 36)
MIN_RATED = 10
Array = npt.NDArray[Any]


def fit_regressor(features: Array, scores: Array, facts: Mapping[str, Any] | None = None) -> Regressor:
    """Ridge regression of `scores` (N,) on standardised `features` (N, D), its strength by leave-one-out.

    Constant features count for nothing. UsageError for fewer than `MIN_RATED` rows, for lengths that differ and for
    values that are not finite.
    """
    from sklearn.linear_model import RidgeCV  # slow to import

    if len(features) != len(scores) or len(scores) < MIN_RATED:
        raise UsageError(f"{len(features)} feature rows, {len(scores)} scores: expected as many, {MIN_RATED} or more")
    if not (np.isfinite(features).all() and np.isfinite(scores).all()):
        raise UsageError("features or scores hold NaN or infinite values; leave those images out")
    features = np.asarray(features, dtype=np.float64)
    mean, spread = features.mean(0), features.std(0)
    # Below float32 rounding of the mean a spread is noise: such a feature would be blown up instead of ignored.
    constant = spread <= 1e-6 * (np.abs(mean) + 1e-6)
    scale = np.where(constant, 1.0, spread)
    ridge = RidgeCV(alphas=ALPHAS).fit(np.where(constant, 0.0, (features - mean) / scale), scores)
    coefficients = np.where(constant, 0.0, ridge.coef_)
    return Regressor(
        mean, scale, coefficients, float(ridge.intercept_), {**(facts or {}), "alpha": float(ridge.alpha_)}
    )


def ridge(features: Array, observed: Array) -> Predict:
    """For `splits.cross_validate`: `fit_regressor` of scores (n,) on features (n, D), everything about it, also its
    strength, chosen on the training share."""
    fitted: dict[bytes, Regressor] = {}

    def predict(train: Array, indices: Array) -> Array:
        key = train.tobytes()
        if key not in fitted:
            fitted.clear()  # a split is asked at most twice, then never again
            fitted[key] = fit_regressor(features[train], observed[train])
        return fitted[key].predict(features[indices])

    return predict
