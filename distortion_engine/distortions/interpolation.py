"""Sampling of rows and columns by any real factor: interpolation kernels and the banded matrices made of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from distortion_engine.distortions.filters import Sampling, resample


@dataclass(frozen=True)
class Kernel:
    """An interpolation kernel: its weight at a distance in px, 0 from `reach` px on."""

    weight: Callable[[np.ndarray], np.ndarray]
    reach: int


def _triangle(x: np.ndarray) -> np.ndarray:
    weights: np.ndarray = np.maximum(1.0 - np.abs(x), 0.0)
    return weights


def _keys_cubic(x: np.ndarray) -> np.ndarray:
    """Keys (1981), eq. 15: cubic convolution with a = -0.5."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _lanczos3(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)


LINEAR, CUBIC, LANCZOS = Kernel(_triangle, 1), Kernel(_keys_cubic, 2), Kernel(_lanczos3, 3)


def sampling(positions: Float[np.ndarray, " n"], size: int, width: float, kernel: Kernel) -> Sampling:
    """Samples a signal of `size` at real `positions` with the kernel stretched by `width`; weights sum to 1."""
    reach = math.ceil(kernel.reach * width)
    index = np.floor(positions).astype(np.int64)[:, None] + np.arange(-reach, reach + 2)
    inside = (index >= 0) & (index < size)
    weights = np.where(inside, kernel.weight((positions[:, None] - index) / width), 0.0)
    return Sampling(index.clip(0, size - 1), weights / weights.sum(axis=1, keepdims=True), size)


def shrinking(size: int, factor: float, width: float, kernel: Kernel) -> Sampling:
    """Shrinks a signal of `size` by a real `factor`. A kernel as wide as the factor prevents aliasing."""
    centres = np.minimum((np.arange(math.ceil(size / factor)) + 0.5) * factor - 0.5, size - 1.0)
    return sampling(centres, size, width, kernel)


def enlarging(size: int, factor: float, kernel: Kernel) -> Sampling:
    """Brings a signal that was shrunk by `factor` back to `size`."""
    small = math.ceil(size / factor)
    positions = ((np.arange(size) + 0.5) / factor - 0.5).clip(0.0, small - 1.0)
    return sampling(positions, small, 1.0, kernel)


def down_and_up(
    image: Float[Tensor, "c h w"], factor: float, kernel: Kernel, width: float | None = None
) -> Float[Tensor, "c h w"]:
    """An image shrunk by a real `factor` and enlarged to its size again.

    Args:
        image: any values.
        factor: of both sides, at least 1.
        kernel: used for shrinking and for enlarging.
        width: how far the kernel is stretched for shrinking; None for the factor, which prevents aliasing.
    """
    rows, columns = (
        [shrinking(size, factor, factor if width is None else width, kernel), enlarging(size, factor, kernel)]
        for size in image.shape[1:]
    )
    return resample(image, rows, columns)
