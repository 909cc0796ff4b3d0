"""Lost resolution: block averages, and down-and-up sampling by any real factor with four filters.

Amounts are the factor less one, so 0 is no change. Sampling matrices are built for the exact real factor; nothing is
rounded to a whole number of pixels, which would make the damage jump.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Generator, Tensor

from distortion_engine.distortions import opencv_filters
from distortion_engine.distortions.common import per_sample
from distortion_engine.distortions.filters import Sampling, each_plane, fast_path, resample

Filter = Callable[[np.ndarray], np.ndarray]


def _block_means(size: int, side: float) -> tuple[Sampling, Tensor]:
    """Means of the blocks of real width `side`, counted from 0, and the block in which each position has its centre."""
    edges = np.minimum(np.arange(math.ceil(size / side) + 1) * side, size)
    start = np.floor(edges[:-1, None]).astype(np.int64) + np.arange(math.ceil(side) + 1)
    overlap = np.maximum(np.minimum(edges[1:, None], start + 1.0) - np.maximum(edges[:-1, None], start), 0.0)
    means = overlap / np.maximum(edges[1:] - edges[:-1], 1e-9)[:, None]
    block = np.floor((np.arange(size) + 0.5) / side).astype(np.int64)
    return Sampling(np.minimum(start, size - 1), means, size), torch.from_numpy(block)


@per_sample
def pixelate(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Mosaic: the mean of each square block; amount = side of a block in px, less 1."""
    rows, row = _block_means(image.shape[1], 1.0 + amount)
    columns, column = _block_means(image.shape[2], 1.0 + amount)
    means = resample(image, [rows], [columns])
    return _picked(means, row, column)


def _picked(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The pixels of `(C, h, w)` at these row and column indices, `(C, H, W)`."""
    if fast_path(image):
        return each_plane(image, lambda plane: opencv_filters.picked(plane, rows.numpy(), columns.numpy()))
    return image.index_select(2, columns.to(image.device)).index_select(1, rows.to(image.device))


@per_sample
def resize_nearest(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Down and up with nearest neighbours, aliased and blocky; amount = factor less 1."""
    factor = 1.0 + amount

    def sources(size: int) -> Tensor:
        cell = np.floor((np.arange(size) + 0.5) / factor)
        return torch.from_numpy(np.floor((cell + 0.5) * factor).clip(0, size - 1).astype(np.int64))

    return _picked(image, sources(image.shape[1]), sources(image.shape[2]))


def _triangle(x: np.ndarray) -> np.ndarray:
    weights: np.ndarray = np.maximum(1.0 - np.abs(x), 0.0)
    return weights


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys (1981) cubic convolution with a = -0.5."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    """Lanczos window of three lobes."""
    return np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)


def _sampling(positions: np.ndarray, size: int, scale: float, kernel: Filter, support: int) -> Sampling:
    """Sample a signal of `size` at `positions` with the kernel, of reach `support`, stretched by `scale`."""
    reach = math.ceil(support * scale)
    index = np.floor(positions).astype(np.int64)[:, None] + np.arange(-reach, reach + 2)
    inside = (index >= 0) & (index < size)
    weights = np.where(inside, kernel((positions[:, None] - index) / scale), 0.0)
    return Sampling(index.clip(0, size - 1), weights / weights.sum(axis=1, keepdims=True), size)


def _down_up(image: Tensor, factor: float, kernel: Filter, support: int) -> Tensor:
    def there_and_back(size: int) -> list[Sampling]:
        small = math.ceil(size / factor)
        centres = np.minimum((np.arange(small) + 0.5) * factor - 0.5, size - 1.0)
        back = ((np.arange(size) + 0.5) / factor - 0.5).clip(0.0, small - 1.0)
        return [_sampling(centres, size, factor, kernel, support), _sampling(back, small, 1.0, kernel, support)]

    return resample(image, there_and_back(image.shape[1]), there_and_back(image.shape[2]))


@per_sample
def resize_bilinear(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Down and up with the triangle filter, antialiased; amount = factor less 1."""
    return _down_up(image, 1.0 + amount, _triangle, support=1)


@per_sample
def resize_bicubic(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Down and up with Keys' cubic, antialiased; amount = factor less 1."""
    return _down_up(image, 1.0 + amount, _cubic, support=2)


@per_sample
def resize_lanczos(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Down and up with the three-lobed Lanczos window, antialiased, slight ringing; amount = factor less 1."""
    return _down_up(image, 1.0 + amount, _lanczos, support=3)
