"""The linear regressor from features to an opinion score: predicts, saves and loads. No pickle, plain numbers.

What fits one is `relational_iqa.benchmarks.regression`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from distortion_engine.errors import UsageError
from relational_iqa.storage.tensor_file import read_tensors, write_tensors

Array = npt.NDArray[Any]
FORMAT = "reiqa-regressor 1"


@dataclass(frozen=True)
class Regressor:
    """score = (features - mean) / scale @ coefficients + intercept, in the unit of the scores it was fitted to.

    Args:
        mean: (D,) mean of each feature.
        scale: (D,) spread of each feature, above 0.
        coefficients: (D,) weight of each standardised feature.
        intercept: score of an image whose features are all average.
        facts: strength of the ridge, experts, sha256 of the encoders, what it was fitted to, agreement.
    """

    mean: Array
    scale: Array
    coefficients: Array
    intercept: float
    facts: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, features: Array) -> Array:
        """(N, D) -> (N,). UsageError for features of another length."""
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise UsageError(f"features of shape {features.shape}; the regressor was fitted to (N, {len(self.mean)})")
        return (features - self.mean) / self.scale @ self.coefficients + self.intercept

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
