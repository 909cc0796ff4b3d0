"""Features -> opinion score: standardise, ridge regression with cross-validated strength, saved as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.correlation import plcc, srcc
from relational_iqa.storage.tensor_file import read_tensors, write_tensors

FORMAT = "reiqa-regressor 1"
# Wide enough that the chosen strength lies inside: for 1000 standardised features it is some hundreds.
ALPHAS = np.geomspace(1e-1, 1e6, 36)
MIN_RATED = 10


@dataclass(frozen=True)
class Regressor:
    """score = (features - mean) / scale @ coefficients + intercept, in the unit of the scores it was fitted to.

    mean, scale, coefficients: (D,). facts: alpha, experts, sha256 of the encoders, what it was fitted to, agreement.
    """

    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(N, D) -> (N,). UsageError for features of another length."""
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise UsageError(f"features of shape {features.shape}; the regressor was fitted to (N, {len(self.mean)})")
        scores: np.ndarray = (features - self.mean) / self.scale @ self.coefficients + self.intercept
        return scores

    def save(self, path: str | Path) -> str:
        """Writes safetensors and returns the sha256."""
        arrays = {"mean": self.mean, "scale": self.scale, "coefficients": self.coefficients}
        tensors = {name: torch.from_numpy(np.asarray(value, dtype=np.float64)) for name, value in arrays.items()}
        tensors["intercept"] = torch.tensor([self.intercept], dtype=torch.float64)
        return write_tensors(Path(path), FORMAT, tensors, dict(self.facts))


def load_regressor(path: str | Path) -> Regressor:
    """What `Regressor.save` wrote; UsageError where a part is missing, misshapen or not finite."""
    path = Path(path)
    tensors, facts, _ = read_tensors(path, FORMAT, "`riqa fit-reiqa --rated`")
    wanted = ("mean", "scale", "coefficients", "intercept")
    arrays = {name: tensors[name].double().numpy() for name in wanted if name in tensors}
    length = len(arrays.get("mean", ()))
    shapes = {name: (1,) if name == "intercept" else (length,) for name in wanted}
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise UsageError(f"{path}: {name} is missing, misshapen or not finite; fit it again with riqa fit-reiqa")
    if not (arrays["scale"] > 0).all():
        raise UsageError(f"{path}: scale holds values that are not above 0; fit it again with riqa fit-reiqa")
    return Regressor(arrays["mean"], arrays["scale"], arrays["coefficients"], float(arrays["intercept"][0]), facts)


def fit_regressor(features: np.ndarray, scores: np.ndarray, facts: Mapping[str, Any] | None = None) -> Regressor:
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


@dataclass(frozen=True)
class SplitAgreement:
    """Agreement on the test shares of splits by scene: one SRCC and PLCC (raw) a split."""

    srcc: tuple[float, ...]
    plcc: tuple[float, ...]

    @property
    def median_srcc(self) -> float:
        """Median over the splits, as the literature reports it."""
        return float(np.median(self.srcc))

    @property
    def median_plcc(self) -> float:
        """Median over the splits."""
        return float(np.median(self.plcc))

    def summary(self) -> str:
        """One line."""
        return (
            f"SRCC {self.median_srcc:.3f}, PLCC {self.median_plcc:.3f} "
            f"(medians of {len(self.srcc)} splits by scene; SRCC {min(self.srcc):.3f} to {max(self.srcc):.3f})"
        )


def agreement_over_splits(
    features: np.ndarray, scores: np.ndarray, groups: Sequence[str], count: int = 10, seed: int = 0
) -> SplitAgreement:
    """Fits on 80 % of the groups and judges on the rest, `count` times; everything, also the strength of the ridge, is
    chosen on the training share."""
    from relational_iqa.benchmarks.splits import grouped_splits

    rank, linear = [], []
    for train, test in grouped_splits(groups, count, test_share=0.2, seed=seed):
        predicted = fit_regressor(features[train], scores[train]).predict(features[test])
        rank.append(srcc(predicted, scores[test]))
        linear.append(plcc(predicted, scores[test]))
    return SplitAgreement(tuple(rank), tuple(linear))
