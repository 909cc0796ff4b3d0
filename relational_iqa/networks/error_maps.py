"""The three conventional maps of SPIPS: PSNR, SSIM and MS-SSIM of every pixel, each in [0, 1], lower is better.

Written in the form 1 - similarity = (x - y)^2 / (x^2 + y^2 + c), which is exactly 0 where the images are equal and
keeps every gradient finite there; 1 minus the usual formula leaves a rest of rounding.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from relational_iqa.conventional.common import check_pair
from relational_iqa.conventional.structural import C1, C2, MS_SSIM_WEIGHTS, WINDOW_PX, WINDOW_SIGMA_PX

CONVENTIONAL = ("psnr", "ssim", "ms_ssim")
# Errors well below one 8-bit code value are invisible: the PSNR map is flat there, 0 at none, 1 at black against white.
PSNR_FLOOR = (1 / 255) ** 2
# The least similarity a scale is credited with: its logarithm, and the gradient of that, stay finite.
_LEAST_SIMILARITY = 0.01


def conventional_maps(test: Tensor, reference: Tensor) -> Float[Tensor, "b 3 h w"]:
    """Images (B, 3, H, W), sRGB in [0, 1] -> maps in [0, 1], one channel a name in `CONVENTIONAL`; exactly 0 where
    nothing within the reach of a map differs. Differentiable. Raises ImageError for shapes that are no pair.

    psnr: PSNR of the pixel's error over RGB with floor `PSNR_FLOOR`, its range put on [0, 1] and inverted. ssim:
    (1 - SSIM) / 2 of the window around the pixel (Wang et al. 2004, mean over RGB, border repeated). ms_ssim: 1 - the
    product of five scales (Wang et al. 2003), each read at the pixel; a scale of inverted structure counts as none.
    """
    check_pair(test, reference)
    structure, luminance = _dissimilarities(test, reference)
    ssim = _join(structure, luminance)
    return torch.cat([_psnr_map(test, reference), ssim.mean(1, keepdim=True) / 2,
                      _ms_ssim_map(test, reference, structure)], 1)  # fmt: skip


def _psnr_map(test: Tensor, reference: Tensor) -> Tensor:
    error = (test - reference).square().mean(1, keepdim=True)
    # (P(0) - P(error)) / (P(0) - P(1)) for P(e) = -10 log10(e + floor)
    return torch.log1p(error / PSNR_FLOOR) / math.log1p(1 / PSNR_FLOOR)


def _ms_ssim_map(test: Tensor, reference: Tensor, structure: Tensor) -> Tensor:
    """`structure` is that of the finest scale."""
    size = test.shape[-2:]
    last = len(MS_SSIM_WEIGHTS) - 1
    logarithm = torch.zeros_like(test)
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        if scale:
            test, reference = _halve(test), _halve(reference)
            structure, luminance = _dissimilarities(test, reference)
            structure = _join(structure, luminance) if scale == last else structure
        term = weight * torch.log1p(-structure.clamp(0, 1 - _LEAST_SIMILARITY))
        logarithm = logarithm + (F.interpolate(term, size, mode="bilinear", align_corners=False) if scale else term)
    return -torch.expm1(logarithm).mean(1, keepdim=True)


def _join(first: Tensor, second: Tensor) -> Tensor:
    """1 - (1 - first) (1 - second)."""
    return first + second - first * second


def _dissimilarities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """1 - contrast-structure in [0, 2] and 1 - luminance in [0, 1] of the window around every pixel, (B, C, H, W)."""
    difference = x - y
    mean_difference, mean_y, square_difference, power = _blur(
        torch.cat([difference, y, difference.square(), x.square() + y.square()], 1)
    ).chunk(4, 1)
    mean_x = mean_y + mean_difference
    mean_power = mean_x.square() + mean_y.square()
    # var(x) + var(y) - 2 cov(x, y) = var(x - y); rounding may bring variances just below 0.
    variance = (square_difference - mean_difference.square()).clamp_min(0)
    variances = torch.maximum((power - mean_power).clamp_min(0), variance / 2)  # var(x - y) <= 2 (var x + var y)
    return variance / (variances + C2), mean_difference.square() / (mean_power + C1)


def _halve(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, 2, ceil_mode=True, count_include_pad=False)


def _blur(planes: Tensor) -> Tensor:
    """Gaussian window over every plane of (B, C, H, W), the border repeated, one axis at a time."""
    offset = torch.arange(WINDOW_PX, dtype=planes.dtype, device=planes.device) - WINDOW_PX // 2
    taps = torch.exp(-offset.square() / (2 * WINDOW_SIGMA_PX**2))
    channels = planes.shape[1]
    taps = (taps / taps.sum()).view(1, 1, 1, -1).repeat(channels, 1, 1, 1)
    framed = F.pad(planes, (WINDOW_PX // 2,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(framed, taps, groups=channels), taps.transpose(2, 3), groups=channels)
