"""Filters on single-channel float32 planes `(H, W)` by OpenCV: what `filters.py` uses on the CPU.

Every function returns a new array and is serial in what it sums, so its bits do not depend on the number of threads.
"""

import math

import cv2
import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

MIRROR = cv2.BORDER_REFLECT  # the edge pixel is repeated
# From 130 coefficients on OpenCV turns to the Fourier transform, slower than these mostly empty kernels need.
DIRECT_COEFFICIENTS = 129
# Gaussians at least this wide are computed on a pyramid, with an error below 4e-4 of a step edge.
PYRAMID_SIGMA_PX = 4.0


def padded(plane: Float[np.ndarray, "h w"], rows: int, columns: int) -> Float[np.ndarray, "h+2*{rows} w+2*{columns}"]:
    """The plane with mirrored margins, which may be wider than the plane itself."""
    return cv2.copyMakeBorder(plane, rows, rows, columns, columns, MIRROR)


def bands(kernel: Float[np.ndarray, "_ _"]) -> list[tuple[int, int, Float[np.ndarray, "_ _"]]]:
    """A kernel cut into strips without empty margins that OpenCV computes directly: (top, left, strip)."""
    parts = []
    rows_left = np.flatnonzero(kernel.any(axis=1))
    top, bottom = int(rows_left[0]), int(rows_left[-1]) + 1
    while top < bottom:
        best = 1
        for height in range(1, bottom - top + 1):
            if height * _width(kernel[top : top + height])[1] > DIRECT_COEFFICIENTS:
                break
            best = height
        left, width = _width(kernel[top : top + best])
        for start in range(left, left + width, DIRECT_COEFFICIENTS):
            strip = kernel[top : top + best, start : min(start + DIRECT_COEFFICIENTS, left + width)]
            parts.append((top, start, np.ascontiguousarray(strip)))
        top += best
    return parts


def _width(rows: np.ndarray) -> tuple[int, int]:
    columns = np.flatnonzero(rows.any(axis=0))
    return (int(columns[0]), int(columns[-1] - columns[0]) + 1) if len(columns) else (0, 1)


def correlated(
    plane: Float[np.ndarray, "h w"], parts: list[tuple[int, int, Float[np.ndarray, "_ _"]]], rows: int, columns: int
) -> Float[np.ndarray, "h w"]:
    """Correlation with the `(2 rows + 1, 2 columns + 1)` kernel that was cut into `parts`."""
    (height, width), source, total = plane.shape, padded(plane, rows, columns), None
    for top, left, strip in parts:
        # The result at (0, 0) of a window is valid where the strip, anchored at its corner, stays inside.
        window = source[top : top + height + strip.shape[0] - 1, left : left + width + strip.shape[1] - 1]
        part = cv2.filter2D(window, -1, strip, anchor=(0, 0))[:height, :width]
        total = part if total is None else cv2.add(total, part, dst=total)
    return np.ascontiguousarray(total)


def _separable(plane: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return cv2.sepFilter2D(plane, -1, kernel, kernel, borderType=MIRROR)


def gaussian_kernel(sigma_px: float) -> Float[np.ndarray, " taps"]:
    """One-dimensional normalised Gaussian, cut off at four standard deviations, odd length, float32."""
    radius = max(1, math.ceil(4.0 * sigma_px))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_px) ** 2)
    kernel: np.ndarray = (weights / weights.sum()).astype(np.float32)
    return kernel


def gaussian(plane: Float[np.ndarray, "h w"], sigma_px: float) -> Float[np.ndarray, "h w"]:
    """Gaussian blur. Wide ones on a Laplacian-pyramid grid (Burt and Adelson 1983): its 5-tap binomial filters, of
    variance 1 each way and level, are part of the Gaussian, the rest is blurred on the small grid."""
    if sigma_px < PYRAMID_SIGMA_PX:
        return _separable(plane, gaussian_kernel(sigma_px))
    levels = int(math.log2(sigma_px / PYRAMID_SIGMA_PX)) + 1
    cell, (height, width) = 2**levels, plane.shape
    margin = cell * math.ceil(4.0 * sigma_px / cell)
    below, right = (margin + -size % cell for size in plane.shape)
    small = cv2.copyMakeBorder(plane, margin, below, margin, right, MIRROR)
    for _ in range(levels):
        small = cv2.pyrDown(small)
    rest = (sigma_px**2 - 2.0 * (4.0**levels - 1.0) / 3.0) / 4.0**levels
    small = _separable(small, gaussian_kernel(math.sqrt(rest)))
    for _ in range(levels):
        small = cv2.pyrUp(small)
    return small[margin : margin + height, margin : margin + width]


