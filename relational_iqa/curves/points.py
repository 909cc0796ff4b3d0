"""Rate and quality of every encode, and how far a quality can be trusted."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any

import numpy as np
from scipy.stats import norm

from relational_iqa.curves.encodes import Encode
from relational_iqa.tiling.aligned_images import open_images
from relational_iqa.tiling.seen_images import see
from relational_iqa.viewing.condition import find_viewing

_SURE = 0.999
"""Confidences above it say nothing of the size of an error but that it is small beside the margin."""
_UNSURE = 0.55  # nearly even odds say nothing of the size of an error
_AT_ONCE = 5  # encodes that are decoded and compared together


@dataclass(frozen=True)
class Point:
    """One encode.

    Args:
        encode: the file.
        bytes: its size.
        width: in pixels.
        height: in pixels.
        quality: levels below the reference, at most 0.
    """

    encode: Encode
    bytes: int
    width: int
    height: int
    quality: float

    @property
    def bpp(self) -> float:
        """Bits of the file per pixel."""
        return 8 * self.bytes / (self.width * self.height)


@dataclass(frozen=True)
class Measured:
    """All encodes.

    Args:
        points: of each, in their order.
        noise: standard deviation of the error of a quality, levels; None where the weights know no confidence.
    """

    points: tuple[Point, ...]
    noise: float | None


def measure(
    model: Any,
    encodes: Sequence[Encode],
    max_pixels: int | None = None,
    align: str | None = None,
    tick: Callable[[], None] = lambda: None,
    viewing: str | None = None,
) -> Measured:
    """Rate and quality of encodes. A reference is decoded once for _AT_ONCE of its encodes.

    Args:
        model: a RelationalIQA.
        encodes: the files, those of one picture one after another.
        max_pixels: largest width x height that is decoded; None for the usual limit.
        align: as of `align_images`.
        tick: is called after each encode.
        viewing: the condition under which they are seen, as of `RelationalIQA.compare`.

    Raises:
        ImageError, OSError: for a file that cannot be used.
    """
    points: list[Point] = []
    deviations: list[tuple[float, float]] = []
    known = True
    for _, group in groupby(encodes, key=lambda one: one.picture):
        of_picture, scores = list(group), []
        for first in range(0, len(of_picture), _AT_ONCE):
            some = of_picture[first : first + _AT_ONCE]
            opened = open_images([*(one.file for one in some), some[0].reference], max_pixels, align, True)
            _, height, width = opened[0].shape
            *images, reference = see(opened, find_viewing(viewing, max(height, width)))
            for encode, score in zip(some, model.scores(images, reference), strict=True):
                points.append(Point(encode, encode.file.stat().st_size, width, height, float(score.quality)))
                scores.append(score)
                tick()
        sure = model.order_confidences(scores)
        if sure is None:
            known = False
            continue
        for i, j in combinations(range(len(scores)), 2):
            deviations.append((scores[i].quality - scores[j].quality, float(sure[i, j])))
    return Measured(tuple(points), noise_of(deviations) if known else None)


def noise_of(orders: Sequence[tuple[float, float]]) -> float | None:
    """Standard deviation of the error of a quality: the median over all orders that are neither even nor beyond doubt,
    over the square root of 2. Where all are beyond doubt, what the least of them allows; None where none tells.

    Args:
        orders: the difference of two qualities in levels, and the probability that its sign is right.
    """
    told = [(deviation_of(*order), order[1] < _SURE) for order in orders]
    doubtful = [deviation for deviation, in_doubt in told if deviation is not None and in_doubt]
    sure = [deviation for deviation, _ in told if deviation is not None]
    if not sure:
        return None
    return float(np.median(doubtful) if doubtful else min(sure)) / math.sqrt(2)


def deviation_of(margin: float, confidence: float) -> float | None:
    """Standard deviation of the error of a margin whose sign is right with this probability, if errors are Gaussian:
    confidence = Phi(|margin| / deviation), at most _SURE. None where the odds are even."""
    if confidence < _UNSURE or margin == 0:
        return None
    return float(abs(margin) / norm.ppf(min(confidence, _SURE)))
