"""Stage 3: the heads of the judgement learn, on moments of the frozen backbone, what the reference tells. No human
score.

Signals: order by construction; pairs of a set on which all conventional metrics and the distances of the backbone's
stages agree; the mean of the metrics, which ties the scale to levels; and the severity at every cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.judgement import Judgement, JudgementSums, LocalJudgement
from relational_iqa.networks.local_relation import LocalRelation, LocalRelationHead
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY
from relational_iqa.training.data.stored_moments import MomentBatch, MomentBatches, StoredMoments
from relational_iqa.training.losses.ranked_sets import (
    AGREEMENT_MARGIN,
    certainty_weighted_mean,
    order_by_construction,
    share_in_order,
)
from relational_iqa.training.losses.ranking import rank_logistic

_HUBER = 0.1  # severity; errors below are squared
_MOST_SEVERE = 1.2  # severities above this count as this
_WEIGHED = ("order", "relation", "placed", "consensus", "dense")
CELLS = 64  # of an image that the local heads look at in a step, drawn anew each time


@dataclass(frozen=True)
class JudgementLossWeights:
    """Weights of the parts of the loss.

    Args:
        order: of the pairs that construction or all teachers put in order, by single judgements.
        relation: of the same pairs by the relation heads.
        placed: of the same pairs by the local relation heads.
        consensus: of the regression to the mean of the metrics. Small: metrics that agree about an order differ about
            its size, and judgements that follow the size get the order wrong more often.
        dense: of the severity at every cell, and of the difference of two.
    """

    order: float = 1.0
    relation: float = 1.0
    placed: float = 1.0
    consensus: float = 0.5
    dense: float = 1.0


DEFAULT_WEIGHTS = JudgementLossWeights()


def ordered_pairs(batch: MomentBatch) -> Float[Tensor, "sets members members"]:
    """1 at [s, i, j] where member i of set s is better than member j: by construction or, where that says nothing, when
    all metrics and both distances of the stages say so. The reference is better than every member that differs."""
    order = order_by_construction(batch.ranks, batch.certainty)
    apart = batch.labels[:, None, :] - batch.labels[:, :, None]  # loss of quality of j minus that of i
    deep = batch.distances[:, None, :] - batch.distances[:, :, None]
    agreed = ((apart > AGREEMENT_MARGIN).all(-1) & (deep > 0).all(-1)).float()
    return torch.maximum(order, agreed * (order.transpose(1, 2) == 0))


class JudgementObjective(nn.Module):
    """The heads of a judgement with their loss."""

    def __init__(self, judgement: Judgement, weights: JudgementLossWeights) -> None:
        super().__init__()
        self.judgement = judgement
        self.weights = weights
        judgement.stages.requires_grad_(False)

    def forward(self, batch: MomentBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch and its parts; every head is trained alone."""
        model, (sets, members) = self.judgement, batch.ranks.shape
        moments = batch.moments.flatten(0, 1)
        inputs = model.inputs(moments).flatten(2)
        cells = torch.randperm(inputs.shape[-1], device=inputs.device)[:CELLS]
        quality, weight = model.heads(inputs[..., cells, None])
        chosen = LocalJudgement(quality, weight, moments.flatten(2)[..., cells, None])
        ones = torch.ones_like(weight[:1, :1])
        sums = chosen.sums(ones)
        # The moments of the whole image do not have to be sampled: no head runs over its cells.
        whole = type(sums)(sums.share, moments.mean((2, 3)) * sums.share, sums.weight, sums.value, sums.square)
        pooled = model.quality(whole).view(sets, members, -1)
        order = ordered_pairs(batch)
        target = batch.labels.mean(-1).clamp(0, _MOST_SEVERE)
        disagreement = batch.labels.std(-1)
        severity = batch.severity.flatten(0, 1).flatten(1)[:, None, cells, None].clamp(0, _MOST_SEVERE)
        valid = batch.valid.flatten(0, 1).flatten(1)[:, None, cells, None]
        local = F.smooth_l1_loss(
            -quality / LEVELS_PER_SEVERITY, severity.expand_as(quality), beta=_HUBER, reduction="none"
        )
        parts = {"dense": (valid * local).sum() / (valid.sum() * quality.shape[1]).clamp_min(1.0)}
        orders, regressions, right = [], [], []
        for head in pooled.unbind(-1):
            difference = head[:, :, None] - head[:, None, :]
            orders.append(rank_logistic(difference, order))
            error = F.smooth_l1_loss(-head / LEVELS_PER_SEVERITY, target, beta=_HUBER, reduction="none")
            regressions.append(certainty_weighted_mean(error, disagreement))
            right.append(share_in_order(difference[:, 1:, 1:], order[:, 1:, 1:]))
        margins = self._relations(whole, sets, members)
        apart = (target[:, None, :] - target[:, :, None])[..., None]
        size = F.smooth_l1_loss(margins / LEVELS_PER_SEVERITY, apart.expand_as(margins), beta=_HUBER)
        every = order[..., None].expand_as(margins)
        parts["order"], parts["consensus"] = torch.stack(orders).mean(), torch.stack(regressions).mean() + size
        parts["relation"] = rank_logistic(margins, every)
        parts["right"] = torch.stack(right).mean()
        parts["relation_right"] = share_in_order(margins[:, 1:, 1:], every[:, 1:, 1:])
        self._local_relations(inputs[..., cells, None], order, apart[..., 0], severity, valid, parts)
        loss = sum((getattr(self.weights, name) * parts[name] for name in _WEIGHED), start=0.0)
        return torch.as_tensor(loss), parts

    def _relations(self, whole: JudgementSums, sets: int, members: int) -> Float[Tensor, "sets members members heads"]:
        """Margins of member i over member j of every set, at [s, i, j]."""
        rows = torch.arange(sets * members, device=whole.share.device).view(sets, members)
        first = rows[:, :, None].expand(-1, -1, members).flatten()
        second = rows[:, None, :].expand(-1, members, -1).flatten()
        x = self.judgement.pooled_inputs(whole)
        found = torch.cat([head(x[first], x[second]) for head in self.judgement.relations], 1)
        return found.view(sets, members, members, -1)

    def _local_relations(
        self, inputs: Tensor, order: Tensor, apart: Tensor, severity: Tensor, valid: Tensor, parts: dict[str, Tensor]
    ) -> None:
        """Adds the losses of the local relation heads to `parts`: the order of the pairs of every set, the size of
        their margins, and the difference of the severities at every cell.

        Args:
            inputs: (sets x members, channels, cells, 1).
            order: (sets, members, members), see `ordered_pairs`.
            apart: (sets, members, members) by how much the metrics see a member above another one, in severity.
            severity: (sets x members, 1, cells, 1).
            valid: where it is known, of the same shape.
            parts: losses by name.
        """
        sets, members, _ = order.shape
        i, j = torch.combinations(torch.arange(members, device=order.device)).unbind(1)
        rows = torch.arange(sets * members, device=order.device).view(sets, members)
        first, second = rows[:, i].flatten(), rows[:, j].flatten()
        sign = (order[:, i, j] - order[:, j, i]).flatten()
        known, size = valid[first] * valid[second], apart[:, i, j].flatten()
        step = severity[second] - severity[first]
        orders, sizes, dense, right = [], [], [], []
        seen = ((i > 0) & (j > 0)).repeat(sets)
        for head in cast(Iterable[LocalRelationHead], self.judgement.local_relations):
            own, other = head.project(inputs)
            margin, weight = head.relate((own[first], other[first]), (own[second], other[second]))
            pooled = LocalRelation(margin, weight).sums(torch.ones_like(weight[:1])).margin()[:, 0]
            orders.append(rank_logistic(sign * pooled, sign.abs()))
            sizes.append(F.smooth_l1_loss(pooled / LEVELS_PER_SEVERITY, size, beta=_HUBER))
            error = F.smooth_l1_loss(margin / LEVELS_PER_SEVERITY, step, beta=_HUBER, reduction="none")
            dense.append((known * error).sum() / known.sum().clamp_min(1.0))
            right.append(share_in_order((sign * pooled)[seen], sign.abs()[seen]))
        parts["placed"], parts["placed_right"] = torch.stack(orders).mean(), torch.stack(right).mean()
        parts["consensus"] = parts["consensus"] + torch.stack(sizes).mean()
        parts["dense"] = parts["dense"] + torch.stack(dense).mean()


