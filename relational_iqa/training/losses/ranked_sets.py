"""Losses of scores on ranked sets, with and without a reference; no human score.

There are three signals. In the order of their authority, they are the order by construction within a set, the pairs of
the whole batch on which *all* conventional metrics agree, and the mean of the metrics as a regression target, which
ties the scale to severity levels.

The first member of a set is its reference.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY
from relational_iqa.training.losses.ranking import rank_logistic, rank_n_contrast

# Metrics agree on a pair when each of them sees it the same way round by more than this (a tenth of a level).
AGREEMENT_MARGIN = 0.02
# Sets below this certainty (cross-type) are not ordered by construction.
CERTAIN = 0.8
# Disagreement of the metrics, in severity, at which their mean counts half as much as where they are of one mind.
HALF_WEIGHT_DISAGREEMENT = 0.15
_HUBER = 0.05  # severity; errors below are squared


def order_by_construction(
    ranks: Int[Tensor, "sets members"], certainty: Float[Tensor, " sets"]
) -> Float[Tensor, "sets members members"]:
    """1 at [s, i, j] where member i of set s is better than member j by construction, else 0."""
    return (ranks[:, :, None] < ranks[:, None, :]).float() * (certainty[:, None, None] >= CERTAIN)


def share_in_order(difference: Float[Tensor, "*pairs"], weight: Float[Tensor, "*pairs"]) -> Float[Tensor, ""]:
    """Share of pairs whose difference (better minus worse) is above 0, weighted; 0 where all weights are 0."""
    return ((difference > 0).float() * weight).sum() / weight.sum().clamp_min(1)


def certainty_weighted_mean(loss: Float[Tensor, "*n"], disagreement: Float[Tensor, "*n"]) -> Float[Tensor, ""]:
    """Mean of a regression loss that counts less where the metrics disagree.

    Where they disagree, their mean depends on which metrics were chosen. The disagreement is the standard deviation of
    the metrics, in severity.
    """
    weight = 1 / (1 + (disagreement / HALF_WEIGHT_DISAGREEMENT) ** 2)
    return (weight * loss).sum() / weight.sum().clamp_min(1e-6)


def reference_losses(
    quality: Float[Tensor, "sets members"],
    ranks: Int[Tensor, "sets members"],
    labels: Float[Tensor, "sets members metrics"],
    certainty: Float[Tensor, " sets"],
) -> dict[str, Float[Tensor, ""]]:
    """Losses of scores with a reference.

    Args:
        quality: in levels, 0 for the reference.
        ranks: lower is better.
        labels: loss of quality according to each conventional metric, in severity.
        certainty: certainty of the order by construction, in (0, 1].

    Returns:
        A dictionary of scalars:
            order: pairwise logistic loss over the pairs of each set that are ordered by construction.
            agreed: the same over the pairs of the whole batch on which all metrics agree.
            consensus: Huber loss against the mean of the metrics.
            order_right: share of the pairs ordered by construction that are in order.
    """
    order = order_by_construction(ranks, certainty)
    difference = quality[:, :, None] - quality[:, None, :]
    flat_labels, flat_quality = labels[:, 1:].flatten(0, 1), quality[:, 1:].flatten()
    apart = flat_labels[None, :] - flat_labels[:, None]  # (m, m, M): loss of quality of j minus that of i
    agreed = (apart > AGREEMENT_MARGIN).all(-1).float()
    severity = -quality[:, 1:] / LEVELS_PER_SEVERITY
    return {
        "order": rank_logistic(difference, order),
        "agreed": rank_logistic(flat_quality[:, None] - flat_quality[None, :], agreed),
        "consensus": certainty_weighted_mean(
            F.smooth_l1_loss(severity, labels.mean(-1)[:, 1:], beta=_HUBER, reduction="none"),
            labels[:, 1:].std(-1) if labels.shape[-1] > 1 else torch.zeros_like(severity),
        ),
        "order_right": share_in_order(difference, order),
    }


def pair_losses(
    margin: Float[Tensor, " rows"],
    embedding: Float[Tensor, "rows e"],
    pairs: Int[Tensor, "sets pairs 2"],
    ranks: Int[Tensor, "sets members"],
    labels: Float[Tensor, "sets members metrics"],
    certainty: Float[Tensor, " sets"],
    quality: Float[Tensor, "sets members"],
) -> dict[str, Float[Tensor, ""]]:
    """Losses of margins without a reference.

    Args:
        margin: predicted margin of each pair of each set, in levels, > 0 where its first member is better.
        embedding: relation embedding of each pair of each set.
        pairs: members of each set that are compared.
        ranks: see `reference_losses`.
        labels: see `reference_losses`.
        certainty: see `reference_losses`.
        quality: scores of the same members with a reference, in levels; pass them detached, as they are targets.

    Returns:
        A dictionary of scalars:
            pair_order: pairwise logistic loss; the order is that of construction, or else what all metrics agree on.
            pair_consensus: Huber loss against the mean of the margin with a reference and that of the metrics.
            contrast: Rank-N-Contrast of the embeddings, by the same target.
            pair_right: share of the ordered pairs that are in order.
    """
    rows = torch.arange(len(ranks), device=ranks.device)[:, None]
    first, second = pairs[..., 0], pairs[..., 1]
    consensus = labels.mean(-1)
    apart = (labels[rows, second] - labels[rows, first]).flatten(0, 1)  # (N P, M) > 0: the first is better
    certain = (certainty[rows] >= CERTAIN).expand_as(first)
    constructed = ((ranks[rows, second] - ranks[rows, first]) * certain).flatten()  # > 0: the first is better
    agreed = (apart > AGREEMENT_MARGIN).all(-1).float() - (apart < -AGREEMENT_MARGIN).all(-1).float()
    sign = torch.where(constructed != 0, torch.sign(constructed).float(), agreed)
    # The mode without a reference learns the verdict of the mode with one, steadied by the consensus.
    target = (quality[rows, first] - quality[rows, second]).flatten()
    target = 0.5 * target + 0.5 * LEVELS_PER_SEVERITY * (consensus[rows, second] - consensus[rows, first]).flatten()
    ordered = (sign != 0).float()
    severities = margin / LEVELS_PER_SEVERITY, target / LEVELS_PER_SEVERITY
    return {
        "pair_order": rank_logistic(sign * margin, ordered),
        "pair_consensus": F.smooth_l1_loss(*severities, beta=_HUBER),
        "contrast": rank_n_contrast(embedding, target),
        "pair_right": share_in_order(sign * margin, ordered),
    }
