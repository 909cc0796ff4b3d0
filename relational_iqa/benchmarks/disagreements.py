"""The pairs of images on which a metric and people disagree most: what to look at first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from relational_iqa.benchmarks.evaluation import Report
from relational_iqa.results.words.confidence import percent

PAIRS_SHOWN = 6


@dataclass(frozen=True)
class Disagreement:
    """Two images that a metric and people put in different order.

    Args:
        files: the two.
        names: paths of the two below the data set.
        said: what the metric says.
        people: what people say.
        metric_first: whether the metric thinks the first better; people think the other one.
    """

    files: tuple[Path, Path]
    names: tuple[str, str]
    said: str
    people: str
    metric_first: bool


def worst(report: Report, label: str, count: int = PAIRS_SHOWN) -> list[Disagreement]:
    """The worst disagreements of a metric with people, worst first; an image is in one of them only.

    Among pairs of one scene, those that the metric decides against people: the worst are far apart for both, by the
    product of the ranks of the two gaps. In a set without scenes, the image that the metric puts highest above its
    place among people's scores is paired with the one that it puts farthest below, and so on.

    Args:
        report: the evaluation.
        label: of the metric.
        count: at most so many.
    """
    if report.gaps is not None and label in report.said:
        return _of_pairs(report, label, count)
    return _across_scenes(report, label, count)


def _of_pairs(report: Report, label: str, count: int) -> list[Disagreement]:
    gaps, said = report.gaps, report.said[label]
    if gaps is None:
        return []
    wrong = np.flatnonzero(np.isfinite(said.told) & (said.told * np.sign(gaps.people) < 0))
    badness = rankdata(gaps.gap)[wrong] * rankdata(np.abs(said.margins))[wrong]
    used: Counter[Path] = Counter()
    found: list[Disagreement] = []
    for row in wrong[np.argsort(-badness, kind="stable")]:
        files = _files(report, gaps.pairs[row])
        if len(found) == count or any(used[file] for file in files):
            continue
        used.update(files)
        first = bool(said.told[row] > 0)
        sure = said.confidences[row]
        words = f"{'first' if first else 'second'} better by {abs(said.margins[row]):.3g}"
        words += f", {percent(float(sure))} sure" if np.isfinite(sure) else ""
        found.append(
            Disagreement(files, _names(report, files), words, _people(report, gaps.pairs[row], gaps.gap[row]), first)
        )
    return found


def _across_scenes(report: Report, label: str, count: int) -> list[Disagreement]:
    metric = next(chosen.metric for chosen in report.metrics if chosen.label == label)
    kept = report.kept
    scores = np.array([report.benchmark.images[i].score for i in kept])
    values = report.columns[label][kept]
    places, own = rankdata(scores) / len(kept), rankdata(metric.oriented(values)) / len(kept)
    order = np.argsort(own - places, kind="stable")  # underrated first
    found: list[Disagreement] = []
    for low, high in zip(order, order[::-1], strict=True):
        if len(found) == count or own[high] - places[high] <= 0 or own[low] - places[low] >= 0:
            break
        if own[high] <= own[low] or places[high] >= places[low]:
            continue  # both have them in one order
        files = _files(report, np.array([kept[high], kept[low]]))
        said = f"first better: {values[high]:.3g} against {values[low]:.3g}"
        people = f"second better: {scores[high]:.3g} against {scores[low]:.3g}"
        found.append(Disagreement(files, _names(report, files), said, people, True))
    return found


def _files(report: Report, pair: Sequence[int] | np.ndarray) -> tuple[Path, Path]:
    first, second = (int(i) for i in pair)
    if report.benchmark.pairs:
        judged = report.benchmark.pairs[first]
        return judged.first, judged.second
    return report.benchmark.images[first].image, report.benchmark.images[second].image


def _names(report: Report, files: tuple[Path, Path]) -> tuple[str, str]:
    root = report.benchmark.root
    first, second = (file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file) for file in files)
    return first, second


def _people(report: Report, pair: np.ndarray, gap: float) -> str:
    first, second = (int(i) for i in pair)
    unit = "" if report.gaps is None else report.gaps.unit
    if report.benchmark.pairs:
        share = report.benchmark.pairs[first].prefer_second
        return f"{'second' if share > 0.5 else 'first'} better: {100 * max(share, 1 - share):.0f} % of people"
    scores = [report.benchmark.images[i].score for i in (first, second)]
    apart = f"{gap:.1f} {unit}" if unit.startswith("deviations") else f"{100 * gap:.0f} % of the set between"
    better = "first" if scores[0] > scores[1] else "second"
    return f"{better} better: {scores[0]:.3g} against {scores[1]:.3g}, {apart}"
