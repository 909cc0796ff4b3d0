"""Losses of predicted relation maps against the true ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

# Fields weaker than this together count as "none" in proportion.
NONE_BELOW = 0.08
# In compositions the weaker axes count more in the type loss than their share of the field: targets are shares to this
# power, and so are the predicted ones, so that the optimum is the same and softmax(type_logits) still means shares.
SHARE_POWER = 0.5
# Weight of a pixel in the type loss where there is no distortion; the square root of the severity is added.
_TYPE_WEIGHT_OF_NONE = 0.15
_HUBER = 0.1  # severity; errors below are squared


def distortion_losses(
    maps: Float[Tensor, "b k h w"],
    type_logits: Float[Tensor, "b k+1 h w"],
    magnitude: Float[Tensor, "b 1 h w"],
    direction: Float[Tensor, "b k h w"],
    target: Float[Tensor, "b k h w"],
    valid: Float[Tensor, "b 1 h w"],
) -> dict[str, Float[Tensor, ""]]:
    """Losses of predicted relation maps, each a mean over valid cells.

    Args:
        maps: predicted relation maps.
        type_logits: logits of the axes, then of "none".
        magnitude: predicted severity of all axes together.
        direction: predicted direction of each axis, in [-1, 1].
        target: true relation maps.
        valid: 1 where the truth is known, 0 where it is not, and between.

    Returns:
        A dictionary of scalars:
            type: cross-entropy against the shares of the axes to the power SHARE_POWER; strong places weigh more.
            magnitude: Huber loss of the severity of all axes together.
            sign: logistic loss of the direction of each axis; strong places weigh more.
            map: Huber loss of the maps, summed over axes.
    """
    strength = target.abs()  # (B, K, h, w)
    total = strength.sum(1, keepdim=True)  # (B, 1, h, w)
    count = valid.sum().clamp_min(1.0)
    none = (1 - total / NONE_BELOW).clamp_min(0)
    evened = strength.clamp_min(1e-12) ** SHARE_POWER * (strength > 0)
    shares = evened / evened.sum(1, keepdim=True).clamp_min(1e-6) * (1 - none)
    soft_target = torch.cat([shares, none], 1)  # sums to 1 over channels
    weight = valid * (_TYPE_WEIGHT_OF_NONE + total.clamp(0, 1).sqrt())
    cross_entropy = -(soft_target * F.log_softmax(SHARE_POWER * type_logits, 1)).sum(1, keepdim=True)
    # tanh(z) = direction, so log((1 + s tanh z) / 2) is the logistic log-likelihood of sign s at 2 z.
    agreement = (1 + torch.sign(target) * direction).clamp_min(1e-6) / 2
    sign_weight = valid * strength.sqrt()
    return {
        "type": (weight * cross_entropy).sum() / count,
        "magnitude": (valid * F.smooth_l1_loss(magnitude, total, beta=_HUBER, reduction="none")).sum() / count,
        "sign": (sign_weight * -torch.log(agreement)).sum() / count,
        "map": (valid * F.smooth_l1_loss(maps, target, beta=_HUBER, reduction="none")).sum() / count,
    }
