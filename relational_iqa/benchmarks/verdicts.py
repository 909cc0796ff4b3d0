"""How often the verdict on two images of a scene is right: by the gap between people's opinions of the two, and by how
sure the verdict says it is.

A verdict is "first", "second", "tie" or "cannot tell". Ties and "cannot tell" are counted by themselves: the accuracy
is that of the verdicts which name an image. Pairs of which people think the same have no right answer and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from relational_iqa.benchmarks.agreement import NAN, plain
from relational_iqa.benchmarks.bootstrap import share_interval
from relational_iqa.benchmarks.readers.items import Benchmark
from relational_iqa.results.words.confidence import MIN_CONFIDENCE
from relational_iqa.results.words.visibility import is_unseen

CONFIDENCE_EDGES = (0.5, MIN_CONFIDENCE, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
TIE, CANNOT_TELL = 0.0, NAN


@dataclass(frozen=True)
class Gaps:
    """Pairs of images, and how far apart people's opinions of the two are.

    Args:
        pairs: (m, 2) indices of rated images; (m, 2) twice the index of the judged pair where people chose.
        people: (m,), positive where people think the first better, never 0.
        gap: (m,), size of the difference, in `unit`.
        unit: of the gap, in words.
        edges: ends of the bins of `gap`, rising; the last bin holds its upper end.
        scenes: (m,), scene of each pair.
        whole: number of pairs before some were drawn.
    """

    pairs: np.ndarray
    people: np.ndarray
    gap: np.ndarray
    unit: str
    edges: tuple[float, ...]
    scenes: tuple[str, ...]
    whole: int

    def only(self, kept: np.ndarray) -> Gaps:
        """The pairs of a mask (m,)."""
        scenes = tuple(scene for scene, keep in zip(self.scenes, kept, strict=True) if keep)
        return replace(self, pairs=self.pairs[kept], people=self.people[kept], gap=self.gap[kept], scenes=scenes)


@dataclass(frozen=True)
class Verdicts:
    """What one metric says of the pairs of `Gaps`.

    Args:
        margins: (m,), positive where the first image is better, in the unit of the metric.
        told: (m,), 1 first is better, -1 second, 0 tie, NaN cannot tell.
        confidences: (m,), probability that the sign of the margin is right, NaN where unknown.
    """

    margins: np.ndarray
    told: np.ndarray
    confidences: np.ndarray

    def only(self, kept: np.ndarray) -> Verdicts:
        """Those of a mask (m,)."""
        return Verdicts(self.margins[kept], self.told[kept], self.confidences[kept])


@dataclass(frozen=True)
class VerdictRow:
    """Verdicts on the pairs of one bin, counted.

    Args:
        by: what is binned.
        low: lower end of the bin.
        high: upper end of the bin.
        pairs: in the bin; the sum of the next four.
        right: verdicts that name the image that people think better.
        wrong: verdicts that name the other one.
        ties: verdicts that call the two equal.
        cannot_tell: verdicts that name none.
        accuracy: right / (right + wrong); NaN where no image is named.
        interval: 95 % interval of `accuracy`, by draws of scenes; None without draws.
        sign_accuracy: share of the pairs in which the sign of the margin is right, whatever the verdict; a margin of 0
            counts half.
        confidence: mean confidence, NaN where unknown.
    """

    by: Literal["gap", "confidence"]
    low: float
    high: float
    pairs: int
    right: int
    wrong: int
    ties: int
    cannot_tell: int
    accuracy: float
    interval: tuple[float, float] | None
    sign_accuracy: float
    confidence: float

    def to_json(self) -> dict[str, Any]:
        """Plain Python; what is not a number becomes None."""
        fields: dict[str, Any] = plain(asdict(self))
        return fields


def gaps_of(benchmark: Benchmark, pairs: np.ndarray, kept: np.ndarray, whole: int) -> Gaps:
    """The gaps of pairs of rated images.

    Where every image has a deviation of opinion, a gap is the difference of two scores over the root mean square of
    their deviations. Else it is the share of the images of the set whose scores lie between the two.

    Args:
        benchmark: the set.
        pairs: (m, 2), indices of images.
        kept: indices of the images that count; pairs with others are left out.
        whole: number of pairs of which these were drawn.
    """
    images = benchmark.images
    scores = np.array([image.score for image in images], np.float64)
    pairs = pairs[np.isin(pairs, kept).all(1)] if len(pairs) else pairs.reshape(0, 2)
    people = scores[pairs[:, 0]] - scores[pairs[:, 1]]
    differ = people != 0
    pairs, people = pairs[differ], people[differ]
    spread = np.array([NAN if image.deviation is None else image.deviation for image in images], np.float64)
    if len(pairs) and np.all(spread[kept] > 0):
        gap = np.abs(people) / np.sqrt((spread[pairs[:, 0]] ** 2 + spread[pairs[:, 1]] ** 2) / 2)
        unit, edges = "deviations of opinion", (0.0, 0.5, 1.0, 2.0, np.inf)
    else:
        ordered = np.sort(scores[kept])
        below = [np.searchsorted(ordered, scores[pairs[:, side]], "left") for side in (0, 1)]
        upto = [np.searchsorted(ordered, scores[pairs[:, side]], "right") for side in (0, 1)]
        gap = np.abs((below[0] + upto[0]) - (below[1] + upto[1])) / 2 / max(len(ordered), 1)
        unit, edges = "share of the set between the two scores", (0.0, 0.1, 0.25, 0.5, 1.0)
    groups = benchmark.groups
    return Gaps(pairs, people, gap, unit, edges, tuple(groups[i] for i in pairs[:, 0]), whole)


def gaps_of_choices(benchmark: Benchmark, kept: np.ndarray) -> Gaps:
    """The gaps of judged pairs: by how large a share of people one image leads, .2 for 60 against 40 %."""
    lead = 1 - 2 * np.array([benchmark.pairs[i].prefer_second for i in kept], np.float64)
    differ = lead != 0
    judged, lead = kept[differ], lead[differ]
    scenes = tuple(benchmark.pairs[i].scene for i in judged)
    pairs = np.stack([judged, judged], 1)
    return Gaps(pairs, lead, np.abs(lead), "lead among people", (0.0, 0.25, 0.5, 0.75, 1.0), scenes, len(kept))


def verdicts(
    margins: np.ndarray,
    confidences: np.ndarray | None = None,
    visible: np.ndarray | None = None,
    tie_margin: float = 0.0,
) -> Verdicts:
    """Verdicts by the rule of `Comparison.better`.

    Args:
        margins: (m,), positive where the first image is better.
        confidences: (m,), NaN where unknown; None where all are.
        visible: (m,), largest visible difference, NaN where unknown; None where all are.
        tie_margin: a smaller margin is a tie.
    """
    sure = np.full(len(margins), NAN) if confidences is None else confidences
    seen = np.full(len(margins), NAN) if visible is None else visible
    told = np.where(np.abs(margins) < tie_margin, TIE, np.sign(margins))
    told = np.where((margins != 0) & (sure < MIN_CONFIDENCE), CANNOT_TELL, told)
    unseen = np.array([is_unseen(None if np.isnan(one) else float(one)) for one in seen], bool)
    told = np.where((margins != 0) & unseen, TIE, told)
    return Verdicts(np.asarray(margins, np.float64), told, sure)


def rows_by_gap(said: Verdicts, gaps: Gaps, draws: int = 0, seed: int = 0) -> list[VerdictRow]:
    """A row for each bin of the gap, and a last one for all pairs.

    Args:
        said: of the pairs of `gaps`.
        gaps: the pairs.
        draws: bootstrap draws behind the intervals, 0 for none.
        seed: of the draws.
    """
    rows = [
        _row("gap", low, high, _within(gaps.gap, low, high, gaps.edges), said, gaps, draws, seed)
        for low, high in zip(gaps.edges, gaps.edges[1:], strict=False)
    ]
    everything = np.arange(len(gaps.gap))
    return [*rows, _row("gap", gaps.edges[0], gaps.edges[-1], everything, said, gaps, draws, seed)]


def rows_by_confidence(said: Verdicts, gaps: Gaps, draws: int = 0, seed: int = 0) -> list[VerdictRow]:
    """A row for each bin of confidence; none where the metric knows no confidence. Arguments as of `rows_by_gap`."""
    if not np.isfinite(said.confidences).any():
        return []
    return [
        _row("confidence", low, high, _within(said.confidences, low, high, CONFIDENCE_EDGES), said, gaps, draws, seed)
        for low, high in zip(CONFIDENCE_EDGES, CONFIDENCE_EDGES[1:], strict=False)
    ]


def calibration_error(rows: Sequence[VerdictRow]) -> float:
    """Mean distance, over pairs, between how sure the verdicts of a bin are and how often the sign is right, in [0, 1];
    NaN without rows."""
    filled = [row for row in rows if row.pairs]
    if not filled:
        return NAN
    weights = np.array([row.pairs for row in filled], np.float64)
    distance = np.abs([row.sign_accuracy - row.confidence for row in filled])
    return float((weights * distance).sum() / weights.sum())


def _within(values: np.ndarray, low: float, high: float, edges: Sequence[float]) -> np.ndarray:
    upper = values <= high if high == edges[-1] else values < high
    return np.flatnonzero((values >= low) & upper)


def _row(
    by: Literal["gap", "confidence"], low: float, high: float, chosen: np.ndarray, said: Verdicts, gaps: Gaps,
    draws: int, seed: int,
) -> VerdictRow:  # fmt: skip
    told, people = said.told[chosen], np.sign(gaps.people[chosen])
    named = np.isfinite(told) & (told != TIE)
    hits = told[named] == people[named]
    right = int(hits.sum())
    signs = 0.5 + 0.5 * np.sign(said.margins[chosen]) * people
    known = said.confidences[chosen][np.isfinite(said.confidences[chosen])]
    scenes = [gaps.scenes[i] for i in chosen[named]]
    return VerdictRow(
        by, float(low), float(high), len(chosen), right, int(named.sum()) - right,
        int((told == TIE).sum()), int(np.isnan(told).sum()),
        right / len(hits) if len(hits) else NAN,
        share_interval(hits, scenes, draws, seed),
        float(signs.mean()) if len(signs) else NAN,
        float(known.mean()) if len(known) else NAN,
    )  # fmt: skip
