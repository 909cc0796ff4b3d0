"""Agreement on the test shares of splits by scene, for whatever is fitted to opinion: a regressor, or the curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from relational_iqa.benchmarks.agreement import NAN, Agreement, agreement, plain
from relational_iqa.benchmarks.logistic import MIN_SAMPLES, fit_logistic
from relational_iqa.benchmarks.regression import fit_regressor
from relational_iqa.benchmarks.splits import grouped_splits
from relational_iqa.storage.regressor import Regressor

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""predict(training indices, indices) -> predictions: fitted on the first, evaluated on the second."""


@dataclass(frozen=True)
class SplitVerdict:
    """splits: agreement on each test share, curve and regressor fitted on the training share. held_out (n,): the mean
    prediction of each image over the splits that tested it, NaN where none did."""

    splits: tuple[Agreement, ...]
    held_out: np.ndarray

    def median(self, name: str) -> float:
        """Median over splits of "srcc", "krcc", "plcc", "plcc_raw" or "rmse", as the literature reports it."""
        values = np.array([getattr(split, name) for split in self.splits])
        return float(np.nanmedian(values)) if np.isfinite(values).any() else NAN

    def to_json(self) -> dict[str, Any]:
        """Medians and every split, plain Python."""
        names = ("srcc", "krcc", "plcc", "plcc_raw", "rmse")
        medians = {name: self.median(name) for name in names}
        fields: dict[str, Any] = plain({"median": medians, "splits": [asdict(split) for split in self.splits]})
        return fields


def judge_on_splits(
    predict: Predict, observed: np.ndarray, groups: Sequence[str], count: int, seed: int = 0
) -> SplitVerdict:
    """The verdict over `count` splits of 80 % of the scenes for fitting and 20 % for the test; higher predictions are
    better. Raises UsageError where the scenes are too few to split."""
    splits, total, times = [], np.zeros(len(observed)), np.zeros(len(observed))
    for train, test in grouped_splits(groups, count, seed=seed):
        fitted_on, tested = predict(train, train), predict(train, test)
        curve = fit_logistic(fitted_on, observed[train]) if len(train) >= MIN_SAMPLES else None
        splits.append(agreement(tested, observed[test], curve))
        total[test] += tested
        times[test] += 1
    with np.errstate(invalid="ignore"):
        return SplitVerdict(tuple(splits), total / np.where(times > 0, times, np.nan))


def fixed(predicted: np.ndarray) -> Predict:
    """Predictions (n,) to which nothing is fitted."""
    return lambda train, indices: predicted[indices]


def ridge(features: np.ndarray, observed: np.ndarray) -> Predict:
    """Ridge regression of scores on features (n, D); its strength is chosen on the training share."""
    fitted: dict[bytes, Regressor] = {}

    def predict(train: np.ndarray, indices: np.ndarray) -> np.ndarray:
        key = train.tobytes()
        if key not in fitted:
            fitted.clear()  # a split is asked twice, then never again
            fitted[key] = fit_regressor(features[train], observed[train])
        return fitted[key].predict(features[indices])

    return predict
