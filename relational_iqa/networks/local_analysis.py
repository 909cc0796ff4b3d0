"""Fixed local analysis of one image: subband coefficients and a few non-linear cues, all on a 1/4 grid.

The bands are windowed cosines of 8x8 pixels at every fourth pixel, so the linear part of the analysis is one strided
convolution, and the coefficients of a difference are the difference of the coefficients. All that is not linear happens
on the small grid or on luma alone: that is what makes the analysis fast on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

STRIDE = 4
LSB = 1.0 / 255
# Luma (Rec. 601) and two opponent channels, blue-yellow and red-green, orthogonal enough and cheap.
_OPPONENT = ((0.299, 0.587, 0.114), (-0.25, -0.25, 0.5), (0.5, -0.5, 0.0))
_PATCH = 8
# Orders of the cosines along each side; chroma is seen less finely, and only along the sides and the diagonal. None is
# even: from one patch to the next the phase of a wave would move by whole half-turns, and a wave that is missed once
# would be missed everywhere.
_LUMA_ORDERS = (0, 1, 3, 6.5)
_CHROMA_ORDERS = (0, 1, 4.5)
_FLAT = 0.25 * LSB
_WHITE, _BLACK = 0.985, 0.015


def opponent(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Luma, blue-yellow and red-green of sRGB, see `_OPPONENT`.

    Summed pixel by pixel in one order. A convolution sums in an order that depends on threads, sizes and device, and
    8-bit images have many steps of luma of exactly `_FLAT`: the last bit would decide whether they count as flat.
    """
    red, green, blue = image.split(1, 1)
    (red_share, green_share, blue_share), *_ = _OPPONENT
    luma = (red * red_share).add_(green * green_share).add_(blue * blue_share)
    return torch.cat([luma, (red + green).mul_(-0.25).add_(blue * 0.5), (red - green).mul_(0.5)], 1)


def analysis_filters() -> Float[Tensor, "bands 3 8 8"]:
    """Zero-mean windowed cosines on sRGB channels, luma first."""
    colour = torch.tensor(_OPPONENT, dtype=torch.float64)
    bands = []
    for plane, orders in ((0, _LUMA_ORDERS), (1, _CHROMA_ORDERS), (2, _CHROMA_ORDERS)):
        waves = _windowed_cosines(orders)
        for i in range(len(orders)):
            for j in range(len(orders)):
                mixed = plane > 0 and i > 0 and j > 0 and i != j
                if (i or j) and not mixed:
                    bands.append(torch.einsum("c,y,x->cyx", colour[plane], waves[i], waves[j]))
    return torch.stack(bands).float()


def _windowed_cosines(orders: Sequence[float]) -> Tensor:
    position = torch.arange(_PATCH, dtype=torch.float64) + 0.5
    window = torch.sin(math.pi * position / _PATCH)
    waves = []
    for order in orders:
        wave = torch.cos(math.pi * order * position / _PATCH) * window
        if order:
            wave = wave - window * wave.sum() / window.sum()
        waves.append(wave / wave.norm())
    return torch.stack(waves)


