"""Rows on the confidence of verdicts without a reference: is it the probability that the verdict is right, and are
those verdicts right that it calls the surest?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.pixel_perfect.measures import share
from experiments.pixel_perfect.table import Row

MOST_ERROR, AIM_ERROR = 0.04, 0.02
MUST_SUREST, AIM_SUREST = 0.97, 0.99
SUREST_SHARE = 0.8
BINS = 10
# What is measured: name in the details of a run, of what pairs, and which of them.
MEASURED = (
    ("outputs", "outputs of algorithms", "those of the row of outputs of algorithms"),
    (
        "own kinds",
        "the engine's own kinds",
        "those of the row of the order without reference, of sets whose order the engine is sure of",
    ),
)
NO_CONFIDENCE = "no confidence: the weights tell none"
_DRAWS = 200  # of verdicts that are as sure as they say


@dataclass(frozen=True)
class Answer:
    """A verdict without a reference on a pair whose truth is known.

    Args:
        right: whether it is right.
        confidence: probability that it is, as the weights say, in [.5, 1]; None where they tell none.
    """

    right: bool
    confidence: float | None


def expected_calibration_error(confidence: Sequence[float], right: Sequence[bool], bins: int = BINS) -> float:
    """Mean distance between how sure answers are and how often they are right, in [0, 1]; 0 is best.

    The answers are sorted by confidence and cut into `bins` bins of equal size (Nguyen and O'Connor, EMNLP 2015; the
    sum over bins is equation 3 of Guo et al., ICML 2017): sum over bins of the share of answers in the bin times
    |share that is right - mean confidence|. Answers of equal confidence count as right as they are together, so that
    their order does not matter. Fewer answers than bins make as many bins as answers.

    Args:
        confidence: probability that the answer is right, one for each answer.
        right: whether it is.
        bins: how many.

    Raises:
        ValueError: without answers, for different numbers of both, and for fewer bins than one.
    """
    if not len(confidence) or len(confidence) != len(right) or bins < 1:
        raise ValueError(f"{len(confidence)} confidences, {len(right)} answers, {bins} bins: expected as many of both")
    values, place, counts = np.unique(np.asarray(confidence, float), return_inverse=True, return_counts=True)
    together = np.bincount(place, np.asarray(right, float)) / counts
    gap = np.repeat(together - values, counts)  # in the order of rising confidence
    return float(sum(abs(part.sum()) for part in np.array_split(gap, min(bins, len(gap)))) / len(gap))


def least_expected_error(confidence: Sequence[float], bins: int = BINS) -> float:
    """The mean calibration error of answers that are right with exactly the probability they say: with finitely many
    answers it is not 0. Drawn with a fixed seed."""
    drawn = np.random.default_rng(0).random((_DRAWS, len(confidence))) < np.asarray(confidence, float)
    return float(np.mean([expected_calibration_error(confidence, row, bins) for row in drawn]))


def pooled_rows(runs: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows on the answers of all seeds together: the error that few answers show by chance is smaller then.

    Args:
        runs: for each seed, by the names of `MEASURED`, answers by set as `plain` gives them.
    """
    rows = []
    for name, of_what, samples in MEASURED:
        groups = [[Answer(*answer) for answer in group] for run in runs for group in run[name]]
        seeds = f", {len(runs)} seeds together" if len(runs) > 1 else ""
        rows += confidence_rows(of_what, groups, samples + seeds)
    return rows


def plain(groups: Iterable[Iterable[Answer]]) -> list[list[tuple[bool, float | None]]]:
    """Answers by set as plain data: right, confidence."""
    return [[(answer.right, answer.confidence) for answer in group] for group in groups]


def confidence_rows(of_what: str, groups: Iterable[Iterable[Answer]], samples: str) -> list[Row]:
    """The two required rows.

    Args:
        of_what: of what pairs.
        groups: answers by set; those of one set are not independent.
        samples: in words, which of the pairs they are.
    """
    listed = [list(group) for group in groups]
    sure = [answer.confidence for group in listed for answer in group if answer.confidence is not None]
    name = f"confidence, {of_what}: expected calibration error"
    surest = f"right among the {SUREST_SHARE:.0%} of pairs with the highest confidence".replace("%", " %")
    if not sure or len(sure) != sum(map(len, listed)):
        note = NO_CONFIDENCE if any(listed) else ""
        return [Row(name, None, samples, most=MOST_ERROR, aim=AIM_ERROR, note=note),
                Row(surest, None, "", MUST_SUREST, "share", part=True, aim=AIM_SUREST, note=note)]  # fmt: skip
    right = [answer.right for group in listed for answer in group]
    least = sorted(sure, reverse=True)[math.ceil(SUREST_SHARE * len(sure)) - 1]
    kept = share([answer.right for answer in group if (answer.confidence or 0) >= least] for group in listed)
    return [
        Row(name, expected_calibration_error(sure, right), f"{len(sure)} pairs, {samples}; {BINS} bins of equal size",
            most=MOST_ERROR, aim=AIM_ERROR,
            note=f"a perfect confidence would show about {least_expected_error(sure):.3f} on so many"),
        Row(surest, kept.value, f"{kept.answers} pairs, of confidence {least:.3f} or more", MUST_SUREST, "share",
            kept.spread, part=True, aim=AIM_SUREST),
        Row("right among all of them", float(np.mean(right)), f"mean confidence {100 * np.mean(sure):.1f} %",
            unit="share", part=True),
    ]  # fmt: skip