class JudgementStage:
    """What the trainer needs for stage 3; the items that are counted are images."""

    name = "judgement"

    def __init__(
        self,
        judgement: Judgement,
        stores: Sequence[StoredMoments],
        sets_per_batch: Sequence[int],
        seed: int,
        weights: JudgementLossWeights = DEFAULT_WEIGHTS,
    ) -> None:
        self.model = JudgementObjective(judgement, weights)
        self.batches = MomentBatches(tuple(stores), tuple(sets_per_batch), seed)
        self.items_per_batch = sum(
            count * store.sets.images.shape[1] for count, store in zip(sets_per_batch, stores, strict=True)
        )

    def calibrate(self, batch: MomentBatch) -> None:
        """Brings the inputs of the heads to unit spread."""
        self.model.judgement.calibrate_heads(batch.moments.flatten(0, 1))

    def loss(self, model: nn.Module, batch: MomentBatch, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `JudgementObjective`."""
        loss, parts = model(batch)
        return loss, parts

    def panels(self, batch: MomentBatch) -> Mapping[str, Tensor]:
        """One set: true severity at every cell above what the heads see, white 0, black 1."""
        judgement = self.model.judgement
        quality, _ = judgement.heads(judgement.inputs(batch.moments[0]))
        seen = (1 + quality.mean(1) / LEVELS_PER_SEVERITY).clamp(0, 1)
        true = (1 - batch.severity[0]).clamp(0, 1)
        rows = torch.cat([torch.cat(list(true), -1), torch.cat(list(seen), -1)], -2)
        return {"severity": rows.expand(3, -1, -1)}
