"""Stage 5: what joins the reference scorer and the stages of the backbone where there is a reference. No human score.

All other networks are frozen, so what they see of each image is computed once, on sets that the heads of the judgement
were not trained on.

Two families of teachers tie the scale to levels: conventional metrics, and the distance of the backbone's stages in
structure. Which of them to follow is told for every kind of difference by sets whose order is known by construction:
there the family counts more that gets more of those pairs right.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Dataset

from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.pixel_perfect import Networks, joined_evidence
from relational_iqa.networks.reference_joint import Evidence, ReferenceJoint
from relational_iqa.networks.scoring_network import LEVELS_PER_SEVERITY
from relational_iqa.networks.stage_distances import distances_to_first
from relational_iqa.training.data.pairs import to_images
from relational_iqa.training.losses.ranked_sets import (
    AGREEMENT_MARGIN,
    order_by_construction,
    share_in_order,
)
from relational_iqa.training.losses.ranking import rank_logistic
from relational_iqa.training.pixel_perfect.joint_stage import TEMPERATURES

_HUBER = 0.05  # severity; errors below are squared
_SAY_EVERY = 100  # sets
_BINS = 24  # of the curve from distances of the stages to severity
_LEAST_PAIRS = 8.0  # with which the share of right pairs of a kind of difference begins, half of them right
_TRUST = (0.1, 0.9)  # of either family at least and at most


class EvidenceRows(NamedTuple):
    """N ranked sets of n images and what the frozen networks see of each beside its reference, which is left out.

    Attributes:
        distances: (N, n, D, h, w) half precision, see `Evidence`.
        context: (N, n, C, h, w) half precision, see `Evidence`.
        scorer: (N, n) quality that the reference scorer sees, levels.
        ranks: (N, n) lower is better.
        labels: (N, n, M) loss of quality by metric, in severity.
        deep: (N, n) distance of the backbone's stages in structure.
        kinds: (N, n, K) true mean strength of every kind of difference.
        certainty: (N,) of the order by construction.
    """

    distances: Tensor
    context: Tensor
    scorer: Tensor
    ranks: Tensor
    labels: Tensor
    deep: Tensor
    kinds: Tensor
    certainty: Tensor

    def rows(self, index: Tensor | slice) -> EvidenceRows:
        """The sets of these numbers."""
        return EvidenceRows(*(values[index] for values in self))

    def evidence(self) -> Evidence:
        """Of all images in a row."""
        return Evidence(self.distances.flatten(0, 1).float(), self.context.flatten(0, 1).float())


@torch.inference_mode()
def evidence_of_sets(networks: Networks, sets: StoredSets) -> EvidenceRows:
    """What the networks see of every image of the sets. Networks without a judgement are refused by ValueError."""
    judgement = networks.judgement
    if judgement is None:
        raise ValueError("these networks have no judgement: nothing is to be joined")
    networks.eval()
    scorer, found = networks.scoring.reference, []
    for number in range(len(sets)):
        images = to_images(np.array(sets.images[number]))
        tests, references = images[1:], images[:1].expand_as(images[1:])
        relation = networks.distortion(references, tests)
        local = scorer.local(tests, references, relation)
        evidence = joined_evidence(networks.stages_compared(tests, references), relation.maps, local)
        kinds = np.abs(np.array(sets.fields[number]).astype(np.float32)).mean((2, 3))[1:] / 127
        found.append(
            EvidenceRows(
                evidence.distances.half(),
                evidence.context.half(),
                scorer.quality(local.sums(torch.ones_like(local.weight[:1]))),
                torch.from_numpy(sets.ranks[number][1:]),
                torch.from_numpy(sets.labels[number][1:]),
                distances_to_first(images, judgement.stages)[1:, 0],
                torch.from_numpy(kinds),
                torch.tensor(sets.certainty[number]),
            )
        )
        if (number + 1) % _SAY_EVERY == 0:
            print(f"evidence of {number + 1} of {len(sets)} sets", file=sys.stderr, flush=True)
    return EvidenceRows(*(torch.stack(values).clone() for values in zip(*found, strict=True)))


def as_severity(distance: Float[Tensor, "*n"], labels: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Distances on the scale of severity: a rising curve through the medians of `labels` in bins of equally many
    distances, from 0 at 0; beyond the last of them in proportion."""
    order = torch.argsort(distance.flatten())
    x, y = distance.flatten()[order].double().numpy(), labels.flatten()[order].double().numpy()
    parts = np.array_split(np.arange(len(x)), min(_BINS, len(x)))
    knots = np.array([0.0, *(np.median(x[part]) for part in parts)])
    heights = np.maximum.accumulate([0.0, *(np.median(y[part]) for part in parts)])
    values = distance.double().numpy()
    beyond = np.maximum(values / max(knots[-1], 1e-12), 1.0)
    return torch.from_numpy(np.interp(values, knots, heights) * beyond).to(distance.dtype)


def teacher_trust(rows: EvidenceRows) -> Float[Tensor, " k"]:
    """How much the distance of the stages counts beside the metrics, for every kind of difference, in [.1, .9].

    The ratio of the log-odds of being right in pairs that are ordered by construction, each pair counting for a kind by
    its share in the pair's differences.
    """
    order = order_by_construction(rows.ranks, rows.certainty)
    share = rows.kinds[:, :, None] + rows.kinds[:, None, :]
    weight = order[..., None] * share / share.sum(-1, keepdim=True).clamp_min(1e-6)
    odds = []
    for loss in (rows.labels.mean(-1), rows.deep):
        right = (loss[:, None, :] > loss[:, :, None]).float()[..., None]
        total = weight.sum((0, 1, 2)) + _LEAST_PAIRS
        odds.append(torch.logit(((weight * right).sum((0, 1, 2)) + _LEAST_PAIRS / 2) / total).clamp_min(1e-3))
    conventional, deep = odds
    return (deep / (conventional + deep)).clamp(*_TRUST)


