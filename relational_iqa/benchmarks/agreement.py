"""How far a metric agrees with people on one set: over all images, by distortion, by scene, with intervals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from relational_iqa.benchmarks.bootstrap import Resamples, interval
from relational_iqa.benchmarks.correlation import MIN_SAMPLES, krcc, plcc, srcc
from relational_iqa.benchmarks.forced_choice import pair_accuracy, scene_pairs
from relational_iqa.benchmarks.logistic import MIN_SAMPLES as MIN_FOR_CURVE
from relational_iqa.benchmarks.logistic import Logistic, fit_logistic

NAN = float("nan")
_INTERVALS = ("srcc", "krcc", "plcc", "plcc_raw", "rmse")


@dataclass(frozen=True)
class Agreement:
    """Agreement of predictions with opinions. A number is NaN where n is too small or one side is constant.

    Args:
        n: images.
        srcc: Spearman's rank correlation.
        krcc: Kendall's rank correlation, tau-b.
        plcc: Pearson's correlation after the logistic that is fitted to the whole set.
        plcc_raw: Pearson's correlation of the predictions as they are.
        rmse: root mean square error after that logistic, in the unit of the opinions.
    """

    n: int
    srcc: float = NAN
    krcc: float = NAN
    plcc: float = NAN
    plcc_raw: float = NAN
    rmse: float = NAN


@dataclass(frozen=True)
class Verdict:
    """Agreement of one metric with the opinions of one data set.

    Args:
        overall: over all images; None for metrics whose scores do not compare across scenes.
        curve: the logistic that is fitted to the whole set; None without `overall` or with too few images.
        by_distortion: within each distortion, after the curve of the whole set.
        by_scene: within each scene, after the curve of the whole set.
        srcc_within_scenes: mean SRCC over the scenes of `MIN_SAMPLES` images or more.
        pair_accuracy: share of the pairs within scenes that are in the order of the opinions; 0.5 is chance.
        intervals: 95 % intervals by the name of the number.
    """

    overall: Agreement | None
    curve: Logistic | None = None
    by_distortion: dict[str, Agreement] = field(default_factory=dict)
    by_scene: dict[str, Agreement] = field(default_factory=dict)
    srcc_within_scenes: float = NAN
    pair_accuracy: float = NAN
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain Python; what is not a number becomes None."""
        fields: dict[str, Any] = plain(asdict(self))
        return fields


def agreement(predicted: np.ndarray, observed: np.ndarray, curve: Logistic | None) -> Agreement:
    """Agreement of oriented predictions (n,) with scores (n,); `curve` maps predictions to scores, None for none.

    A falling curve, which only a metric against people's order gets, counts as negative: it does not hide the order.
    """
    n = len(predicted)
    if n < MIN_SAMPLES:
        return Agreement(n)
    fitted = rmse = NAN
    if curve is not None:
        mapped = curve(predicted)
        fitted = plcc(mapped, observed) * (-1.0 if curve.high < curve.low else 1.0)
        rmse = float(np.sqrt(np.mean((mapped - observed) ** 2)))
    return Agreement(n, srcc(predicted, observed), krcc(predicted, observed), fitted, plcc(predicted, observed), rmse)


def judge(
    predicted: np.ndarray,
    observed: np.ndarray,
    scenes: Sequence[str],
    distortions: Sequence[str],
    draws: Resamples | None = None,
) -> Verdict:
    """The verdict on a metric that scores single images.

    The curve is fitted once to all images. Bootstrap draws keep it, so the intervals of plcc and rmse are those of the
    mapped metric.

    Args:
        predicted: (n,), turned so that higher is better.
        observed: (n,) opinions, higher is better.
        scenes: of the images.
        distortions: of the images.
        draws: bootstrap draws, None for no intervals.
    """
    curve = fit_logistic(predicted, observed) if len(predicted) >= MIN_FOR_CURVE else None
    by_scene = {name: agreement(predicted[i], observed[i], curve) for name, i in _parts(scenes).items()}
    by_distortion = {name: agreement(predicted[i], observed[i], curve) for name, i in _parts(distortions).items()}
    pairs = np.array(scene_pairs(scenes), dtype=np.int64).reshape(-1, 2)
    margins = predicted[pairs[:, 0]] - predicted[pairs[:, 1]]
    intervals = {}
    if draws is not None and draws.draws:
        samples = [agreement(predicted[draw], observed[draw], curve) for draw in draws.draws]
        for name in _INTERVALS:
            found = interval(np.array([getattr(sample, name) for sample in samples]))
            if found is not None:
                intervals[name] = found
    return Verdict(
        agreement(predicted, observed, curve),
        curve,
        by_distortion,
        by_scene,
        _mean([part.srcc for part in by_scene.values()]),
        pair_accuracy(margins, pairs, observed),
        intervals,
    )


