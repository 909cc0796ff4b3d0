"""Which pairs of a set have their verdicts judged, and what metrics know of each pair beside its margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relational_iqa.benchmarks.forced_choice import partner_pairs
from relational_iqa.benchmarks.metrics import Answer, Loaded
from relational_iqa.benchmarks.readers.items import Benchmark

MAX_PAIRS = 20_000
"""Of more pairs in scenes so many are drawn: the accuracy of a bin of 2,000 is then known to a percent."""


@dataclass(frozen=True)
class Said:
    """What a metric says of one image or pair.

    Args:
        value: a number, features (D,), or of a judged pair the numbers of both images (2,).
        confidence: of a pair, the probability that the sign of the margin is right; NaN where unknown.
        visible: of a pair, its largest visible difference, 0 to 1; NaN where unknown.
        evidence: of each image scored, what `Loaded.confidence` takes; empty for metrics that tell none.
    """

    value: np.ndarray
    confidence: float = np.nan
    visible: float = np.nan
    evidence: tuple[bytes, ...] = ()


def said_of(answer: float | np.ndarray | Answer) -> Said:
    """What a scorer answered, as arrays."""
    if not isinstance(answer, Answer):
        return Said(np.asarray(answer, np.float64))
    sure, seen = (np.nan if x is None else x for x in (answer.confidence, answer.visible))
    return Said(np.asarray(answer.value, np.float64), sure, seen, (answer.evidence,) if answer.evidence else ())


def compared_pairs(benchmark: Benchmark, partners: int | None = None, seed: int = 0) -> tuple[np.ndarray, int]:
    """Pairs (m, 2) of images of one scene whose verdicts are judged, and of how many they were drawn.

    With more than `MAX_PAIRS` of them, so many are drawn. Of a set of judged pairs, the index of each, twice.
    """
    if benchmark.pairs:
        own = np.arange(len(benchmark.pairs))
        return np.stack([own, own], 1), len(own)
    pairs = np.array(partner_pairs(benchmark.groups, partners, seed), dtype=np.int64).reshape(-1, 2)
    if len(pairs) <= MAX_PAIRS:
        return pairs, len(pairs)
    drawn = np.random.default_rng(seed).permutation(len(pairs))[:MAX_PAIRS]
    return pairs[np.sort(drawn)], len(pairs)


def known_of_pairs(
    metric: Loaded, said: Sequence[Said | None], compared: np.ndarray, met: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Confidence (m,) and largest visible difference (m,) of pairs, NaN where unknown.

    Args:
        metric: what was asked.
        said: of each image; with `met`, of each pair of images that met; of judged pairs, of each.
        compared: the pairs (m, 2), see `compared_pairs`.
        met: (k, 2), pairs that a comparing metric judged; None for metrics of single images and for judged pairs.
    """
    sure, seen = np.full(len(compared), np.nan), np.full(len(compared), np.nan)
    place = {} if met is None else {(int(i), int(j)): row for row, (i, j) in enumerate(met)}
    for row, (i, j) in enumerate(compared.tolist()):
        of_pair = said[i] if i == j else said[place[i, j]] if place else None
        if of_pair is not None:
            sure[row], seen[row] = of_pair.confidence, of_pair.visible
        sources = [of_pair] if i == j or place else [said[i], said[j]]
        evidence = [one for source in sources if source is not None for one in source.evidence]
        if metric.confidence is not None and len(evidence) == 2:
            answer = metric.confidence(evidence[0], evidence[1])
            sure[row] = np.nan if answer is None else answer
    return sure, seen


def margins_of_scores(values: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Margins (m,) of pairs (m, 2) by the scores (n,) of images, or (n, 2) of both images of judged pairs; NaN where
    one has none."""
    margins: np.ndarray
    if values.ndim == 2:
        margins = values[pairs[:, 0], 0] - values[pairs[:, 0], 1]
    else:
        margins = values[pairs[:, 0]] - values[pairs[:, 1]]
    return margins


def margins_of_met(met: np.ndarray, margins: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Margins (m,) of pairs (m, 2) among those (k,) of the images that met (k, 2); of judged pairs, for which nothing
    met, by their indices."""
    if not met.shape[1]:
        found: np.ndarray = margins[pairs[:, 0]]
        return found
    place = {(int(i), int(j)): row for row, (i, j) in enumerate(met)}
    return np.array([margins[place[int(i), int(j)]] for i, j in pairs], np.float64)
