"""Maps kept on the 1/4 grid of the networks, and enlarged to the size of the image only when somebody asks for that.

Sixteen maps of a hundred megapixels are 6.4 GB at full size and 0.4 GB on the grid. Enlarging is bilinear, by exactly
CELL_PX; a strip or window equals the same part of the whole map to the bit, so numbers about a map are taken strip by
strip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

CELL_PX = 4
T = TypeVar("T")
_STRIP_PX = 1 << 18  # of a strip: a megabyte, what a cache holds
# A pixel of a cell lies 3/8 or 1/8 of a cell before its centre, then as much behind: shares of the neighbour, in order.
_NEIGHBOUR = (0.375, 0.125, 0.125, 0.375)


class GridMap:
    """One map float32 (H, W), of which only the grid is kept. `shape`, `ndim`, `size` are those of the enlarged map.

    grid: (h, w) float32 with h >= H / 4, w >= W / 4; limit: enlarged values are held within [-limit, limit].
    """

    ndim = 2

    def __init__(self, grid: np.ndarray, shape: tuple[int, int], limit: float = float("inf")) -> None:
        if grid.ndim != 2 or grid.shape[0] * CELL_PX < shape[0] or grid.shape[1] * CELL_PX < shape[1]:
            raise ValueError(f"a grid {grid.shape} does not cover {shape} px: expected a cell for every {CELL_PX} px")
        self.grid, self.shape, self.limit = grid, shape, limit

    @property
    def size(self) -> int:
        """Pixels."""
        return self.shape[0] * self.shape[1]

    def full(self) -> np.ndarray:
        """The whole map, float32 (H, W), a new array."""
        return self.window(0, self.shape[0], 0, self.shape[1])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.full() if dtype is None else self.full().astype(dtype)

    def __neg__(self) -> GridMap:
        return GridMap(-self.grid, self.shape, self.limit)

    def window(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """float32 (bottom - top, right - left): that part of the map."""
        part = self.grid[_cells(top, bottom, self.grid.shape[0])][:, _cells(left, right, self.grid.shape[1])]
        x, y = left % CELL_PX, top % CELL_PX
        wide = _stretch(part.T).T[:, x : x + right - left]
        out = _stretch(wide)[y : y + bottom - top]
        return np.clip(out, -self.limit, self.limit) if self._exceeds() else np.ascontiguousarray(out)

    def strips(self) -> Iterator[np.ndarray]:
        """The whole map from top to bottom, (rows, W) at a time."""
        height, width = self.shape
        rows = strip_rows(width)
        for top in range(0, height, rows):
            yield self.window(top, min(top + rows, height), 0, width)

    def any(self) -> bool:
        """Whether anything in the map is not 0."""
        return bool(self.grid.any())

    def mean(self, dtype: Any = None) -> float:
        """Mean over all pixels, in float64; `dtype` is there for callers that ask arrays the same."""
        if self._exceeds():
            return sum(float(strip.sum(dtype=np.float64)) for strip in self.strips()) / self.size
        rows, columns = (_cell_shares(*pair) for pair in zip(self.shape, self.grid.shape, strict=True))
        return float(rows @ (self.grid @ columns)) / self.size

    def _exceeds(self) -> bool:
        return self.limit < float("inf") and bool(max(self.grid.max(), -self.grid.min()) > self.limit)


MapLike = np.ndarray | GridMap


class GridMaps(Mapping[str, np.ndarray]):
    """Maps by name, enlarged one at a time when they are looked up; each look-up makes a new array."""

    def __init__(self, kept: Mapping[str, GridMap]) -> None:
        self.kept = kept

    def __getitem__(self, name: str) -> np.ndarray:
        return self.kept[name].full()

    def __iter__(self) -> Iterator[str]:
        return iter(self.kept)

    def __len__(self) -> int:
        return len(self.kept)


class _Enlarged:
    """An attribute that is set to an array or a GridMap, and read as an array (H, W)."""

    def __init__(self, name: str) -> None:
        self._key = f"_{name}"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self._key]
        return value.full() if isinstance(value, GridMap) else value

    def __set__(self, instance: Any, value: MapLike) -> None:
        instance.__dict__[self._key] = value


def enlarged_when_read(*names: str) -> Callable[[type[T]], type[T]]:
    """For a dataclass: the fields `names` also take a GridMap, which is kept, and read as arrays; `stored` has what was
    kept."""

    def install(owner: type[T]) -> type[T]:
        for name in names:
            setattr(owner, name, _Enlarged(name))
        return owner

    return install


def stored(instance: object, name: str) -> MapLike:
    """The field `name` of `instance` as it is kept, not enlarged."""
    value: MapLike = instance.__dict__[f"_{name}"]
    return value


def stored_maps(maps: Mapping[str, np.ndarray]) -> Mapping[str, Any]:
    """Maps as they are kept, each a GridMap or an array."""
    return maps.kept if isinstance(maps, GridMaps) else maps


def bounds(values: MapLike) -> tuple[float, float]:
    """Numbers that no value of the map lies below or above; the extremes themselves where it is an array."""
    held = values.grid if isinstance(values, GridMap) else values
    limit = values.limit if isinstance(values, GridMap) else float("inf")
    return max(float(held.min()), -limit), min(float(held.max()), limit)


def strips(values: MapLike) -> Iterator[np.ndarray]:
    """A map from top to bottom, (rows, W) at a time; maps of one size are cut alike."""
    if isinstance(values, GridMap):
        yield from values.strips()
    else:
        rows = strip_rows(values.shape[1])
        for top in range(0, len(values), rows):
            yield values[top : top + rows]


@dataclass(frozen=True)
class MapSummary:
    """min, max, mean of a map, and the shares of its pixels that are at least `beyond` above and below 0."""

    min: float
    max: float
    mean: float
    above: float
    below: float


def summarise_map(values: MapLike, beyond: float) -> MapSummary:
    """The numbers of `MapSummary`, taken strip by strip."""
    low, high, total, above, below, pixels = float("inf"), -float("inf"), 0.0, 0, 0, 0
    for strip in strips(values):
        low, high, pixels = min(low, float(strip.min())), max(high, float(strip.max())), pixels + strip.size
        total += float(strip.sum(dtype=np.float64))
        above += int(np.count_nonzero(strip >= beyond))
        below += int(np.count_nonzero(strip <= -beyond))
    return MapSummary(low, high, total / pixels, above / pixels, below / pixels)


def strip_rows(width: int) -> int:
    """Rows of a strip, a multiple of CELL_PX."""
    return max(1, _STRIP_PX // (width * CELL_PX)) * CELL_PX


def window(values: MapLike, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """(bottom - top, right - left): a part of a map."""
    return values.window(top, bottom, left, right) if isinstance(values, GridMap) else values[top:bottom, left:right]


def _cells(start: int, stop: int, count: int) -> np.ndarray:
    """Indices of the cells that pixels start to stop lie in, and one on either side; the border is repeated."""
    return np.clip(np.arange(start // CELL_PX - 1, (stop - 1) // CELL_PX + 2), 0, count - 1)


def _stretch(x: np.ndarray) -> np.ndarray:
    """(n + 2, m) -> (4 n, m), bilinear along the first axis; the outer cells are only neighbours."""
    before, own, after = x[:-2], x[1:-1], x[2:]
    out = np.empty((len(own), CELL_PX, x.shape[1]), np.float32)
    for place, share in enumerate(_NEIGHBOUR):
        neighbour = before if place < CELL_PX // 2 else after
        out[:, place] = neighbour * np.float32(share) + own * np.float32(1 - share)
    return out.reshape(-1, x.shape[1])


@lru_cache(maxsize=16)
def _cell_shares(length: int, count: int) -> np.ndarray:
    """(count,): by how much each cell of a line counts in the sum over its `length` enlarged pixels."""
    pixel = np.arange(length)
    place, cell = pixel % CELL_PX, pixel // CELL_PX
    share = np.array(_NEIGHBOUR)[place]
    neighbour = np.clip(np.where(place < CELL_PX // 2, cell - 1, cell + 1), 0, count - 1)
    return np.bincount(cell, 1 - share, count) + np.bincount(neighbour, share, count)
