"""Whom SPIPS learns from beside the order by construction: two families of teachers, the conventional metrics and the
distance of the backbone's stages in structure. No human score.

Metrics err together, and so do stages, so a family has one voice. Stages know an order within a scene, but are poor
across scenes (`experiments/NOTES.md`, session 8): they are brought to the mean level of the metrics in every set. How
far a family is followed for a kind of difference is told by how often it has the constructed order right.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from relational_iqa.training.losses.ranked_sets import AGREEMENT_MARGIN, order_by_construction
from relational_iqa.training.pixel_perfect.reference_joint_stage import as_severity

_AVERAGE_PAIRS = 200.0  # of average accuracy that every kind of difference begins with
_SUREST = 0.99  # accuracy, at most


class Teachers(NamedTuple):
    """What the teachers say of N ranked sets of n images, in severity.

    Attributes:
        metrics: (N, n, M) loss of quality by metric.
        stages: (N, n) loss of quality by the stages, of the mean level of the metrics in each set.
        trust: (N, n) share of the metrics, against the stages, for the kinds of difference of each image.
    """

    metrics: Tensor
    stages: Tensor
    trust: Tensor

    @property
    def level(self) -> Float[Tensor, "sets members"]:
        """Of both families, each as far as it is trusted."""
        return self.trust * self.metrics.mean(-1) + (1 - self.trust) * self.stages

    @property
    def disagreement(self) -> Float[Tensor, "sets members"]:
        """Standard deviation of the two families."""
        return (self.metrics.mean(-1) - self.stages).abs() / 2


def teachers(
    labels: Float[Tensor, "sets members metrics"],
    deep: Float[Tensor, "sets members"],
    kinds: Float[Tensor, "sets members k"],
    ranks: Tensor,
    certainty: Float[Tensor, " sets"],
) -> Teachers:
    """The teachers of ranked sets.

    Args:
        labels: loss of quality by metric, in severity.
        deep: distance of the stages.
        kinds: strength of every kind of difference.
        ranks: lower is better.
        certainty: of the order by construction.
    """
    consensus = labels.mean(-1)
    stages = as_severity(deep, consensus)
    stages = stages * (consensus.mean(1, keepdim=True) / stages.mean(1, keepdim=True).clamp_min(1e-6))
    share = kinds / kinds.sum(-1, keepdim=True).clamp_min(1e-6)
    odds = torch.stack([odds_by_kind(family, share, ranks, certainty) for family in (consensus, stages)])
    votes = share @ odds.T  # (sets, members, families)
    known = votes.sum(-1).clamp_min(1e-6)
    trust = torch.where(votes.sum(-1) > 0, votes[..., 0] / known, torch.full_like(known, 0.5))
    return Teachers(labels, stages, trust)


def odds_by_kind(
    loss: Float[Tensor, "sets members"],
    share: Float[Tensor, "sets members k"],
    ranks: Tensor,
    certainty: Float[Tensor, " sets"],
) -> Float[Tensor, " k"]:
    """Logarithm of the odds that a family has two images in their constructed order, by kind of difference.

    Each pair counts for a kind by the shares that its images have in it; a kind with few pairs is taken for an average
    one.
    """
    order = order_by_construction(ranks, certainty)
    right = (loss[:, :, None] < loss[:, None, :]).float()
    average = (order * right).sum() / order.sum().clamp_min(1)
    weight = torch.einsum("sij,sik,sjk->sijk", order, share.sqrt(), share.sqrt())
    counted = weight.sum((0, 1, 2)) + _AVERAGE_PAIRS
    accuracy = ((weight * right[..., None]).sum((0, 1, 2)) + _AVERAGE_PAIRS * average) / counted
    return torch.logit(accuracy.clamp(0.5 + 1e-3, _SUREST))


def certain_pairs(found: Teachers) -> Float[Tensor, "m m"]:
    """1 at [i, j] where image i of a batch is better than image j for certain: all metrics say so, and within a set
    the stages do too."""
    sets, members = found.stages.shape
    metrics, stages = found.metrics.flatten(0, 1), found.stages.flatten()
    unanimous = (metrics[None, :] - metrics[:, None] > AGREEMENT_MARGIN).all(-1)
    seen = stages[None, :] > stages[:, None]
    number = torch.arange(sets, device=stages.device).repeat_interleave(members)
    return (unanimous & (seen | (number[:, None] != number[None, :]))).float()
