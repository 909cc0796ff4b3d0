"""Losses of scores and embeddings whose order is known."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def rank_logistic(
    difference: Float[Tensor, "*pairs"], weight: Float[Tensor, "*pairs"], temperature: float = 0.3
) -> Float[Tensor, ""]:
    """RankNet (Burges et al., 2005): weighted mean of -log sigmoid(difference / temperature).

    Args:
        difference: score of the better minus score of the worse image, in levels.
        weight: 0 or more; the loss is 0 where all weights are.
        temperature: difference at which the loss of a pair in the wrong order begins to be linear.
    """
    return (weight * F.softplus(-difference / temperature)).sum() / weight.sum().clamp_min(1e-6)


def rank_n_contrast(
    embedding: Float[Tensor, "n e"], label: Float[Tensor, " n"], temperature: float = 0.5
) -> Float[Tensor, ""]:
    """Rank-N-Contrast (Zha et al., NeurIPS 2023, arXiv:2210.01189, eq. 2), similarity being minus the L2 distance.

    For anchor i and positive j, the contrasts are all k whose label is at least as far from that of i as j's is.

    Args:
        embedding: a row an item, at least three.
        label: the quantity that the embedding is ordered by.
        temperature: of the similarities.
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
