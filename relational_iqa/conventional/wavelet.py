"""HaarPSI: similarity of Haar wavelet coefficients, weighted by the coarsest ones (Reisenhofer et al. 2018)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from relational_iqa.conventional.common import RGB_TO_YIQ, check_pair, mix_channels, shrink, similarity, weighted_mean

SCALES = 3
CONSTANT = 30.0  # C of the paper, for values in [0, 255]
ALPHA = 4.2  # slope of the logistic that maps similarities before pooling


def haarpsi(test: Tensor, reference: Tensor) -> Tensor:
    """Haar wavelet perceptual similarity index, with colour. (B, 3, H, W) x 2 -> (B,), in [0, 1], 1 for equal."""
    check_pair(test, reference)
    planes = shrink(mix_channels(torch.cat([test, reference]), RGB_TO_YIQ) * 255, 2, pad="end")
    details = [_haar(planes[:, :1], 2**scale).abs().chunk(2) for scale in range(1, SCALES + 1)]
    # Two finer scales are compared, the coarsest says where it matters; channel 0 and 1: the two directions.
    texture = torch.stack([similarity(x, y, CONSTANT) for x, y in details[:-1]]).mean(dim=0)
    weights = torch.maximum(*details[-1])
    chroma = F.avg_pool2d(F.pad(planes[:, 1:], (0, 1, 0, 1)), 2, stride=1).abs()
    chroma_x, chroma_y = chroma.chunk(2)
    colour = similarity(chroma_x, chroma_y, CONSTANT).mean(dim=1, keepdim=True)
    local = torch.cat([texture, colour], dim=1)
    weights = torch.cat([weights, weights.mean(dim=1, keepdim=True)], dim=1)
    pooled = weighted_mean(torch.sigmoid(ALPHA * local), weights)
    return (torch.logit(pooled) / ALPHA).square()


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
