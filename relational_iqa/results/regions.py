"""The worst regions of a pair: the boxes in which one kind of distortion sets the two images apart most.

Square windows of three sizes slide over the map of every finding that matters. The rank of a window is the mean
intensity of the finding's sign in it, times sqrt(side / shorter side of the image): a strong small spot comes before a
faint large field, and a field that is equally strong everywhere gets a large box. Windows are taken in the order of
their rank, and one that overlaps an earlier one is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.results.words.findings import MIN_INTENSITY, Finding

MAX_REGIONS = 8
MAX_OF_ONE_FINDING = 4  # so that a second kind of distortion is not crowded out of the list by the first
WINDOW_SHARES = (1 / 12, 1 / 6, 1 / 3)  # side of a window over the shorter side of the image
MIN_WINDOW_PX = 16  # in the image: what a person can still find on a screen
SEARCH_SIDE_PX = 512  # maps are searched at this longer side; the networks see a quarter of the resolution anyway


@dataclass(frozen=True)
class Region:
    """A box inside the image, and what sets the two images apart in it.

    Args:
        left: distance from the left edge in px.
        top: distance from the top edge in px.
        width: in px.
        height: in px.
        axis: name of the distortion axis.
        side: image that the word describes, "a" or "b".
        word: comparative, for example "blurrier".
        intensity: mean strength of that axis in the box, 0 to 1.
        margin: mean local margin in the box in levels; positive where A is better.
    """

    left: int
    top: int
    width: int
    height: int
    axis: str
    side: str
    word: str
    intensity: float
    margin: float

    @property
    def box(self) -> str:
        """The box as people write it: "96 × 96 px at (120, 40)", left upper corner from the left upper corner."""
        return f"{self.width} × {self.height} px at ({self.left}, {self.top})"


@dataclass(frozen=True)
class _Window:
    rank: float
    finding: int
    top: int
    left: int
    side: int
    intensity: float

    def overlaps(self, other: "_Window") -> bool:
        return (
            self.top < other.top + other.side
            and other.top < self.top + self.side
            and self.left < other.left + other.side
            and other.left < self.left + self.side
        )


def worst_regions(comparison: Comparison, limit: int = MAX_REGIONS) -> list[Region]:
    """At most `limit` regions, worst first; empty where no finding matters. Same maps, same list."""
    findings = [finding for finding in comparison.findings if finding.matters]
    height, width = comparison.shape
    windows = sorted(
        (window for index, finding in enumerate(findings) for window in _windows(comparison, index, finding)),
        key=lambda window: (-window.rank, window.finding, window.top, window.left),
    )
    taken: list[_Window] = []
    for window in windows:
        crowded = sum(other.finding == window.finding for other in taken) >= MAX_OF_ONE_FINDING
        if not crowded and not any(window.overlaps(other) for other in taken):
            taken.append(window)
            if len(taken) == limit:
                break
    shrink = _shrink(height, width)
    return [_region(comparison, findings[window.finding], window, shrink) for window in taken]


def _shrink(height: int, width: int) -> float:
    return min(1.0, SEARCH_SIDE_PX / max(height, width))


def _windows(comparison: Comparison, index: int, finding: Finding) -> Iterator[_Window]:
    """Windows of all sizes over the map of one finding, on a lattice of a quarter of their side."""
    values = comparison.maps[finding.axis]
    magnitude = _one_sided(values, finding.value).reduced(SEARCH_SIDE_PX)
    shrink = _shrink(*values.shape)
    rows, columns = magnitude.shape
    shorter = min(rows, columns)
    sums = np.zeros((rows + 1, columns + 1))
    sums[1:, 1:] = magnitude.cumsum(0, dtype=np.float64).cumsum(1)
    least = max(1, round(MIN_WINDOW_PX * shrink))
    for side in sorted({min(shorter, max(least, round(share * shorter))) for share in WINDOW_SHARES}):
        tops, lefts = _lattice(rows, side), _lattice(columns, side)
        y, x = np.meshgrid(tops, lefts, indexing="ij")
        total = sums[y + side, x + side] - sums[y, x + side] - sums[y + side, x] + sums[y, x]
        means = np.round(total / side**2, 9)  # rounded, so that the order of summation never decides a rank
        weight = (side / shorter) ** 0.5
        for i, j in zip(*np.nonzero(means >= MIN_INTENSITY), strict=True):
            mean = float(means[i, j])
            yield _Window(round(mean * weight, 9), index, int(tops[i]), int(lefts[j]), side, mean)


def _one_sided(values: Map, sign: float) -> Map:
    """max(values, 0) or, where `sign` is negative, max(-values, 0)."""
    signed = values if sign > 0 else -values
    if max(values.shape) >= SEARCH_SIDE_PX * values.cell_px:  # the grid itself is searched
        return replace(signed, grid=np.maximum(signed.grid, np.float32(0)))
    return Map.from_array(np.maximum(signed.full(), np.float32(0)))


def _lattice(length: int, side: int) -> np.ndarray:
    """Starts of windows of `side` in `length`, a quarter of the side apart; the last one ends at the border."""
    return np.unique(np.append(np.arange(0, length - side + 1, max(1, side // 4)), length - side))


def _region(comparison: Comparison, finding: Finding, window: _Window, shrink: float) -> Region:
    height, width = comparison.shape
    box_width, box_height = (min(length, max(1, round(window.side / shrink))) for length in (width, height))
    left = min(round(window.left / shrink), width - box_width)
    top = min(round(window.top / shrink), height - box_height)
    local = comparison.local_margin.window(top, top + box_height, left, left + box_width)
    return Region(
        left=left,
        top=top,
        width=box_width,
        height=box_height,
        axis=finding.axis,
        side=finding.side,
        word=finding.word,
        intensity=window.intensity,
        margin=float(local.mean(dtype=np.float64)) + 0.0,
    )
