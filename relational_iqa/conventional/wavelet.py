"""HaarPSI: similarity of Haar wavelet coefficients, weighted by the coarsest ones (Reisenhofer et al. 2018)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from relational_iqa.conventional.common import (
    RGB_TO_YIQ,
    checked_pair,
    dissimilarity,
    mix_channels,
    shrink,
    weighted_mean,
)

SCALES = 3
CONSTANT = 30.0  # C of the paper, for values in [0, 255]
ALPHA = 4.2  # slope of the logistic that maps similarities before pooling


def haarpsi(test: Tensor, reference: Tensor) -> Float[Tensor, " b"]:
    """Haar wavelet perceptual similarity index, with colour. (B, 3, H, W) x 2 -> (B,), in [0, 1], 1 for equal."""
    x, y = (shrink(mix_channels(image, RGB_TO_YIQ) * 255, 2, pad="end") for image in checked_pair(test, reference))
    details = [(_haar(x[:, :1], 2**scale).abs(), _haar(y[:, :1], 2**scale).abs()) for scale in range(1, SCALES + 1)]
    # Two finer scales are compared, the coarsest says where it matters; channel 0 and 1: the two directions.
    texture = torch.stack([dissimilarity(a, b, CONSTANT) for a, b in details[:-1]]).mean(dim=0)
    weights = torch.maximum(*details[-1])
    chroma_x, chroma_y = (F.avg_pool2d(F.pad(p[:, 1:], (0, 1, 0, 1)), 2, stride=1).abs() for p in (x, y))
    colour = dissimilarity(chroma_x, chroma_y, CONSTANT).mean(dim=1, keepdim=True)
    local = torch.cat([texture, colour], dim=1)
    weights = torch.cat([weights, weights.mean(dim=1, keepdim=True)], dim=1)
    return (1 - _logistic_mean(local, weights)).square()


def _logistic_mean(damage: Tensor, weights: Tensor) -> Tensor:
    """(B,) in [0, 1] from (B, C, H, W): 1 - logit(mean of sigmoid(ALPHA (1 - damage))) / ALPHA, the mean of the paper.

    With k = exp(-ALPHA) and z = expm1(ALPHA damage), sigmoid(ALPHA) - sigmoid(ALPHA (1 - damage)) is sigmoid(-ALPHA)
    times z / (1 + k + k z). The mean of that fraction is all that is needed; no damage gives exactly 0.
    """
    k = math.exp(-ALPHA)
    rise = torch.expm1(ALPHA * damage)
    mean = weighted_mean(rise / (1 + k + k * rise), weights)
    return (torch.log1p(mean) - torch.log1p(-k * mean)) / ALPHA


def _haar(plane: Tensor, size: int) -> Tensor:
    """Both directions of the Haar detail of `size` px, (B, 1, H, W) -> (B, 2, H, W), zeros outside the image."""
    half = size // 2
    padded = F.pad(plane, (half - 1, half, half - 1, half))
    blocks = padded
    step = 1
    while step < half:  # sums over half x half blocks by doubling
        blocks = blocks[..., :-step, :] + blocks[..., step:, :]
        blocks = blocks[..., :, :-step] + blocks[..., :, step:]
        step *= 2
    upper = blocks[..., :, :-half] + blocks[..., :, half:]
    left = blocks[..., :-half, :] + blocks[..., half:, :]
    vertical = upper[..., half:, :] - upper[..., :-half, :]
    horizontal = left[..., :, half:] - left[..., :, :-half]
    return torch.cat([vertical, horizontal], dim=1) / size
