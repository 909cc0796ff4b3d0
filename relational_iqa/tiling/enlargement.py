"""Bilinear enlargement of maps on the 1/4 grid of the networks, window by window.

The enlargement factor is exactly CELL_PX. A window of the enlarged map equals the same part of the whole enlarged map
to the bit, so numbers about a map can be computed strip by strip.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32

CELL_PX = 4
"""Side of a cell of the grid, in pixels of the image."""

# The four pixels of a cell lie 3/8 and 1/8 of a cell before its centre, then 1/8 and 3/8 after it: these are the shares
# of the neighbouring cell, in that order.
_NEIGHBOUR_SHARES = (0.375, 0.125, 0.125, 0.375)


def enlarged_window(
    grid: Float[np.ndarray, "_ _"], top: int, bottom: int, left: int, right: int
) -> Float32[np.ndarray, "{bottom-top} {right-left}"]:
    """The pixels [top, bottom) x [left, right) of the enlarged `grid`."""
    part = grid[_cells(top, bottom, grid.shape[0])][:, _cells(left, right, grid.shape[1])]
    x, y = left % CELL_PX, top % CELL_PX
    wide = _stretched(part, 1)[:, x : x + right - left]
    return _stretched(wide, 0)[y : y + bottom - top]


def cells_of_rows(grid: Float[np.ndarray, "_ _"], top: int, bottom: int) -> Float[np.ndarray, "_ _"]:
    """The rows of the `grid` that the pixels of rows [top, bottom) are made of; no pixel is beyond their extremes."""
    return grid[max(0, top // CELL_PX - 1) : (bottom - 1) // CELL_PX + 2]


def sum_of_enlarged(grid: Float[np.ndarray, "_ _"], height: int, width: int) -> float:
    """Sum over the first `height` x `width` pixels of the enlarged `grid`, in float64, without enlarging it."""
    rows, columns = _cell_weights(height, grid.shape[0]), _cell_weights(width, grid.shape[1])
    return float(rows @ (grid @ columns))


def _cells(start: int, stop: int, count: int) -> np.ndarray:
    """Indices of the cells that hold the pixels [start, stop), and one more on either side; the border is repeated."""
    return np.clip(np.arange(start // CELL_PX - 1, (stop - 1) // CELL_PX + 2), 0, count - 1)


def _stretched(x: np.ndarray, axis: int) -> np.ndarray:
    """(n + 2, m) -> (4 n, m), or (m, n + 2) -> (m, 4 n) for axis 1: bilinear along the axis; the first and last cell
    serve only as neighbours."""
    before, own, after = (x[:-2], x[1:-1], x[2:]) if axis == 0 else (x[:, :-2], x[:, 1:-1], x[:, 2:])
    near, far = (own * np.float32(1 - share) for share in _NEIGHBOUR_SHARES[1::-1])
    out = np.empty((len(own), CELL_PX, x.shape[1]) if axis == 0 else (*own.shape, CELL_PX), np.float32)
    part = np.empty_like(own, np.float32)
    for place, share in enumerate(_NEIGHBOUR_SHARES):
        neighbour = before if place < CELL_PX // 2 else after
        np.multiply(neighbour, np.float32(share), out=part)
        kept = near if share == _NEIGHBOUR_SHARES[1] else far
        np.add(part, kept, out=out[:, place] if axis == 0 else out[:, :, place])
    return out.reshape(-1, x.shape[1]) if axis == 0 else out.reshape(len(x), -1)


@lru_cache(maxsize=16)
def _cell_weights(length: int, count: int) -> np.ndarray:
    """(count,) float64: the weight of each cell of a line in the sum over its first `length` enlarged pixels."""
    pixel = np.arange(length)
    place, cell = pixel % CELL_PX, pixel // CELL_PX
    share = np.array(_NEIGHBOUR_SHARES)[place]
    neighbour = np.clip(np.where(place < CELL_PX // 2, cell - 1, cell + 1), 0, count - 1)
    weights: np.ndarray = np.bincount(cell, 1 - share, count) + np.bincount(neighbour, share, count)
    return weights
