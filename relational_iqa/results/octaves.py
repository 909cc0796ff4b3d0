"""Answers at several octaves of one pair of pictures, joined by how much each counts for an eye."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32

from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.results.score import Score

_SUREST = 1 - 1e-6


@dataclass(frozen=True)
class ScoresAtOctaves:
    """What `order_confidences` needs of a score that was joined.

    Args:
        scores: at each octave.
        weights: of them.
    """

    scores: tuple[Score, ...]
    weights: tuple[float, ...]


def joined_comparison(found: Sequence[Comparison], weights: Sequence[float]) -> Comparison:
    """One answer of those at several octaves, the finest first, whose weights sum to 1.

    Margins, qualities and maps are means by weight, so they change sign with the order of the images, and with a
    reference the order stays transitive. The size and what was noticed are those of the finest octave.
    """
    first = found[0]
    margin = _mean([one.margin for one in found], weights)
    qualities = [
        None if one is None else _mean([float(getattr(each, name)) for each in found], weights)
        for name, one in (("quality_a", first.quality_a), ("quality_b", first.quality_b))
    ]
    confidence = None
    if all(one.confidence is not None for one in found):
        margins, sure = (np.array([getattr(one, key) for one in found]) for key in ("margin", "confidence"))
        confidence = float(joined_confidence(margins, sure, np.array(weights)))
    return replace(
        first,
        margin=margin,
        maps=_joined_maps([one.maps for one in found], weights),
        local_margin=_joined_map([one.local_margin for one in found], weights),
        weight=_joined_map([one.weight for one in found], weights),
        quality_a=qualities[0],
        quality_b=qualities[1],
        confidence=confidence,
        lacks=_joined_maps([one.lacks for one in found], weights),
    )


def joined_score(found: Sequence[Score], weights: Sequence[float]) -> Score:
    """The same of scores of one image."""
    return replace(
        found[0],
        quality=_mean([one.quality for one in found], weights),
        local_quality=_joined_map([one.local_quality for one in found], weights),
        distortions={axis: _mean([one.distortions[axis] for one in found], weights) for axis in found[0].distortions},
        maps=_joined_maps([one.maps for one in found], weights),
        evidence=ScoresAtOctaves(tuple(found), tuple(weights)),
    )


def joined_confidence(margins: np.ndarray, confidences: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Probability that the sign of the joined margin is right, .5 to 1.

    The mean of the log odds that each octave has for that sign, by weight: octaves that say the opposite count against
    it, and octaves that agree are no independent witnesses, so they do not add up.

    Args:
        margins: (octaves, ...) levels.
        confidences: (octaves, ...) that each sign is right.
        weights: (octaves,) of sum 1.
    """
    spread = weights.reshape(-1, *[1] * (margins.ndim - 1))
    sign = np.sign((spread * margins).sum(0))
    odds = np.clip(confidences, 0.5, _SUREST)
    logits = np.log(odds / (1 - odds)) * np.sign(margins) * sign
    found: np.ndarray = np.clip(1 / (1 + np.exp(-(spread * logits).sum(0))), 0.5, 1.0)
    return found


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) + 0.0


def _joined_maps(found: Sequence[Mapping[str, Map]], weights: Sequence[float]) -> dict[str, Map]:
    return {name: _joined_map([maps[name] for maps in found], weights) for name in found[0]}


def _joined_map(found: Sequence[Map], weights: Sequence[float]) -> Map:
    """The mean by weight, on the grid of the first."""
    first = found[0]
    rows, columns = (-(-length // first.cell_px) for length in first.shape)
    total = np.zeros_like(first.grid)
    for one, weight in zip(found, weights, strict=True):
        total += np.float32(weight) * _on_grid(one, first.grid.shape, (rows, columns))
    return replace(first, grid=total)


def _on_grid(one: Map, grid: tuple[int, ...], covered: tuple[int, int]) -> Float32[np.ndarray, "h w"]:
    """A map on a grid of which a part covers the picture; the rest repeats its border."""
    rows, columns = (-(-length // one.cell_px) for length in one.shape)
    cells = one.grid[:rows, :columns]
    if cells.shape != covered:
        cells = cv2.resize(cells, covered[::-1], interpolation=cv2.INTER_LINEAR)
    missing = [(0, whole - part) for whole, part in zip(grid, covered, strict=True)]
    return np.pad(cells, missing, mode="edge")