def box(plane: Float[np.ndarray, "h w"], radius_px: int) -> Float[np.ndarray, "h w"]:
    """Mean over a square of side `2 radius_px + 1`."""
    source = padded(plane, radius_px, radius_px)
    mean = cv2.boxFilter(source, -1, (2 * radius_px + 1,) * 2)
    return mean[radius_px:-radius_px, radius_px:-radius_px] if radius_px else mean


def taps(part: float, crisp: float) -> Float[np.ndarray, " taps"]:
    """Weights float32 of the pixels around a place `part` in [0, 1) of the way from one to the next: of these two by
    linear interpolation (crisp 0), of four by the cubic of Catmull and Rom (crisp 1), or of four by a mixture."""
    linear = np.array([1.0 - part, part])
    if crisp == 0.0:
        return linear.astype(np.float32)
    square, cube = part**2, part**3
    outer = np.array([square - 0.5 * (part + cube), 0.5 * (cube - square)])
    inner = np.array([1.0 - 2.5 * square + 1.5 * cube, 0.5 * part + 2.0 * square - 1.5 * cube])
    inner = linear + crisp * (inner - linear)
    return np.array([crisp * outer[0], *inner, crisp * outer[1]], np.float32)


def shifted(
    plane: Float[np.ndarray, "h w"], down_px: float, right_px: float, crisp: float = 0.0
) -> Float[np.ndarray, "h w"]:
    """The plane read at (y + down_px, x + right_px), edges repeated; bilinear, or as sharp as `taps` says."""
    height, width = plane.shape
    down_px, right_px = float(min(max(down_px, -height), height)), float(min(max(right_px, -width), width))
    down, right = math.floor(down_px), math.floor(right_px)
    rows, columns = taps(down_px - down, crisp), taps(right_px - right, crisp)
    more = len(rows) - 1  # pixels read beyond the first
    down, right = down - more // 2, right - more // 2
    above, below, before, behind = max(0, -down), max(0, down + more), max(0, -right), max(0, right + more)
    source = cv2.copyMakeBorder(plane, above, below, before, behind, cv2.BORDER_REPLICATE)
    top, left = down + above, right + before
    window = source[top : top + height + more, left : left + width + more]
    return cv2.sepFilter2D(window, -1, columns, rows, anchor=(0, 0))[:height, :width]


def remapped(
    plane: Float[np.ndarray, "_ _"], y: Float[np.ndarray, "h w"], x: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w"]:
    """The plane read at rows `y` and columns `x` (H, W) float32, bilinear, edges repeated."""
    return cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def banded(index: Int[np.ndarray, "n taps"], weights: Float[np.ndarray, "n taps"], size: int) -> sparse.csr_matrix:
    """The matrix `(n, size)` with `weights` at columns `index`; equal columns add up."""
    ends = np.arange(0, index.size + 1, index.shape[1])
    return sparse.csr_matrix((weights.astype(np.float32).ravel(), index.ravel(), ends), shape=(len(index), size))


def resampled(
    plane: Float[np.ndarray, "_ _"], rows: list[sparse.csr_matrix], columns: list[sparse.csr_matrix]
) -> Float[np.ndarray, "_ _"]:
    """Matrices applied one after the other to the rows, then to the columns."""
    for matrices in (rows, columns):
        for matrix in matrices:
            plane = matrix @ plane
        plane = cv2.transpose(plane)
    return plane


def picked(
    plane: Float[np.ndarray, "_ _"], rows: Int[np.ndarray, " h"], columns: Int[np.ndarray, " w"]
) -> Float[np.ndarray, "h w"]:
    """The pixels at these row and column indices; columns as rows of the transpose, which are copied whole."""
    gathered: np.ndarray = cv2.transpose(cv2.transpose(plane)[columns])[rows]
    return gathered
