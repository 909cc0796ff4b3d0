"""Losses: small pure functions. Shapes stand in comments; every one has a slow oracle in the tests."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Fields weaker than this together count as "none" in proportion.
NONE_BELOW = 0.08
# In compositions the weaker axes count more in the type loss than their share of the field: targets are shares to this
# power, and so are the predicted ones, so that the optimum is the same and softmax(type_logits) still means shares.
SHARE_POWER = 0.5


def distortion_losses(
    maps: Tensor, type_logits: Tensor, magnitude: Tensor, direction: Tensor, target: Tensor, valid: Tensor
) -> dict[str, Tensor]:
    """Losses of predicted relation maps against the true ones.

    maps, direction, target (B, K, h, w); type_logits (B, K + 1, h, w), the last is "none"; magnitude and valid
    (B, 1, h, w), valid in [0, 1]. Returns scalars: `type` (soft cross-entropy of shares to SHARE_POWER, weighted by
    severity), `magnitude`, `sign`, `map`.
    """
    strength = target.abs()  # (B, K, h, w)
    total = strength.sum(1, keepdim=True)  # (B, 1, h, w)
    count = valid.sum().clamp_min(1.0)
    none = (1 - total / NONE_BELOW).clamp_min(0)
    evened = strength.clamp_min(1e-12) ** SHARE_POWER * (strength > 0)
    shares = evened / evened.sum(1, keepdim=True).clamp_min(1e-6) * (1 - none)
    soft_target = torch.cat([shares, none], 1)  # sums to 1 over channels
    weight = valid * (0.15 + total.clamp(0, 1).sqrt())
    cross_entropy = -(soft_target * F.log_softmax(SHARE_POWER * type_logits, 1)).sum(1, keepdim=True)
    # tanh(z) = direction, so log((1 + s tanh z) / 2) is the logistic log-likelihood of sign s at 2 z.
    agreement = (1 + torch.sign(target) * direction).clamp_min(1e-6) / 2
    sign_weight = valid * strength.sqrt()
    return {
        "type": (weight * cross_entropy).sum() / count,
        "magnitude": (valid * F.smooth_l1_loss(magnitude, total, beta=0.1, reduction="none")).sum() / count,
        "sign": (sign_weight * -torch.log(agreement)).sum() / count,
        "map": (valid * F.smooth_l1_loss(maps, target, beta=0.1, reduction="none")).sum() / count,
    }


def rank_logistic(difference: Tensor, weight: Tensor, temperature: float = 0.3) -> Tensor:
    """RankNet (Burges et al., 2005): -log sigmoid(difference / temperature), weighted mean.

    difference (n,): score of the better minus score of the worse, in levels. weight (n,) >= 0; 0 for all gives 0.
    """
    return (weight * F.softplus(-difference / temperature)).sum() / weight.sum().clamp_min(1e-6)


def rank_n_contrast(embedding: Tensor, label: Tensor, temperature: float = 0.5) -> Tensor:
    """Rank-N-Contrast (Zha et al., NeurIPS 2023, arXiv:2210.01189, eq. 2) with negative L2 distance as similarity.

    embedding (n, E), label (n,), n >= 3. For anchor i and positive j the contrasts are all k at least as far from i in
    label as j is.
    """
    n = embedding.shape[0]
    squared = (embedding[:, None] - embedding[None, :]).square().sum(-1)
    logits = -torch.sqrt(squared + 1e-8) / temperature  # (n, n)
    distance = (label[:, None] - label[None, :]).abs()
    off_diagonal = ~torch.eye(n, dtype=torch.bool, device=label.device)
    # contrasts[i, j, k]: k counts in the denominator of the pair (i, j)
    contrasts = (distance[:, None, :] >= distance[:, :, None]) & off_diagonal[:, None, :]
    denominator = torch.logsumexp(logits[:, None, :].masked_fill(~contrasts, float("-inf")), -1)
    per_pair = (denominator - logits).masked_fill(~off_diagonal, 0.0)
    return per_pair.sum() / (n * (n - 1))
