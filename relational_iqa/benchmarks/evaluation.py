"""From scores to a report: which images count, the verdict on each metric, and everything a reader has to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.agreement import Verdict, difference, judge, judge_partners
from relational_iqa.benchmarks.bootstrap import MIN_SCENES, interval, resample
from relational_iqa.benchmarks.compared import margins_of_met, margins_of_scores
from relational_iqa.benchmarks.correlation import MIN_SAMPLES
from relational_iqa.benchmarks.forced_choice import standings, two_afc, two_afc_people
from relational_iqa.benchmarks.metrics import Chosen
from relational_iqa.benchmarks.readers.items import Benchmark
from relational_iqa.benchmarks.regression import ridge
from relational_iqa.benchmarks.scoring import Scores
from relational_iqa.benchmarks.splits import SPLITS, Predict, SplitVerdict, cross_validate
from relational_iqa.benchmarks.verdicts import (
    Gaps,
    VerdictRow,
    Verdicts,
    gaps_of,
    gaps_of_choices,
    rows_by_confidence,
    rows_by_gap,
    verdicts,
)


@dataclass(frozen=True)
class ChoiceVerdict:
    """Agreement of one metric with the choices of people between two images.

    Args:
        n: judged pairs.
        score: 2AFC score in [0, 1].
        interval: 95 % interval of the score; None without bootstrap draws.
        by_distortion: score within each distortion.
    """

    n: int
    score: float
    interval: tuple[float, float] | None
    by_distortion: dict[str, float]


@dataclass(frozen=True)
class Settings:
    """Options of an evaluation.

    Args:
        shorter_side: px that the shorter side of every image is shrunk to; None for original sizes.
        bootstrap: bootstrap draws behind the intervals, 0 for none.
        splits: random splits that fits are measured on, 0 for none.
        partners: about how many images each image is compared with, by metrics that compare; None for all of its scene.
        seed: of draws, splits and partners.
    """

    shorter_side: int | None = None
    bootstrap: int = 1000
    splits: int = 0
    partners: int | None = None
    seed: int = 0

    @property
    def resize_rule(self) -> str:
        """In words, for every report."""
        if self.shorter_side is None:
            return "original size, nothing resized"
        return f"shorter side shrunk to {self.shorter_side} px (antialiased bicubic), smaller images as they are"


@dataclass(frozen=True)
class Report:
    """What an evaluation found. Labels are those of the metrics.

    Args:
        benchmark: the data set.
        metrics: in the order of the command line.
        settings: options of the evaluation.
        scores: what the metrics said of all items.
        kept: indices of the items that count, which are those that every metric could score.
        columns: by label, numbers for the CSV: (n,), or (n, 2) of judged pairs.
        drawn: what the bootstrap drew, as "scenes"; empty without it.
        verdicts: by label, agreement with the scores of rated images.
        on_splits: by label, agreement on the test images of the splits.
        choices: by label, agreement with the choices in judged pairs.
        people: 2AFC score of one person against another, and the best that is possible; None without judged pairs.
        gaps: the pairs of images whose verdicts are judged; None where the set has no two images of a scene.
        said: by label, the verdicts on those pairs.
        by_gap: by label, how often they are right by the gap of opinion; the last row is all pairs.
        by_confidence: by label, how often they are right by their confidence, of metrics that know one.
        ahead: by label, SRCC of the first metric minus that of this one, with its 95 % interval.
    """

    benchmark: Benchmark
    metrics: tuple[Chosen, ...]
    settings: Settings
    scores: Scores
    kept: np.ndarray
    columns: dict[str, np.ndarray]
    drawn: str = ""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    on_splits: dict[str, SplitVerdict] = field(default_factory=dict)
    choices: dict[str, ChoiceVerdict] = field(default_factory=dict)
    people: tuple[float, float] | None = None
    ahead: dict[str, tuple[float, tuple[float, float] | None]] = field(default_factory=dict)
    gaps: Gaps | None = None
    said: dict[str, Verdicts] = field(default_factory=dict)
    by_gap: dict[str, list[VerdictRow]] = field(default_factory=dict)
    by_confidence: dict[str, list[VerdictRow]] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """What has to be read with the numbers, a line each."""
        benchmark = self.benchmark
        items = len(benchmark.images) or len(benchmark.pairs)
        what = "images" if benchmark.images else "judged pairs"
        lines = [f"{benchmark.name}: {items:,} {what}; {benchmark.opinion}", *benchmark.notes]
        if len(self.kept) < items:
            lines.append(
                f"{items - len(self.kept):,} {what} left out for all metrics, because one could not score them"
            )
        lines.append(f"images at {self.settings.resize_rule}")
        if self.drawn:
            few = len({benchmark.groups[i] for i in self.kept} - {""})
            why = f", for want of scenes ({few})" if self.drawn == "images" and 0 < few < MIN_SCENES else ""
            lines.append(f"95 % intervals: {self.settings.bootstrap} bootstrap draws of {self.drawn}{why}")
        if self.on_splits:
            lines.append(
                f"{self.settings.splits} splits by scene, 80 % to fit on, 20 % to test, seed {self.settings.seed}"
            )
        if any(chosen.metric.second == "partner" for chosen in self.metrics) and benchmark.images:
            rule = (
                "all pairs" if self.settings.partners is None else f"about {self.settings.partners} partners an image"
            )
            lines.append(f"without reference: versions of one scene compared, {rule}; no score holds across scenes")
        if self.gaps is not None:
            lines += self._about_verdicts(self.gaps)
        return lines

    def _about_verdicts(self, gaps: Gaps) -> list[str]:
        drawn = "" if len(self.scores.compared) == gaps.whole else f", drawn of {gaps.whole:,}"
        lines = [
            f"verdicts: {len(gaps.pairs):,} pairs{drawn} of which people think differently; right is a share of the "
            "verdicts that name an image"
        ]
        if "ours" in {chosen.metric.name for chosen in self.metrics}:
            lines.append("ours: a verdict here is a tie by the margin alone; what an eye can see is not looked at")
        return lines


def evaluate_scores(benchmark: Benchmark, metrics: Sequence[Chosen], scores: Scores, settings: Settings) -> Report:
    """The report on scores of a set. Raises UsageError where fewer than `MIN_SAMPLES` images could be scored."""
    on_items = _on_choices if benchmark.pairs else _on_images
    return _with_verdicts(on_items(benchmark, metrics, scores, settings))


def _on_images(benchmark: Benchmark, metrics: Sequence[Chosen], scores: Scores, settings: Settings) -> Report:
    single = [chosen for chosen in metrics if chosen.metric.second != "partner"]
    kept = _kept(len(benchmark.images), [scores.values[chosen.label] for chosen in single])
    images = [benchmark.images[i] for i in kept]
    observed = np.array([image.score for image in images])
    scenes = [image.scene for image in images]
    draws = resample(scenes, settings.bootstrap, settings.seed)
    columns: dict[str, np.ndarray] = {}
    verdicts: dict[str, Verdict] = {}
    on_splits: dict[str, SplitVerdict] = {}
    oriented: dict[str, np.ndarray] = {}

    def on_test_shares(predict: Predict) -> SplitVerdict:
        count = settings.splits or SPLITS
        return cross_validate(predict, observed, scenes, count, seed=settings.seed, with_curve=True)

    for chosen in metrics:
        label = chosen.label
        if chosen.metric.second == "partner":
            verdicts[label], columns[label] = _partners(benchmark, chosen, scores, settings)
            continue
        values = scores.values[label]
        if chosen.metric.fitted and values.ndim == 2:
            predict = ridge(values[kept], observed)
            on_splits[label] = on_test_shares(predict)
            columns[label] = np.full(len(values), np.nan)
            columns[label][kept] = on_splits[label].held_out
            continue
        columns[label] = values
        oriented[label] = chosen.metric.oriented(values[kept])
        verdicts[label] = judge(oriented[label], observed, scenes, [image.distortion for image in images], draws)
    if settings.splits or on_splits:
        for label, values in oriented.items():
            on_splits[label] = on_test_shares(_fixed(values))
    first, *others = oriented or [""]
    ahead = {label: difference(oriented[first], oriented[label], observed, draws) for label in others}
    drawn = draws.unit if settings.bootstrap else ""
    return Report(
        benchmark, tuple(metrics), settings, scores, kept, columns, drawn, verdicts, on_splits, ahead=ahead
    )  # fmt: skip


def _with_verdicts(report: Report) -> Report:
    """The report with the verdicts on pairs of one scene, as far as there are any."""
    benchmark, scores, settings = report.benchmark, report.scores, report.settings
    if benchmark.pairs:
        gaps = gaps_of_choices(benchmark, report.kept)
    else:
        gaps = gaps_of(benchmark, scores.compared, report.kept, scores.compared_of)
    rows = {(int(i), int(j)): row for row, (i, j) in enumerate(scores.compared)}
    place = np.array([rows[int(i), int(j)] for i, j in gaps.pairs], dtype=np.int64)
    said, known = {}, np.ones(len(place), dtype=bool)
    for chosen in report.metrics:
        label = chosen.label
        if label in report.on_splits and label not in report.verdicts:
            continue  # each of its predictions is of another fit
        if chosen.metric.second == "partner":
            margins = margins_of_met(*scores.margins[label], gaps.pairs)
        else:
            margins = margins_of_scores(scores.values[label], gaps.pairs)
        margins = chosen.metric.oriented(margins)
        known &= np.isfinite(margins)
        sure, seen = (
            None if column is None else column[place]
            for column in (scores.confidences.get(label), scores.visible.get(label))
        )
        said[label] = verdicts(margins, sure, seen, chosen.metric.tie_margin)
    if not said or not known.any():
        return report
    gaps = gaps.only(known)
    said = {label: one.only(known) for label, one in said.items()}
    draws = {"draws": settings.bootstrap, "seed": settings.seed}
    by_gap = {label: rows_by_gap(one, gaps, **draws) for label, one in said.items()}
    by_confidence = {label: rows_by_confidence(one, gaps, **draws) for label, one in said.items()}
    by_confidence = {label: found for label, found in by_confidence.items() if found}
    return replace(report, gaps=gaps, said=said, by_gap=by_gap, by_confidence=by_confidence)


def _fixed(values: np.ndarray) -> Predict:
    """Predictions to which nothing is fitted."""
    return lambda train, indices: values[indices]


def _partners(benchmark: Benchmark, chosen: Chosen, scores: Scores, settings: Settings) -> tuple[Verdict, np.ndarray]:
    """The verdict, and the standing of every image within its scene; pairs that failed are left out."""
    pairs, margins = scores.margins[chosen.label]
    known = np.isfinite(margins)
    pairs, margins = pairs[known], chosen.metric.oriented(margins[known])
    if not len(pairs):
        raise UsageError(f"{chosen.label}: no pair of {benchmark.name} could be compared; the errors are listed above")
    observed = np.array([image.score for image in benchmark.images])
    standing = standings(margins, pairs, len(observed))
    draws = resample(benchmark.groups, settings.bootstrap, settings.seed)
    return judge_partners(pairs, margins, standing, observed, benchmark.groups, draws), standing


def _on_choices(benchmark: Benchmark, metrics: Sequence[Chosen], scores: Scores, settings: Settings) -> Report:
    columns = {c.label: scores.values.get(c.label, scores.margins.get(c.label, ((), np.zeros(0)))[1]) for c in metrics}
    kept = _kept(len(benchmark.pairs), list(columns.values()))
    people = np.array([pair.prefer_second for pair in benchmark.pairs])[kept]
    kinds = np.array([benchmark.pairs[i].distortion for i in kept])
    draws = resample([benchmark.pairs[i].scene for i in kept], settings.bootstrap, settings.seed, single="pairs")
    choices = {}
    for chosen in metrics:
        values = chosen.metric.oriented(columns[chosen.label][kept])
        margins = values[:, 0] - values[:, 1] if values.ndim == 2 else values
        choices[chosen.label] = ChoiceVerdict(
            len(kept),
            two_afc(margins, people),
            interval(np.array([two_afc(margins[draw], people[draw]) for draw in draws.draws])),
            {str(kind): two_afc(margins[kinds == kind], people[kinds == kind]) for kind in np.unique(kinds) if kind},
        )
    drawn = draws.unit if settings.bootstrap else ""
    return Report(
        benchmark, tuple(metrics), settings, scores, kept, columns, drawn,
        choices=choices, people=two_afc_people(people),
    )  # fmt: skip


def _kept(count: int, columns: Sequence[np.ndarray]) -> np.ndarray:
    """Indices of items that every column has a number for."""
    good = np.ones(count, dtype=bool)
    for column in columns:
        good &= np.isfinite(column.reshape(count, -1)).all(1)
    kept = np.flatnonzero(good)
    if len(kept) < MIN_SAMPLES:
        raise UsageError(f"{len(kept)} of {count} items could be scored, too few to judge; the errors are listed above")
    return kept
