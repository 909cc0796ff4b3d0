"""How much of a margin each finding accounts for, place by place, so that the reasons that are given add up.

At every place the better image leads by its local margin times the weight of the place. That lead is shared among the
defects that the other image has there, in proportion to their strength. Where they are weaker than EXPLAINS together,
the rest of the lead is of no known kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from relational_iqa.results.map import Map
from relational_iqa.results.words.areas import AREA_THRESHOLD
from relational_iqa.results.words.findings import Finding, Side

SEARCH_SIDE_PX = 512  # maps are searched at this longer side; the networks see a quarter of the resolution anyway
EXPLAINS = AREA_THRESHOLD  # strength of all defects of a place from which they explain its whole lead
_REACH_PX = 16  # a local margin is known in cells of this side, so a defect explains the lead so far around it


@dataclass(frozen=True, eq=False)
class Attribution:
    """Leads and what explains them, at `SEARCH_SIDE_PX` or less.

    Args:
        findings: what the images differ in.
        lead: (h, w) local margin times weight; positive where a is better.
        strength: (findings, h, w) of every finding, at least 0.
    """

    findings: tuple[Finding, ...]
    lead: np.ndarray
    strength: np.ndarray

    @classmethod
    def of(
        cls, findings: Sequence[Finding], map_of: Callable[[Finding], Map], local_margin: Map, weight: Map
    ) -> Attribution:
        """Of the maps of a comparison; `map_of` gives the map of a finding, positive where its image has the defect."""
        height, width = local_margin.shape
        side = min(SEARCH_SIDE_PX, -(-max(height, width) // local_margin.cell_px))
        lead = local_margin.reduced(side) * weight.reduced(side)
        reach = max(1, round(_REACH_PX * side / max(height, width))) // 2 * 2 + 1
        maps = [np.maximum(map_of(finding).reduced(side), np.float32(0)) for finding in findings]
        strength = [np.maximum(values, box_mean(values, reach)) for values in maps]
        known = np.stack(strength) if strength else np.zeros((0, *lead.shape))
        return cls(tuple(findings), lead.astype(np.float64), known)

    def against(self, side: Side) -> np.ndarray:
        """(h, w), at least 0: how far the other image leads at every place."""
        ahead: np.ndarray = np.maximum(self.lead if side == "b" else -self.lead, 0.0)
        return ahead

    @cached_property
    def parts(self) -> np.ndarray:
        """(findings, h, w): what every finding holds of the lead against its image."""
        parts = np.zeros(self.strength.shape)
        for side in ("a", "b"):
            own = [number for number, finding in enumerate(self.findings) if finding.side == side]
            if own:
                together = self.strength[own].sum(0)
                explained = self.against(side) * np.minimum(together / EXPLAINS, 1.0) / np.maximum(together, 1e-12)
                parts[own] = self.strength[own] * explained
        return parts

    def share(self, number: int) -> float:
        """What finding `number` holds of the lead against its image, 0 to 1; 0 where that image leads everywhere.
        Rounded, so that the order of summation never decides between two words."""
        total = float(self.against(self.findings[number].side).sum())
        return round(float(self.parts[number].sum()) / total, 6) if total > 0 else 0.0


def box_mean(values: np.ndarray, side: int) -> np.ndarray:
    """(h, w): means over squares of odd `side` around every place, of what of them is inside."""
    return next(box_means(values, [side]))


def box_means(values: np.ndarray, sides: Sequence[int]) -> Iterator[np.ndarray]:
    """The same for each of several sides, one after the other, which share a cumulative sum."""
    array = np.asarray(values, np.float64)
    sums = sums_from_zero(array, 0)
    for side in sides:
        yield _means_along(sums_from_zero(_means_along(sums, side // 2, 0), 1), side // 2, 1)


def sums_from_zero(array: np.ndarray, axis: int) -> np.ndarray:
    """Cumulative sums of (h, w) along an axis, with a 0 before them."""
    height, width = array.shape
    sums = np.empty((height + 1, width) if axis == 0 else (height, width + 1))
    if axis == 1:
        sums[:, 0] = 0.0
        np.cumsum(array, 1, out=sums[:, 1:])
        return sums
    sums[0] = 0.0
    for row, values in enumerate(
        array
    ):  # the same sums as of np.cumsum, which jumps from row to row: eight times slower
        np.add(sums[row], values, out=sums[row + 1])
    return sums


def _means_along(sums: np.ndarray, half: int, axis: int) -> np.ndarray:
    """Means over `half` places on each side along an axis, of what `sums_from_zero` gives."""
    length = sums.shape[axis] - 1
    start = np.maximum(np.arange(length) - half, 0)
    stop = np.minimum(np.arange(length) + half + 1, length)
    count = (stop - start)[:, None] if axis == 0 else stop - start
    means: np.ndarray = sums.take(stop, axis)
    means -= sums.take(start, axis)
    means /= count
    return means