@dataclass(frozen=True, eq=False)
class EvidenceBatches(Dataset[EvidenceRows]):
    """Item n: `sets_per_batch` sets, a function of (seed, n)."""

    rows: EvidenceRows
    sets_per_batch: int
    seed: int

    def __getitem__(self, step: int) -> EvidenceRows:
        rng = np.random.default_rng([self.seed, step, 6])
        count = len(self.rows.certainty)
        chosen = rng.choice(count, self.sets_per_batch, replace=count < self.sets_per_batch)
        return self.rows.rows(torch.from_numpy(chosen))


class ReferenceJointObjective(nn.Module):
    """The joint with its loss.

    Args:
        joint: what is trained.
        trust: see `teacher_trust`.
    """

    def __init__(self, joint: ReferenceJoint, trust: Float[Tensor, " k"]) -> None:
        super().__init__()
        self.joint = joint
        self.trust: Tensor
        self.register_buffer("trust", trust, persistent=False)

    def qualities(self, rows: EvidenceRows) -> Float[Tensor, "sets members"]:
        """Qualities of all images, levels."""
        sums = self.joint.local(rows.evidence())
        pooled = sums.sums(torch.ones_like(sums.weight[:1]))
        return self.joint.quality(rows.scorer.flatten(), pooled).view_as(rows.scorer)

    def forward(self, batch: EvidenceRows) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss: the order by construction; pairs of the whole batch of which all teachers think alike; the level of the
        teachers; and the log-likelihood of the confidence. `batch.deep` is in severity."""
        quality = self.qualities(batch)
        order = order_by_construction(batch.ranks, batch.certainty)
        difference = quality[:, :, None] - quality[:, None, :]
        teachers = torch.cat([batch.labels, batch.deep[..., None]], -1).flatten(0, 1)
        agreed = (teachers[None, :] - teachers[:, None] > AGREEMENT_MARGIN).all(-1).float()
        flat = quality.flatten()
        share = batch.kinds / batch.kinds.sum(-1, keepdim=True).clamp_min(1e-6)
        deep = (share * self.trust).sum(-1)
        target = (1 - deep) * batch.labels.mean(-1) + deep * batch.deep
        confidence = self._confidence(batch, quality)
        right = (difference.detach() > 0).float()
        likelihood = F.binary_cross_entropy(confidence, right, weight=order, reduction="sum")
        parts = {
            "order": rank_logistic(difference, order),
            "agreed": rank_logistic(flat[:, None] - flat[None, :], agreed),
            "consensus": F.smooth_l1_loss(-quality / LEVELS_PER_SEVERITY, target, beta=_HUBER),
            "confidence": likelihood / order.sum().clamp_min(1),
            "right": share_in_order(difference, order),
        }
        return parts["order"] + 0.5 * parts["agreed"] + 3.0 * parts["consensus"] + 0.3 * parts["confidence"], parts

    def _confidence(self, rows: EvidenceRows, quality: Tensor) -> Float[Tensor, "sets members members"]:
        both = quality.detach(), rows.scorer
        first, second = ([x.unsqueeze(dim).expand(-1, *[x.shape[1]] * 2).flatten() for x in both] for dim in (2, 1))
        found = self.joint.confidence((first[0], first[1]), (second[0], second[1]))
        return found.view(*quality.shape, quality.shape[1])


class ReferenceJointStage:
    """What the trainer needs for stage 5; the items that are counted are images."""

    name = "reference_joint"

    def __init__(self, joint: ReferenceJoint, rows: EvidenceRows, batch_size: int, seed: int) -> None:
        rows = rows._replace(deep=as_severity(rows.deep, rows.labels.mean(-1)))
        self.model = ReferenceJointObjective(joint, teacher_trust(rows))
        sets_per_batch = max(1, batch_size // rows.scorer.shape[1])
        self.items_per_batch = sets_per_batch * rows.scorer.shape[1]
        self.batches = EvidenceBatches(rows, sets_per_batch, seed)

    def calibrate(self, batch: EvidenceRows) -> None:
        """Brings distances and context to one scale."""
        self.model.joint.calibrate(batch.evidence())

    def loss(self, model: nn.Module, batch: EvidenceRows, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `ReferenceJointObjective`."""
        loss, parts = model(batch)
        return loss, parts

    def panels(self, batch: EvidenceRows) -> Mapping[str, Tensor]:
        """Nothing to look at."""
        return {}


@torch.no_grad()
def set_order_temperature(joint: ReferenceJoint, rows: EvidenceRows) -> float:
    """Sets the temperature with which the confidence of the order is most likely on sets that nothing was trained on,
    and returns it."""
    joint.eval()
    joint.temperature.fill_(1.0)
    objective = ReferenceJointObjective(joint, torch.zeros(rows.kinds.shape[-1]))
    quality = objective.qualities(rows)
    order = order_by_construction(rows.ranks, rows.certainty)
    right = (quality[:, :, None] > quality[:, None, :]).float()
    odds = torch.logit(objective._confidence(rows, quality).clamp(0.5, 1 - 1e-6))
    losses = [
        F.binary_cross_entropy_with_logits(odds / value, right, weight=order, reduction="sum") for value in TEMPERATURES
    ]
    best = TEMPERATURES[int(torch.stack(losses).argmin())]
    joint.temperature.copy_(best)
    return float(best)