def judge_partners(
    pairs: np.ndarray, margins: np.ndarray, standing: np.ndarray, observed: np.ndarray, scenes: Sequence[str],
    draws: Resamples | None = None,
) -> Verdict:  # fmt: skip
    """The verdict on a metric that only compares versions of one scene.

    There is no number over all images and none by distortion, because the images of a distortion are of different
    scenes.

    Args:
        pairs: (m, 2), indices of the images that were compared.
        margins: (m,), > 0 where the first image of a pair is better.
        standing: (n,), qualities that follow from the margins; they compare within a scene only.
        observed: (n,) opinions, higher is better.
        scenes: of the images.
        draws: bootstrap draws, None for no intervals.
    """
    known = np.isfinite(standing)
    by_scene = {
        name: agreement(standing[i[known[i]]], observed[i[known[i]]], None) for name, i in _parts(scenes).items()
    }
    intervals = {}
    if draws is not None and draws.draws and draws.unit == "scenes":
        names = list(by_scene)
        scene_of_pair = np.array([scenes[i] for i in pairs[:, 0]])
        place = {name: np.flatnonzero(scene_of_pair == name) for name in names}
        own = {name: pair_accuracy(margins[rows], pairs[rows], observed) for name, rows in place.items()}
        first = [list(scenes).index(name) for name in names]
        for key, values in (("srcc_within_scenes", {n: a.srcc for n, a in by_scene.items()}), ("pair_accuracy", own)):
            counts = np.array([np.bincount(draw, minlength=len(scenes))[first] for draw in draws.draws], float)
            column = np.array([values[name] for name in names])
            usable = np.isfinite(column)
            weight = counts[:, usable]
            found = interval((weight @ column[usable]) / np.where(weight.sum(1) > 0, weight.sum(1), NAN))
            if found is not None:
                intervals[key] = found
    return Verdict(
        None,
        by_scene=by_scene,
        srcc_within_scenes=_mean([part.srcc for part in by_scene.values()]),
        pair_accuracy=pair_accuracy(margins, pairs, observed),
        intervals=intervals,
    )


def difference(
    first: np.ndarray, second: np.ndarray, observed: np.ndarray, draws: Resamples
) -> tuple[float, tuple[float, float] | None]:
    """SRCC of the first metric minus SRCC of the second on the same images, and its interval over the same draws.

    Args:
        first: (n,) predictions, higher is better.
        second: (n,) predictions, higher is better.
        observed: (n,) opinions, higher is better.
        draws: bootstrap draws.
    """
    values = draws.values(lambda draw: srcc(first[draw], observed[draw]) - srcc(second[draw], observed[draw]))
    return srcc(first, observed) - srcc(second, observed), interval(values)


def plain(value: Any) -> Any:
    """Dataclasses' dictionaries as JSON takes them: arrays to lists, NaN and infinities to None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return str(value)


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A sort key: "2" before "10", numbers before words."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _parts(names: Sequence[str]) -> dict[str, np.ndarray]:
    """Indices by name, in the order of the names; unnamed items are in no part."""
    found: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if name:
            found.setdefault(name, []).append(index)
    return {name: np.array(found[name], dtype=np.int64) for name in sorted(found, key=natural_order)}


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else NAN
