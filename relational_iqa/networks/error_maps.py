"""The three conventional maps of SPIPS: PSNR, SSIM and MS-SSIM of every pixel, each in [0, 1], lower is better.

SSIM is computed as a dissimilarity, from the difference of the images: 1 minus the usual formula would leave a rounding
error where the images are equal.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from relational_iqa.conventional.common import check_pair
from relational_iqa.conventional.structural import (
    MS_SSIM_WEIGHTS,
    WINDOW_PX,
    joint_dissimilarity,
    ssim_dissimilarities,
)

CONVENTIONAL = ("psnr", "ssim", "ms_ssim")
# Errors well below one 8-bit code value are invisible: the PSNR map is flat there, 0 at none, 1 at black against white.
PSNR_FLOOR = (1 / 255) ** 2
# The least similarity a scale is credited with: its logarithm, and the gradient of that, stay finite.
_LEAST_SIMILARITY = 0.01


def conventional_maps(test: Tensor, reference: Tensor) -> Float[Tensor, "b 3 h w"]:
    """The maps named in `CONVENTIONAL`, one a channel, in [0, 1]: exactly 0 where nothing within its reach differs.

    Images (B, 3, H, W), sRGB in [0, 1]. Differentiable. Raises ImageError where the images do not fit together.

    - psnr: PSNR of the squared error of a pixel, mean over RGB, with `PSNR_FLOOR` added; scaled to [0, 1] and inverted.
    - ssim: (1 - SSIM) / 2 of the window around a pixel, mean over RGB (Wang et al. 2004); the border is repeated.
    - ms_ssim: 1 - the product of the similarities of five scales at a pixel, mean over RGB (Wang et al. 2003).
      Negative structure, an inverted contrast, counts as no similarity.
    """
    check_pair(test, reference)
    structure, luminance = _dissimilarities(test, reference)
    ssim = joint_dissimilarity(structure, luminance)
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
            structure = joint_dissimilarity(structure, luminance) if scale == last else structure
        term = weight * torch.log1p(-structure.clamp(0, 1 - _LEAST_SIMILARITY))
        logarithm = logarithm + (F.interpolate(term, size, mode="bilinear", align_corners=False) if scale else term)
    return -torch.expm1(logarithm).mean(1, keepdim=True)


def _dissimilarities(test: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """`ssim_dissimilarities` of the window around every pixel, (B, C, H, W) each, the border of the images repeated."""
    framed = (F.pad(image, (WINDOW_PX // 2,) * 4, mode="replicate") for image in (test, reference))
    return ssim_dissimilarities(*framed)


def _halve(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, 2, ceil_mode=True, count_include_pad=False)
