"""Losses of pMOS maps (n, 1, h, w) on the five-grade scale, and priors of their region-of-interest weights."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def dense_loss(
    predicted: Float[Tensor, "n 1 h w"], target: Float[Tensor, "n 1 h w"], valid: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, ""]:
    """Huber loss (squared below one grade) of MOS maps (n, 1, h, w), weighted mean over cells; valid in [0, 1]."""
    error = F.smooth_l1_loss(predicted, target, beta=1.0, reduction="none")
    return (valid * error).sum() / valid.sum().clamp_min(1.0)


def roi_entropy_gap(roi: Float[Tensor, "n 1 h w"]) -> Float[Tensor, ""]:
    """log(number of cells) minus the entropy of the normalised weights (n, 1, h, w) > 0, mean over images.

    0 where the weights are uniform, log(number of cells) where one cell has all the weight.
    """
    share = (roi / roi.sum((1, 2, 3), keepdim=True)).flatten(1)
    return (share * torch.log(share * share.shape[1] + 1e-12)).sum(1).mean()


def roi_roughness(roi: Float[Tensor, "n 1 h w"]) -> Float[Tensor, ""]:
    """Mean absolute step of the logarithm of the weights (n, 1, h, w) between neighbouring cells; 0 where flat."""
    logarithm = torch.log(roi)
    down, right = logarithm.diff(dim=-2).abs(), logarithm.diff(dim=-1).abs()
    return down.mean() + right.mean()


def map_correlation(
    predicted: Float[Tensor, "n 1 h w"], target: Float[Tensor, "n 1 h w"], valid: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, ""]:
    """Pearson's correlation over the cells of a batch that are at least half valid; to log, not to minimise."""
    kept = valid > 0.5
    x, y = predicted[kept].float(), target[kept]
    x, y = x - x.mean(), y - y.mean()
    return (x * y).sum() / torch.sqrt((x * x).sum() * (y * y).sum()).clamp_min(1e-6)


def defect_loss(
    predicted: Float[Tensor, "n defects h w"], target: Float[Tensor, "n defects h w"], valid: Float[Tensor, "n 1 h w"]
) -> Float[Tensor, ""]:
    """Binary cross-entropy of severities in [0, 1], least where they are equal, above that least; summed over the
    defects, weighted mean over cells; valid in [0, 1]."""
    found, least = _cross_entropy(predicted.float(), target), _cross_entropy(target, target)
    return (valid * (found - least)).sum() / valid.sum().clamp_min(1.0)


def _cross_entropy(predicted: Tensor, target: Tensor) -> Tensor:
    """As `F.binary_cross_entropy`, which torch refuses in mixed precision on a GPU."""
    predicted = predicted.clamp(1e-4, 1 - 1e-4)
    return -(target * torch.log(predicted) + (1 - target) * torch.log(1 - predicted))
