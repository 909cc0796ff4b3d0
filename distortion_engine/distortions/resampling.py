"""Lost resolution: block averages, and down-and-up sampling by any real factor with four filters.

Amounts are the factor less one, so 0 is no change. Sampling matrices are built for the exact real factor; nothing is
rounded to a whole number of pixels, which would make the damage jump.
"""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from distortion_engine.distortions.common import per_sample

Filter = Callable[[Tensor], Tensor]


def _block_means(image: Tensor, side: float) -> Tensor:
    """Replace each row position of `(C, n, m)` by the mean of its block; blocks of real height `side` from the top."""
    size = image.shape[1]
    total = torch.zeros(image.shape[0], size + 1, image.shape[2], dtype=torch.float64, device=image.device)
    total[:, 1:] = image.to(torch.float64).cumsum(dim=1)
    edges = (torch.arange(math.ceil(size / side) + 1, dtype=torch.float64) * side).clamp_max(size)
    below = edges.floor().clamp_max(size - 1).long()
    part = (edges - below)[None, :, None].to(image.device)
    below = below.to(image.device)
    integral = total[:, below] * (1.0 - part) + total[:, below + 1] * part
    heights = (edges[1:] - edges[:-1]).clamp_min(1e-9)[None, :, None].to(image.device)
    means = (integral[:, 1:] - integral[:, :-1]) / heights
    block = ((torch.arange(size, dtype=torch.float64) + 0.5) / side).floor().long().to(image.device)
    return means[:, block].to(image.dtype)


@per_sample
def pixelate(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Mosaic: the mean of each square block; amount = side of a block in px, less 1."""
    rows = _block_means(image, 1.0 + amount)
    return _block_means(rows.transpose(1, 2).contiguous(), 1.0 + amount).transpose(1, 2)


@per_sample
def resize_nearest(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Down and up with nearest neighbours, aliased and blocky; amount = factor less 1."""
    factor = 1.0 + amount

    def sources(size: int) -> Tensor:
        cell = ((torch.arange(size, dtype=torch.float64) + 0.5) / factor).floor()
        return ((cell + 0.5) * factor).floor().clamp(0, size - 1).long().to(image.device)

    return image[:, sources(image.shape[1])][:, :, sources(image.shape[2])]


def _triangle(x: Tensor) -> Tensor:
    return (1.0 - x.abs()).clamp_min(0.0)


def _cubic(x: Tensor) -> Tensor:
    """Keys (1981) cubic convolution with a = -0.5."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return torch.where(x < 1.0, near, torch.where(x < 2.0, far, torch.zeros_like(x)))


def _lanczos(x: Tensor) -> Tensor:
    """Lanczos window of three lobes."""
    return torch.where(x.abs() < 3.0, torch.sinc(x) * torch.sinc(x / 3.0), torch.zeros_like(x))


def _weights(positions: Tensor, size: int, scale: float, kernel: Filter) -> Tensor:
    """Rows of weights `(len(positions), size)` that sample a signal at `positions`, the kernel stretched by `scale`."""
    weights = kernel((positions[:, None] - torch.arange(size, dtype=torch.float64)[None, :]) / scale)
    return weights / weights.sum(dim=1, keepdim=True)


def _down_up(image: Tensor, factor: float, kernel: Filter) -> Tensor:
    for _ in range(2):
        size = image.shape[1]
        small = math.ceil(size / factor)
        centres = ((torch.arange(small, dtype=torch.float64) + 0.5) * factor - 0.5).clamp_max(size - 1.0)
        down = _weights(centres, size, factor, kernel).to(image)
        back = ((torch.arange(size, dtype=torch.float64) + 0.5) / factor - 0.5).clamp(0.0, small - 1.0)
        up = _weights(back, small, 1.0, kernel).to(image)
        image = torch.matmul(up, torch.matmul(down, image)).transpose(1, 2).contiguous()
    return image


@per_sample
def resize_bilinear(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Down and up with the triangle filter, antialiased; amount = factor less 1."""
    return _down_up(image, 1.0 + amount, _triangle)


@per_sample
def resize_bicubic(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Down and up with Keys' cubic, antialiased; amount = factor less 1."""
    return _down_up(image, 1.0 + amount, _cubic)


@per_sample
def resize_lanczos(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Down and up with the three-lobed Lanczos window, antialiased, slight ringing; amount = factor less 1."""
    return _down_up(image, 1.0 + amount, _lanczos)
