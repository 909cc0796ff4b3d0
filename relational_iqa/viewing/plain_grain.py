"""Noise of luma on plain ground that one picture of a scene has and another one does not, measured in the pixels.

A cell of CELL_PX is plain where means over some pixels hardly vary. What varies there from pixel to pixel is noise:
texture that has fine detail and no coarser one is rare. So cells with structure say nothing, and a picture is called
noisy only where most of its plain cells are: a blurred copy of a clean photograph has as plain a sky as the photograph.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import Float32

CELL_PX = 16
PLACE = 4  # cells; a place is so many cells high and wide
_FINE_PX, _COARSE_PX = 7, 21  # sides of the squares whose means tell noise from structure
_HALO_PX = _FINE_PX // 2 + _COARSE_PX // 2
_DENSE_PX = 300_000  # of larger pictures only strips are seen, so that time grows as the root of their size
CLEARLY = 2.0  # times what is left of the variance of the other picture
PLAIN = 0.15  # variance of means over that of the noise, up to which a cell is plain: of noise itself less than half
_LEAST = 0.005  # standard deviation of noise that counts: more than a code value
_MOST = 0.04  # what is stronger is told by the networks, or is a fabric, a grid, a raster
_PLAIN_ANYWAY = PLAIN * 0.01**2  # variance of means of cells that are plain whether they have noise or not
_PLAIN_AT_MOST = 0.007**2  # and of cells that are plain at all: of strong noise, which the networks know, it is more
_EVEN = 0.85  # of its variance that the mean amount of detail accounts for: Gaussian noise has 1, stars have little
_MOST_OF = 0.5  # least part of the plain cells that have the noise
_ENOUGH = 6  # of the cells of a place that are plain
_QUIET = 0.25  # quantile of their noise
_FLOOR = 1e-6  # variance of luma that explains nothing

Window = Callable[[int, int], Float32[np.ndarray, "rows w 3"]]
"""Rows [top, bottom) of a picture, sRGB in [0, 1]."""


def grain_beyond(
    a: Window, b: Window, shape: tuple[int, int]
) -> tuple[Float32[np.ndarray, "rows columns"], Float32[np.ndarray, "rows columns"]] | None:
    """Standard deviation of the noise of luma that a has beyond b, and b beyond a, at every place of a coarse grid that
    covers the image, for luma in [0, 1]. Exactly 0 for equal pictures, and exchanged where the pictures are. None where
    the pictures are too small for a place.

    Args:
        a: one picture.
        b: the other one.
        shape: (H, W) of both.
    """
    height, width = shape
    if min(height, width) < PLACE * CELL_PX:
        return None
    apart = max(1, math.ceil(math.sqrt(height * width / _DENSE_PX)))
    strips = [_moments(a, b, top, height) for top in range(0, height - CELL_PX + 1, CELL_PX * apart)]
    fine_a, fine_b, mixed, coarse_a, coarse_b, size_a, size_b = (np.stack(rows) for rows in zip(*strips, strict=True))
    own_a = np.maximum(fine_a - mixed * mixed / (fine_b + np.float32(_FLOOR)), 0)
    own_b = np.maximum(fine_b - mixed * mixed / (fine_a + np.float32(_FLOOR)), 0)
    places = max(1, len(strips) // PLACE), max(1, width // CELL_PX // (PLACE * apart))
    even_a, even_b = (math.pi / 2 * size * size >= _EVEN * fine for size, fine in ((size_a, fine_a), (size_b, fine_b)))
    return _grain(own_a, own_b, coarse_a, even_a, places), _grain(own_b, own_a, coarse_b, even_b, places)


def _grain(
    own: np.ndarray, other: np.ndarray, coarse: np.ndarray, even: np.ndarray, places: tuple[int, int]
) -> np.ndarray:
    """(places) from variances of cells.

    Args:
        own: of the fine detail of a picture that the other one does not explain.
        other: the same of the other one.
        coarse: of the means of the picture.
        even: whether its fine detail is as even as noise.
        places: how many, down and across.
    """
    more = np.where(own > CLEARLY * other, own - other, np.float32(0))
    plain = coarse < np.minimum(PLAIN * more, np.float32(_PLAIN_AT_MOST))
    noisy = even & plain & (more > _LEAST**2) & (more < _MOST**2)
    if noisy.sum() < max(1.0, _MOST_OF * (noisy | (coarse < _PLAIN_ANYWAY)).sum()):
        return np.zeros(places, np.float32)
    grid = np.zeros(places, np.float32)
    for row, of_row in enumerate(zip(np.array_split(more, places[0]), np.array_split(noisy, places[0]), strict=True)):
        parts = zip(*(np.array_split(values, places[1], 1) for values in of_row), strict=True)
        for column, (variances, counts) in enumerate(parts):
            if counts.sum() * PLACE**2 >= _ENOUGH * counts.size:
                grid[row, column] = math.sqrt(np.quantile(variances[counts], _QUIET))
    return grid


def _moments(a: Window, b: Window, top: int, height: int) -> list[np.ndarray]:
    """Of the cells of one strip: variances of the fine detail of a and of b, their product, variances of the means, and
    mean amounts of the fine detail."""
    (fine_a, means_a), (fine_b, means_b) = (_fine_and_means(window, top, height) for window in (a, b))
    pairs = ((fine_a, fine_a), (fine_b, fine_b), (fine_a, fine_b), (means_a, means_a), (means_b, means_b))
    cells = fine_a.shape[1] // CELL_PX
    planes = [*(one * other for one, other in pairs), np.abs(fine_a), np.abs(fine_b)]
    return [cv2.resize(plane, (cells, 1), interpolation=cv2.INTER_AREA)[0] for plane in planes]


def _fine_and_means(window: Window, top: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Of CELL_PX rows of luma: what means over the neighbourhood leave, and what means of these leave of them."""
    first, last = max(0, top - _HALO_PX), min(height, top + CELL_PX + _HALO_PX)
    luma = cv2.cvtColor(np.ascontiguousarray(window(first, last), np.float32), cv2.COLOR_RGB2GRAY)
    means = cv2.blur(luma, (_FINE_PX, _FINE_PX), borderType=cv2.BORDER_REFLECT_101)
    rows = slice(top - first, top - first + CELL_PX)
    columns = luma.shape[1] // CELL_PX * CELL_PX
    around = cv2.blur(means, (_COARSE_PX, _COARSE_PX), borderType=cv2.BORDER_REFLECT_101)
    return (luma - means)[rows, :columns], (means - around)[rows, :columns]
