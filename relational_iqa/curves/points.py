"""Rate and quality of every encode, and how far a quality can be trusted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any

import numpy as np
from scipy.stats import norm

from relational_iqa.curves.encodes import Encode
from relational_iqa.tiling.aligned_images import open_images

_SURE = 0.999
"""A confidence above it is taken as this: the scale of so high ones is not known so well."""
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
) -> Measured:
    """Rate and quality of encodes. A reference is decoded once for _AT_ONCE of its encodes.

    Raises:
        ImageError, OSError: for a file that cannot be used.
    """
    points: list[Point] = []
    deviations: list[float] = []
    known = True
    for _, group in groupby(encodes, key=lambda one: one.picture):
        of_picture, scores = list(group), []
        for first in range(0, len(of_picture), _AT_ONCE):
            some = of_picture[first : first + _AT_ONCE]
            *images, reference = open_images([*(one.file for one in some), some[0].reference], max_pixels, align, True)
            for encode, score in zip(some, model.scores(images, reference), strict=True):
                height, width = score.local_quality.shape
                points.append(Point(encode, encode.file.stat().st_size, width, height, float(score.quality)))
                scores.append(score)
                tick()
        sure = model.order_confidences(scores)
        if sure is None:
            known = False
            continue
        for i, j in combinations(range(len(scores)), 2):
            deviation = deviation_of(scores[i].quality - scores[j].quality, float(sure[i, j]))
            deviations += [] if deviation is None else [deviation]
    noise = float(np.median(deviations)) / np.sqrt(2) if known and deviations else None
    return Measured(tuple(points), noise)


def deviation_of(margin: float, confidence: float) -> float | None:
    """Standard deviation of the error of a margin whose sign is right with this probability, if errors are Gaussian:
    confidence = Phi(|margin| / deviation). None where the odds are even."""
    if confidence < _UNSURE or margin == 0:
        return None
    return float(abs(margin) / norm.ppf(min(confidence, _SURE)))
