"""Severity, the one scale of all distortions: amount <-> severity curves and the consensus of metrics behind them.

Everything is read from severity.json, which `python -m experiments.severity.fit` writes and which carries its own
provenance. A severity s of 1.0 is the mean damage that level 5 of the KADID-10k types does; 0 is untouched.
"""

import functools
import importlib.resources
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError

LEVELS = (0.2, 0.4, 0.6, 0.8, 1.0)
# The four judges that are right most often by an estimate that asks no people (experiments/pixel_perfect/teachers.py),
# of three families: gradients (MDSI, MS-GMSD), wavelets (HaarPSI), saliency (VSI). They label training data too, so
# that labels and curves agree.
CONSENSUS_METRICS = ("mdsi", "haarpsi", "ms_gmsd", "vsi")
# The views each metric judges, averaged: 1 the picture as it is, 2 as from twice the distance. By the same estimate
# MDSI and VSI are right more often on half the size; HaarPSI and MS-GMSD halve the picture themselves.
VIEWING_SCALES: Mapping[str, tuple[int, ...]] = {"mdsi": (2,), "haarpsi": (1,), "ms_gmsd": (1,), "vsi": (2,)}
SMALLEST_VIEW_PX = 16
CONSENSUS_MAX = 1.2  # beyond every damage of the fit the consensus still grows a little, up to here


def amount_for(name: str, severity: float) -> float:
    """The native amount at which distortion `name` has this severity in [0, max_severity(name)]; 0 for 0, rising.

    Raises UsageError for an unknown name or a severity outside the range.
    """
    amounts, severities = _curve(name)
    top = float(severities[-1])
    if not 0 <= severity <= min(top, 1.0) + 1e-9:
        raise UsageError(f"severity {severity} of {name} is out of range; expected 0 to {min(top, 1.0):.3f}")
    return float(np.interp(severity, severities, amounts))


def severity_for(name: str, amount: float) -> float:
    """Severity in [0, 1] of distortion `name` at a native amount >= 0: typical over photographs, not of one image.

    Amounts beyond the fitted curve have its last severity. Raises UsageError for an unknown name or a negative amount.
    """
    amounts, severities = _curve(name)
    if not amount >= 0:
        raise UsageError(f"amount {amount} of {name} is not valid; expected 0 or more")
    return min(1.0, float(np.interp(amount, amounts, severities)))


def max_severity(name: str) -> float:
    """The largest severity that distortion `name` reaches within its ladder, at most 1."""
    return min(1.0, float(_curve(name)[1][-1]))


def min_severity(name: str) -> float:
    """The severity that the least positive amount of distortion `name` already has; 0 for most.

    Codecs jump: they have a cost of entry at any quality. `amount_for` answers below it, with an amount next to 0, but
    an image made with that is worse than the severity says.
    """
    _curve(name)  # refuses unknown names
    curve = _tables()["curves"].get(name)
    return float(curve["onset"]) if curve else 0.0


def severity_spread(name: str, amount: float) -> tuple[float, float]:
    """10th and 90th percentile of the severity over photographs of images at this amount,
    up to CONSENSUS_MAX; equal values for a distortion whose curve is still its hand-set ladder."""
    middle = severity_for(name, amount)
    curve = _tables()["curves"].get(name)
    if curve is None:
        return middle, middle
    knots = curve["measured"]
    low, high = (float(np.interp(amount, knots["amounts"], knots[key])) for key in ("p10", "p90"))
    return low, high


