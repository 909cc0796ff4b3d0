"""What a ranked set says about a score with a reference; no human score.

Signals, in the order of their authority: order by construction (within a set); pairs of the whole batch on which *all*
conventional metrics agree; the mean consensus of the metrics as a regression target, which ties the scale to levels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from relational_iqa.networks.scoring_network import LEVELS
from relational_iqa.training.losses import rank_logistic

# Metrics agree on a pair when each of them sees it the same way round by more than this (a tenth of a level).
AGREEMENT_MARGIN = 0.02
# Sets below this certainty (cross-type) are not ordered by construction.
SURE = 0.8
# Disagreement of the metrics, in severity, at which their mean counts half as much as where they are of one mind.
UNSURE = 0.15


def reference_losses(quality: Tensor, ranks: Tensor, labels: Tensor, certainty: Tensor) -> dict[str, Tensor]:
    """Losses `order`, `agreed`, `consensus` (scalars), and `order_right`, the share of constructed pairs ordered right.

    quality (N, n+1) in levels, 0 for the reference, which is first; ranks (N, n+1); labels (N, n+1, M) loss of quality
    by metric; certainty (N,).
    """
    # order[s, i, j]: in set s, member i is better than member j by construction
    order = (ranks[:, :, None] < ranks[:, None, :]).float() * (certainty[:, None, None] >= SURE)
    difference = quality[:, :, None] - quality[:, None, :]
    flat_labels, flat_quality = labels[:, 1:].flatten(0, 1), quality[:, 1:].flatten()
    apart = flat_labels[None, :] - flat_labels[:, None]  # (m, m, M): loss of quality of j minus that of i
    agreed = (apart > AGREEMENT_MARGIN).all(-1).float()
    return {
        "order": rank_logistic(difference, order),
        "agreed": rank_logistic(flat_quality[:, None] - flat_quality[None, :], agreed),
        "consensus": _sure_mean(
            F.smooth_l1_loss(-quality[:, 1:] / LEVELS, labels.mean(-1)[:, 1:], beta=0.05, reduction="none"),
            labels[:, 1:].std(-1) if labels.shape[-1] > 1 else torch.zeros_like(quality[:, 1:]),
        ),
        "order_right": ((difference > 0).float() * order).sum() / order.sum().clamp_min(1),
    }


def _sure_mean(loss: Tensor, disagreement: Tensor) -> Tensor:
    """Mean of a regression loss that counts less where the metrics disagree (their standard deviation, in severity):
    there the consensus is an accident of who is asked."""
    weight = 1 / (1 + (disagreement / UNSURE) ** 2)
    return (weight * loss).sum() / weight.sum().clamp_min(1e-6)
