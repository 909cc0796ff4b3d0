"""The areas of maps: where |value| is so large that it counts, how strongly, over how much of the picture, and where.

All are taken from one pass over strips, each of which is enlarged once, and only where something can be inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np

from relational_iqa.results.map import Map
from relational_iqa.results.words.places import place_of

AREA_THRESHOLD = 0.1  # |value| above which a pixel counts: half of the first severity level (0.2)
_SURELY_BELOW = 0.999 * AREA_THRESHOLD  # cells up to here have no pixel above the threshold, rounding included

Name = TypeVar("Name")


class Area(NamedTuple):
    """The pixels of a map that count, of one sign.

    Attributes:
        sign: 1 or -1.
        intensity: mean |value| over the area.
        share: the area as a fraction of the image.
        where: in words.
        evidence: mean local margin, weighted by |value|; 0 where nobody asks for it.
    """

    sign: int
    intensity: float
    share: float
    where: str
    evidence: float


class _Sums:
    """Sums over the area of one sign of a map, strip by strip.

    Args:
        sign: 1 or -1.
        values: the map.
        weighed: whether the local margin is wanted.
    """

    def __init__(self, sign: int, values: Map, weighed: bool) -> None:
        self.sign, self.weighed = sign, weighed
        self._pixels = values.size
        self._count, self._evidence = 0, 0.0
        self._rows: list[np.ndarray] = []
        self._columns = np.zeros(values.shape[1])

    def skip(self, rows: int) -> None:
        """Counts rows in which nothing is in the area."""
        self._rows.append(np.zeros(rows))

    def add(self, part: np.ndarray, local: Callable[[], np.ndarray]) -> None:
        """Counts a strip (h, w) of the map; `local` gives that of the local margin."""
        signed = part if self.sign > 0 else -part
        inside = signed > AREA_THRESHOLD
        count = int(np.count_nonzero(inside))
        if not count:
            self.skip(len(part))
            return
        magnitude = np.where(inside, signed, np.float32(0))
        self._count += count
        self._rows.append(magnitude.sum(axis=1, dtype=np.float64))
        self._columns += magnitude.sum(axis=0, dtype=np.float64)
        if self.weighed:
            self._evidence += float((magnitude * local()).sum(dtype=np.float64))

    def area(self) -> list[Area]:
        """The area; empty where it has no pixel."""
        if not self._count:
            return []
        total, share = float(self._columns.sum()), self._count / self._pixels
        where = place_of(np.concatenate(self._rows), self._columns, share)
        return [Area(self.sign, total / self._count, share, where, self._evidence / total)]


def areas_of(maps: Mapping[Name, tuple[Map, bool]], local_margin: Map) -> dict[Name, list[Area]]:
    """The areas of each map, that of positive values first; empty where none counts.

    Args:
        maps: name -> (map, whether `Area.evidence` is wanted of it).
        local_margin: map in levels, positive where a is better.
    """
    sums: dict[Name, list[_Sums]] = {}
    for name, (values, weighed) in maps.items():
        low, high = values.bounds  # most maps of a large picture end here
        extremes = ((1, high), (-1, -low))
        sums[name] = [_Sums(sign, values, weighed) for sign, extreme in extremes if extreme > AREA_THRESHOLD]
    for top, bottom in local_margin.strip_rows():
        local = cache(lambda top=top, bottom=bottom: local_margin.window(top, bottom, 0, local_margin.shape[1]))
        for name, wanted in sums.items():
            _add_strip(maps[name][0], top, bottom, wanted, local)
    return {name: [area for one in wanted for area in one.area()] for name, wanted in sums.items()}


def _add_strip(values: Map, top: int, bottom: int, sums: Sequence[_Sums], local: Callable[[], np.ndarray]) -> None:
    if not sums:
        return
    low, high = values.bounds_of_rows(top, bottom)
    inside = [one for one in sums if (high if one.sign > 0 else -low) > _SURELY_BELOW]
    part = values.window(top, bottom, 0, values.shape[1]) if inside else None
    for one in sums:
        if part is not None and one in inside:
            one.add(part, local)
        else:
            one.skip(bottom - top)