def at_viewing_scales(
    name: str,
    function: Callable[[Tensor, Tensor], Tensor],
    test: Float[Tensor, "b 3 h w"],
    reference: Float[Tensor, "b 3 h w"],
) -> Float[Tensor, " b"]:
    """Values of a metric, averaged over its viewing scales; `consensus` and the curves are made for these.

    Args:
        name: of the metric.
        function: the metric, (test, reference) (B, 3, H, W) each -> (B,).
        test: in [0, 1]. Where a side would fall below SMALLEST_VIEW_PX, only the full size is judged.
        reference: in [0, 1].

    Raises:
        UsageError: for a metric that has no part in the consensus.
    """
    if name not in VIEWING_SCALES:
        raise UsageError(f"metric {name!r} has no viewing scales; expected one of {', '.join(VIEWING_SCALES)}")
    side = min(test.shape[-2:])
    scales = [scale for scale in VIEWING_SCALES[name] if side >= scale * SMALLEST_VIEW_PX] or [1]
    # In one memory layout, so that equal pixels become equal views to the bit.
    test, reference = test.contiguous(), reference.contiguous()
    views = [(test, reference) if s == 1 else (F.avg_pool2d(test, s), F.avg_pool2d(reference, s)) for s in scales]
    return torch.stack([function(*view) for view in views]).mean(dim=0)


def consensus(metrics: Mapping[str, Float[Tensor, " b"]]) -> Float[Tensor, " b"]:
    """Severity in [0, CONSENSUS_MAX] that conventional metrics see in test images; 0 for identical images.

    `metrics`: values by `at_viewing_scales` of any of CONSENSUS_METRICS. Each is put on the common
    quantile scale of the fit by a monotone piecewise-linear table, then the mean is scaled to severity.
    Raises UsageError for no metric or one without a table.
    """
    if not metrics:
        raise UsageError(f"no metrics given; expected some of {', '.join(CONSENSUS_METRICS)}")
    quantiles = torch.stack([metric_quantile(name, values) for name, values in metrics.items()]).mean(dim=0)
    scale: float = _tables()["scales"]["+".join(sorted(CONSENSUS_METRICS))]
    return (quantiles * scale).clamp(0.0, CONSENSUS_MAX)


def metric_quantile(name: str, values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Share of the fit's pool of distorted images that metric `name` calls less damaged than `values`:
    0 for identical images, 1 at the worst of the pool, linear with the last slope beyond, up to CONSENSUS_MAX.

    Raises UsageError for a metric without a table.
    """
    tables = _tables()["quantiles"]
    if name not in tables:
        raise UsageError(f"metric {name!r} has no quantile table; expected one of {', '.join(tables)}")
    table = tables[name]
    damage = (values - table["identical"]).abs()
    knots, shares = (damage.new_tensor(table[key]) for key in ("damage", "quantile"))
    upper = torch.searchsorted(knots, damage.contiguous()).clamp(1, len(knots) - 1)
    lower = upper - 1
    slope = (shares[upper] - shares[lower]) / (knots[upper] - knots[lower])
    quantile: Tensor = (shares[lower] + (damage - knots[lower]) * slope).clamp(0.0, CONSENSUS_MAX)
    return quantile


def provenance() -> dict[str, Any]:
    """Where the curves come from: command, date, engine version, metrics, photographs, crop."""
    return dict(_tables()["provenance"])


@functools.cache
def _tables() -> dict[str, Any]:
    file = importlib.resources.files("distortion_engine") / "severity.json"
    if not file.is_file():  # only while the first curves are being fitted
        return {"curves": {}, "quantiles": {}, "scales": {}, "provenance": {"command": "none: hand-set ladders"}}
    tables: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return tables


@functools.cache
def _curve(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Strictly rising amounts and severities from (0, 0); without a fitted curve, the hand-set ladder."""
    if name not in DISTORTIONS:
        raise UsageError(f"distortion {name!r} is unknown; expected one of {', '.join(DISTORTIONS)}")
    curve = _tables()["curves"].get(name)
    if curve is None:
        return np.array([0.0, *DISTORTIONS[name].ladder]), np.array([0.0, *LEVELS])
    return np.array(curve["amounts"]), np.array(curve["severity"])


def provenance_hash() -> str:
    """Short hash of everything in severity.json: two caches with the same hash mean the same by a severity."""
    import hashlib

    return hashlib.sha256(json.dumps(_tables(), sort_keys=True).encode()).hexdigest()[:12]
