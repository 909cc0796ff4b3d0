"""The trunk that keeps symmetry by construction: an even stream, and an odd stream that even features gate.

The odd stream has no bias and no activation of its own except odd ones, so negating its input negates its output to the
bit; the even stream never sees a sign. Local: windows only, no statistic over the image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PointwiseBlock(nn.Module):
    """Residual block of two 1x1 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels, 2 * channels, 1)
        self.project = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.project(F.gelu(self.expand(x)))


class SpatialBlock(nn.Module):
    """Residual block: depthwise 5x5, then two 1x1 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.pointwise = PointwiseBlock(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(x + self.depthwise(x))


def _window_mean(x: Tensor, radius: int = 2) -> Tensor:
    padded = F.pad(x, (radius,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * radius + 1, stride=1)


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


class Entry(nn.Module):
    """1x1 convolution of fixed and learned channels (B, fixed, h, w), (B, learned, h, w) -> (B, out, h, w).

    Two convolutions summed instead of one over the concatenation: no gradient is computed for the fixed channels,
    which halves the time of a training step.
    """

    def __init__(self, fixed: int, learned: int, out: int, bias: bool) -> None:
        super().__init__()
        self.fixed = nn.Conv2d(fixed, out, 1, bias=bias)
        self.learned = nn.Conv2d(learned, out, 1, bias=False)

    def forward(self, fixed: Tensor, learned: Tensor) -> Tensor:
        return self.fixed(fixed) + self.learned(learned)


class EvenOddTrunk(nn.Module):
    """Even and odd channels (each fixed and learned) -> even features (B, width, h, w), odd ones (B, width, h, w).

    A small U-Net over 1/4, 1/8 and 1/16 of the image with a window mean of 80 px at the bottom; at the finest level
    only 1x1 convolutions, which is as good and faster. h and w must be multiples of 4.
    """

    def __init__(self, even_in: tuple[int, int], odd_in: tuple[int, int], width: int = 64) -> None:
        super().__init__()
        middle, deep = 3 * width // 2, 2 * width
        self.enter = Entry(*even_in, width, bias=True)
        self.enter_block = PointwiseBlock(width)
        self.to_middle = nn.Conv2d(width, middle, 1)
        self.middle = SpatialBlock(middle)
        self.to_deep = nn.Conv2d(middle, deep, 1)
        self.deep = nn.Sequential(SpatialBlock(deep), SpatialBlock(deep))
        self.context = nn.Conv2d(2 * deep, deep, 1)
        self.from_deep = nn.Conv2d(deep, middle, 1)
        self.middle_up = SpatialBlock(middle)
        self.from_middle = nn.Conv2d(middle, width, 1)
        self.leave = nn.Sequential(PointwiseBlock(width), PointwiseBlock(width))
        self.odd_local = Entry(*odd_in, width, bias=False)
        self.odd_wide = Entry(*odd_in, width, bias=False)
        self.odd_mix = nn.Conv2d(2 * width, width, 1, bias=False)
        self.gates = nn.Conv2d(width, 3 * width, 1)

    def forward(self, even: tuple[Tensor, Tensor], odd: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        fine = self.enter_block(self.enter(*even))
        middle = self.middle(F.avg_pool2d(self.to_middle(fine), 2))
        deep = self.deep(F.avg_pool2d(self.to_deep(middle), 2))
        deep = deep + self.context(torch.cat([deep, _window_mean(deep)], 1))
        middle = self.middle_up(middle + _enlarge(self.from_deep(deep), middle))
        features = self.leave(fine + _enlarge(self.from_middle(middle), fine))

        width = features.shape[1]
        gates = torch.sigmoid(self.gates(features)) * 2
        wide = _enlarge(_window_mean(F.avg_pool2d(self.odd_wide(*odd), 4), 1), fine)
        first = torch.cat([self.odd_local(*odd) * gates[:, :width], wide * gates[:, width : 2 * width]], 1)
        mixed = self.odd_mix(first / torch.sqrt(1 + first * first))
        return features, mixed * gates[:, 2 * width :]
