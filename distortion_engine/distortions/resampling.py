"""Lost resolution: block averages, and down-and-up sampling by any real factor with four filters.

Amounts are the factor less one, so 0 is no change. Sampling matrices are built for the exact real factor; nothing is
rounded to a whole number of pixels, which would make the damage jump.
"""

import math

import numpy as np
import torch
from torch import Generator, Tensor

from distortion_engine.distortions import opencv_filters
from distortion_engine.distortions.contract import Image, distortion
from distortion_engine.distortions.filters import Sampling, each_plane, fast_path, resample
from distortion_engine.distortions.interpolation import CUBIC, LANCZOS, LINEAR, down_and_up
from distortion_engine.distortions.onset import eased

# Amounts from which nothing of the original is mixed in.
NEAREST_FULL_FROM, SMOOTH_FULL_FROM = 0.4, 0.5


def _block_means(size: int, side: float) -> tuple[Sampling, Tensor]:
    """Means of the blocks of real width `side`, counted from 0, and the block in which each position has its centre."""
    edges = np.minimum(np.arange(math.ceil(size / side) + 1) * side, size)
    start = np.floor(edges[:-1, None]).astype(np.int64) + np.arange(math.ceil(side) + 1)
    overlap = np.maximum(np.minimum(edges[1:, None], start + 1.0) - np.maximum(edges[:-1, None], start), 0.0)
    means = overlap / np.maximum(edges[1:] - edges[:-1], 1e-9)[:, None]
    block = np.floor((np.arange(size) + 0.5) / side).astype(np.int64)
    return Sampling(np.minimum(start, size - 1), means, size), torch.from_numpy(block)


@eased(NEAREST_FULL_FROM)
@distortion
def pixelate(image: Image, amount: float, generator: Generator) -> Image:
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


@eased(NEAREST_FULL_FROM)
@distortion
def resize_nearest(image: Image, amount: float, generator: Generator) -> Image:
    """Down and up with nearest neighbours, aliased and blocky; amount = factor less 1."""
    factor = 1.0 + amount

    def sources(size: int) -> Tensor:
        cell = np.floor((np.arange(size) + 0.5) / factor)
        return torch.from_numpy(np.floor((cell + 0.5) * factor).clip(0, size - 1).astype(np.int64))

    return _picked(image, sources(image.shape[1]), sources(image.shape[2]))


@eased(SMOOTH_FULL_FROM)
@distortion
def resize_bilinear(image: Image, amount: float, generator: Generator) -> Image:
    """Down and up with the triangle filter, antialiased; amount = factor less 1."""
    return down_and_up(image, 1.0 + amount, LINEAR)


@eased(SMOOTH_FULL_FROM)
@distortion
def resize_bicubic(image: Image, amount: float, generator: Generator) -> Image:
    """Down and up with Keys' cubic, antialiased; amount = factor less 1."""
    return down_and_up(image, 1.0 + amount, CUBIC)


@eased(SMOOTH_FULL_FROM)
@distortion
def resize_lanczos(image: Image, amount: float, generator: Generator) -> Image:
    """Down and up with the three-lobed Lanczos window, antialiased, slight ringing; amount = factor less 1."""
    return down_and_up(image, 1.0 + amount, LANCZOS)