def with_margin(image: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h+4 w+4"]:
    """The image with two more rows and columns on every side, which repeat the border; `patches` needs them."""
    margin = (_PATCH - STRIDE) // 2
    return F.pad(image, (margin,) * 4, mode="replicate")


def patches(
    padded: Float[Tensor, "b 3 h w"], filters: Float[Tensor, "n 3 8 8"], bias: Float[Tensor, " n"] | None = None
) -> Float[Tensor, "b n h//4-1 w//4-1"]:
    """Correlation of images, given `with_margin`, with filters at every fourth pixel: a quarter of their size."""
    # Contiguous: weights with channels last in memory would have the whole image copied into that order first.
    return F.conv2d(padded, filters.contiguous(), bias, stride=STRIDE)


def halves(x: Float[Tensor, "n ..."]) -> tuple[Float[Tensor, "n//2 ..."], Float[Tensor, "n//2 ..."]]:
    """The first and the second half of a batch of an even number of items."""
    count = x.shape[0] // 2
    return x[:count], x[count:]


def pool(x: Float[Tensor, "b c h w"], size: int) -> Float[Tensor, "b c h//{size} w//{size}"]:
    """Mean over size x size blocks, computed by slices: several times faster than `avg_pool2d` on a CPU."""
    if torch.jit.is_tracing():  # for ONNX, here and below: one node instead of a dozen, the same values
        return F.avg_pool2d(x, size)
    rows = x[..., 0::size, :] + x[..., 1::size, :]
    for i in range(2, size):
        rows = rows + x[..., i::size, :]
    out = rows[..., 0::size] + rows[..., 1::size]
    for i in range(2, size):
        out = out + rows[..., i::size]
    return out * (1.0 / size**2)


def peak(x: Float[Tensor, "b c h w"], size: int) -> Float[Tensor, "b c h//{size} w//{size}"]:
    """Largest value of size x size blocks, computed by slices."""
    if torch.jit.is_tracing():
        return F.max_pool2d(x, size)
    rows = torch.maximum(x[..., 0::size, :], x[..., 1::size, :])
    for i in range(2, size):
        rows = torch.maximum(rows, x[..., i::size, :])
    out = torch.maximum(rows[..., 0::size], rows[..., 1::size])
    for i in range(2, size):
        out = torch.maximum(out, rows[..., i::size])
    return out


def window(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h//2 w//2"]:
    """Mean over 4x4 cells at every second cell, with weights 1 3 3 1 along each side and a repeated border; halves the
    size."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    if torch.jit.is_tracing():  # three means of two make 1 3 3 1
        return F.avg_pool2d(F.avg_pool2d(F.avg_pool2d(x, 2, 1), 2, 1), 2)
    rows = (x[..., 1:-1:2, :] + x[..., 2::2, :]) * 3 + x[..., 0:-2:2, :] + x[..., 3::2, :]
    out = (rows[..., 1:-1:2] + rows[..., 2::2]) * 3 + rows[..., 0:-2:2] + rows[..., 3::2]
    return out * (1.0 / 64)


def box5(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Mean over 5x5 cells around each cell, with a repeated border, computed by slices."""
    x = F.pad(x, (2, 2, 2, 2), mode="replicate")
    if torch.jit.is_tracing():
        return F.avg_pool2d(x, 5, 1)
    height, width = x.shape[-2] - 4, x.shape[-1] - 4
    rows = x[..., 0:height, :] + x[..., 1 : height + 1, :]
    for i in range(2, 5):
        rows = rows + x[..., i : height + i, :]
    out = rows[..., 0:width] + rows[..., 1 : width + 1]
    for i in range(2, 5):
        out = out + rows[..., i : width + i]
    return out * (1.0 / 25)


def steps(y: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
    """Absolute differences to the right and to the lower neighbour.

    The last column and row repeat the one before: a zero there would look like the edge of a block.
    """
    right = (y[..., :-1] - y[..., 1:]).abs()
    down = (y[..., :-1, :] - y[..., 1:, :]).abs()
    return torch.cat([right, right[..., -1:]], -1), torch.cat([down, down[..., -1:, :]], -2)


@dataclass(frozen=True)
class LocalAnalysis:
    """What `Analysis` finds in images.

    Args:
        padded: the images `with_margin`.
        planes: their opponent channels.
        fine: coefficients of the bands.
        coarse: the same of the images at half size.
        half: luma at half size.
        means: opponent channels at a quarter of the size.
        right: steps of luma to the right neighbour.
        down: steps of luma to the lower neighbour.
        cues: share of flat pixels, mean steps right and down, darkest and lightest channel, shares of white and of
            black pixels, largest step.
    """

    padded: Float[Tensor, "b 3 _ _"]
    planes: Float[Tensor, "b 3 h w"]
    fine: Float[Tensor, "b bands h//4 w//4"]
    coarse: Float[Tensor, "b bands h//8 w//8"]
    half: Float[Tensor, "b 1 h//2 w//2"]
    means: Float[Tensor, "b 3 h//4 w//4"]
    right: Float[Tensor, "b 1 h w"]
    down: Float[Tensor, "b 1 h w"]
    cues: Float[Tensor, "b 8 h//4 w//4"]

    def halves(self) -> tuple[LocalAnalysis, LocalAnalysis]:
        """The analyses of the first and of the second half of the batch."""
        pairs = [halves(value) for value in vars(self).values()]
        return LocalAnalysis(*(first for first, _ in pairs)), LocalAnalysis(*(second for _, second in pairs))


class Analysis(nn.Module):
    """(B, 3, H, W) in [0, 1], H and W multiples of 16 -> LocalAnalysis. It has no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.filters: Tensor
        self.register_buffer("filters", analysis_filters(), persistent=False)
        self.bands = self.filters.shape[0]

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> LocalAnalysis:
        planes = opponent(image)
        half = pool(image, 2)
        half_planes = opponent(half)
        right, down = steps(planes[:, :1])
        step = torch.maximum(right, down)
        smallest, largest = image.amin(1, keepdim=True), image.amax(1, keepdim=True)
        flat, white, black = (x.to(image.dtype) for x in (step < _FLAT, largest > _WHITE, smallest < _BLACK))
        means = [pool(x, STRIDE) for x in (flat, right, down, smallest, largest, white, black)]
        padded = with_margin(image)
        return LocalAnalysis(
            padded=padded,
            planes=planes,
            fine=patches(padded, self.filters),
            coarse=patches(with_margin(half), self.filters),
            half=half_planes[:, :1],
            means=pool(half_planes, 2),
            right=right,
            down=down,
            cues=torch.cat([*means, peak(step, STRIDE)], 1),
        )
