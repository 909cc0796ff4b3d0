"""Map: one value per pixel of an image, kept on the 1/4 grid of the networks and enlarged only on request.

Sixteen maps of a hundred megapixels take 6.4 GB at full size and 0.4 GB on the grid. `full()` gives the whole map as a
numpy array, `window()` a part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped
from numpy.lib.mixins import NDArrayOperatorsMixin

from relational_iqa.tiling.enlargement import CELL_PX, cells_of_rows, enlarged_window, sum_of_enlarged

_STRIP_PX = 1 << 18  # pixels of a strip: a megabyte, which fits a processor's cache


@dataclass(frozen=True)
class MapStatistics:
    """Numbers about a map.

    Args:
        min: smallest value.
        max: largest value.
        mean: mean over all pixels.
        above: share of the pixels, 0 to 1, with a value >= the threshold.
        below: share of the pixels with a value <= minus the threshold.
    """

    min: float
    max: float
    mean: float
    above: float
    below: float


@dataclass(frozen=True, eq=False, repr=False)
class Map(NDArrayOperatorsMixin):
    """One float32 map (H, W) of an image.

    `map.full()` is the numpy array. numpy and matplotlib functions take a Map as it is (through `np.asarray`), and
    arithmetic, comparisons and indexing (`map[y, x]`, `map > 0.1`) give arrays; each of these enlarges the whole map,
    so keep `map.full()` in a variable where you need it often.

    Args:
        grid: the values that are kept, float32 (h, w) with h >= H / cell_px and w >= W / cell_px.
        shape: (H, W) of the image, px.
        limit: enlarged values are clipped to [-limit, limit].
        cell_px: side of a cell of the grid in px: CELL_PX, or 1 where every pixel is kept.

    Raises:
        ValueError: for a grid that does not cover the image, and for another `cell_px`.
    """

    grid: np.ndarray
    shape: tuple[int, int]
    limit: float = float("inf")
    cell_px: int = CELL_PX

    def __post_init__(self) -> None:
        if self.cell_px not in (1, CELL_PX):
            raise ValueError(f"cell_px is {self.cell_px}, expected 1 or {CELL_PX}")
        if self.grid.ndim != 2 or any(n * self.cell_px < m for n, m in zip(self.grid.shape, self.shape, strict=True)):
            raise ValueError(
                f"a grid {self.grid.shape} does not cover {self.shape} px: expected a cell for every {self.cell_px} px"
            )

    @classmethod
    def from_array(cls, values: Any) -> Map:
        """The map that holds every pixel of an array (H, W). Raises ValueError for another number of dimensions."""
        array = np.asarray(values, np.float32)
        if array.ndim != 2:
            raise ValueError(f"a map has shape {array.shape}, expected (H, W)")
        return cls(array, (array.shape[0], array.shape[1]), cell_px=1)

    # -- the map as an array ---------------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def size(self) -> int:
        """Number of pixels, H * W."""
        return self.shape[0] * self.shape[1]

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """float32."""
        return np.dtype(np.float32)

    def full(self) -> Float32[np.ndarray, "{self.shape[0]} {self.shape[1]}"]:
        """The whole map, as a new array."""
        values = self.window(0, self.shape[0], 0, self.shape[1])
        return values.copy() if self.cell_px == 1 else values

    def window(
        self, top: int, bottom: int, left: int, right: int
    ) -> Float32[np.ndarray, "{bottom}-{top} {right}-{left}"]:
        """The part [top, bottom) x [left, right). Read it only: it may be a view of the map."""
        if self.cell_px == 1:
            values = self.grid[top:bottom, left:right]
        else:
            values = enlarged_window(self.grid, top, bottom, left, right)
        return np.clip(values, -self.limit, self.limit) if self._exceeds_limit else np.ascontiguousarray(values)

    def strips(self) -> Iterator[Float32[np.ndarray, "rows w"]]:
        """The whole map from top to bottom in windows of its width. Maps of one size are cut at the same rows."""
        for top, bottom in self.strip_rows():
            yield self.window(top, bottom, 0, self.shape[1])

    def strip_rows(self) -> list[tuple[int, int]]:
        """First row and end of each of `strips`."""
        height, width = self.shape
        rows = max(1, _STRIP_PX // (width * CELL_PX)) * CELL_PX
        return [(top, min(top + rows, height)) for top in range(0, height, rows)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Shaped[np.ndarray, "h w"]:
        if copy is False:
            raise ValueError("a map is enlarged into a new array: copy=False cannot be kept, leave it out")
        return self.full() if dtype is None else self.full().astype(dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(isinstance(out, Map) for out in options.get("out", ())):
            return NotImplemented  # a map is not written to
        return getattr(ufunc, method)(*(x.full() if isinstance(x, Map) else x for x in inputs), **options)

    def __getitem__(self, key: Any) -> Any:
        return self.full()[key]

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Float32[np.ndarray, " w"]]:
        return iter(self.full())

    def __neg__(self) -> Map:
        return replace(self, grid=-self.grid)

    def plus(self, other: Map) -> Map:
        """The sum of two maps of one size, kept on the grid where both are."""
        if self.cell_px != other.cell_px:
            return Map.from_array(self.full() + other.full())
        return replace(self, grid=self.grid + other.grid, limit=self.limit + other.limit)

    def __repr__(self) -> str:
        return f"Map({self.shape[0]} x {self.shape[1]} px, values {self.bounds[0]:.3g} to {self.bounds[1]:.3g})"

    # -- numbers about the map -------------------------------------------------------------------------------------

    def mean(self, **options: Any) -> Any:
        """Mean over all pixels in float64, without enlarging the map; with the options of `np.mean`, what that gives
        for the array."""
        if options:
            return self.full().mean(**options)
        if self.cell_px == 1 or self._exceeds_limit:
            return sum(float(strip.sum(dtype=np.float64)) for strip in self.strips()) / self.size
        return sum_of_enlarged(self.grid, *self.shape) / self.size

    def min(self, **options: Any) -> Any:
        """Minimum over all pixels, or with the options of `np.min`."""
        return self.full().min(**options)

    def max(self, **options: Any) -> Any:
        """Maximum over all pixels, or with the options of `np.max`."""
        return self.full().max(**options)

    def std(self, **options: Any) -> Any:
        """Standard deviation over all pixels, or with the options of `np.std`."""
        return self.full().std(**options)

    def any(self, **options: Any) -> Any:
        """Whether any pixel is not 0, or with the options of `np.any`."""
        return self.full().any(**options)

    @property
    def is_zero(self) -> bool:
        """Whether every value is exactly 0; looks at the grid alone."""
        return not self.grid.any()

    @property
    def bounds(self) -> tuple[float, float]:
        """Two numbers that every value lies between; the extremes themselves where every pixel is kept."""
        return max(float(self.grid.min()), -self.limit), min(float(self.grid.max()), self.limit)

    def bounds_of_rows(self, top: int, bottom: int) -> tuple[float, float]:
        """Two numbers that every value of rows [top, bottom) lies between, up to rounding; looks at the grid alone."""
        cells = self.grid[top:bottom] if self.cell_px == 1 else cells_of_rows(self.grid, top, bottom)
        return max(float(cells.min()), -self.limit), min(float(cells.max()), self.limit)

    def statistics(self, threshold: float) -> MapStatistics:
        """The numbers of `MapStatistics`, computed strip by strip."""
        low, high, total, above, below = float("inf"), -float("inf"), 0.0, 0, 0
        for strip in self.strips():
            low, high = min(low, float(strip.min())), max(high, float(strip.max()))
            total += float(strip.sum(dtype=np.float64))
            above += int(np.count_nonzero(strip >= threshold))
            below += int(np.count_nonzero(strip <= -threshold))
        return MapStatistics(low, high, total / self.size, above / self.size, below / self.size)

    def reduced(self, side_px: int) -> Float32[np.ndarray, "h w"]:
        """The map at the size of a picture with a longer side of at most `side_px`: means over boxes.

        Where that picture is no larger than the grid, the grid is reduced instead of the enlarged map.
        """
        from PIL import Image  # only pictures need it

        height, width = self.shape
        shrink = min(1.0, side_px / max(height, width))
        size = max(1, round(width * shrink)), max(1, round(height * shrink))
        if size == (width, height):
            return self.full()
        if side_px * self.cell_px <= max(height, width):
            held = np.clip(self.grid, -self.limit, self.limit)
            box = (0, 0, width / self.cell_px, height / self.cell_px)
        else:
            held, box = self.full(), (0, 0, width, height)
        return np.asarray(Image.fromarray(held).resize(size, Image.Resampling.BOX, box))

    @cached_property
    def _exceeds_limit(self) -> bool:
        return self.limit < float("inf") and bool(max(self.grid.max(), -self.grid.min()) > self.limit)


def check_maps(maps: dict[str, Any], shape: tuple[int, ...] | None = None) -> None:
    """Raises ValueError where one of `maps` (name -> value) is no Map, or is not of `shape` (H, W), by default that of
    the first."""
    for name, values in maps.items():
        if not isinstance(values, Map):
            raise ValueError(f"{name} is of type {type(values).__name__}, expected a Map: Map.from_array(array)")
        shape = shape or values.shape
        if values.shape != shape:
            raise ValueError(f"{name} has shape {values.shape}, expected (H, W) = {shape} as the other maps have")
