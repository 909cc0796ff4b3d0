"""The four-parameter logistic between predictions and opinion (VQEG, Final report, phase I, 2000, and TM 2003)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distortion_engine.errors import UsageError

MIN_SAMPLES = 5
"""One more than the parameters."""

_CENTRES = (0.05, 0.25, 0.5, 0.75, 0.95)  # quantiles of the predictions: first guesses of the middle of the curve
_LOG_SCALES = np.log((0.03, 0.1, 0.3, 1.0, 3.0, 10.0))  # first guesses of its width, in units of their spread
_LOG_RANGE = (np.log(0.01), np.log(100.0))  # from nearly a step to nearly a line
_SIMPLEX = np.array(((0.0, 0.0), (0.2, 0.0), (0.0, 0.3)))  # first steps of the search in centre and log scale
_REFINED = 3
_FLAT = 1e-12  # energy of a curve that rounding alone makes vary


@dataclass(frozen=True)
class Logistic:
    """The curve y = low + (high - low) / (1 + exp(-(x - centre) / scale)); falling where high < low.

    Args:
        high: y for large x.
        low: y for small x.
        centre: x of the middle between low and high.
        scale: width of the transition, > 0, in the unit of x.
    """

    high: float
    low: float
    centre: float
    scale: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Predictions mapped to the scale of opinion; any shape."""
        return self.low + (self.high - self.low) * 0.5 * (
            1 + _shape(np.asarray(x, np.float64), self.centre, self.scale)
        )


def fit_logistic(predicted: np.ndarray, observed: np.ndarray) -> Logistic:
    """The curve of least squares through (predicted, observed).

    For a given centre and scale, low and high are a linear regression, so only two parameters are searched: from a grid
    of first guesses, the best of which are refined (Nelder-Mead). Raises UsageError for fewer than `MIN_SAMPLES` values
    or values that are not finite; a constant side gives a flat curve at the mean.
    """
    from scipy.optimize import minimize

    x, y = np.asarray(predicted, np.float64).ravel(), np.asarray(observed, np.float64).ravel()
    if len(x) != len(y) or len(x) < MIN_SAMPLES:
        raise UsageError(f"{len(x)} predictions, {len(y)} scores: a logistic needs {MIN_SAMPLES} or more of each")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise UsageError("predictions or scores hold NaN or infinite values; leave those images out")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Logistic(float(y.mean()), float(y.mean()), float(x[0]), 1.0)
    # In units of the spread of the bulk: some metrics press nearly all images into a small part of their range.
    quartiles = np.quantile(x, (0.25, 0.5, 0.75))
    spread = float(quartiles[2] - quartiles[0]) or float(x.std())
    z, varied = (x - quartiles[1]) / spread, y - y.mean()
    reach = (float(z.min() - 3 * np.ptp(z)), float(z.max() + 3 * np.ptp(z)))
    power = float(varied @ varied)

    def loss(parameters: np.ndarray) -> float:
        """Share of the variance of y that the best line through (curve of z, y) leaves, in [0, 1]."""
        centre, log_scale = parameters
        if not (reach[0] <= centre <= reach[1] and _LOG_RANGE[0] <= log_scale <= _LOG_RANGE[1]):
            return 1.0
        shape = _shape(z, centre, np.exp(log_scale))
        shape -= shape.mean()
        energy = float(shape @ shape)
        return 1.0 if energy < _FLAT else 1.0 - float(shape @ varied) ** 2 / (energy * power)

    starts = [np.array((c, s)) for c in np.quantile(z, _CENTRES) for s in _LOG_SCALES]
    options = {"xatol": 1e-6, "fatol": 1e-11, "maxiter": 300}
    found = [
        minimize(loss, start, method="Nelder-Mead", options={**options, "initial_simplex": start + _SIMPLEX})
        for start in sorted(starts, key=loss)[:_REFINED]
    ]
    centre, log_scale = min(found, key=lambda result: float(result.fun)).x
    shape = _shape(z, centre, np.exp(log_scale))
    around = shape - shape.mean()
    slope = float(around @ varied) / max(float(around @ around), _FLAT)
    middle = float(y.mean() - slope * shape.mean())
    scale = spread * float(np.exp(log_scale))
    return Logistic(middle + slope, middle - slope, float(quartiles[1] + spread * centre), scale)


def _shape(x: np.ndarray, centre: float, scale: float) -> np.ndarray:
    """The rising curve from -1 to 1."""
    return np.tanh((x - centre) / (2 * scale))
