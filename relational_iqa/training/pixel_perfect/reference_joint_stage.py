"""Stage 5: what joins the reference scorer and the stages of the backbone where there is a reference. No human score.

All other networks are frozen, so what they see of each image is computed once, on sets that the heads of the judgement
were not trained on.

Within a set the order is known by construction. Across sets, and for the levels, there are teachers: the conventional
metrics, and the distance of the backbone's stages in structure. How far each of them is to be followed for a kind of
difference is told by how the teachers agree with one another (`teacher_odds`).
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
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY
from relational_iqa.networks.reference_joint import Evidence, ReferenceJoint
from relational_iqa.networks.stage_distances import distances_to_first
from relational_iqa.training.data.pairs import to_images
from relational_iqa.training.losses.ranked_sets import (
    AGREEMENT_MARGIN,
    order_by_construction,
    share_in_order,
)
from relational_iqa.training.losses.ranking import rank_logistic
from relational_iqa.training.pixel_perfect.joint_stage import best_temperature

_HUBER = 0.05  # severity; errors below are squared
_SAY_EVERY = 100  # sets
_BINS = 24  # of the curve from distances of the stages to severity
_VOTED_PAIRS = 40_000  # drawn to see how teachers agree
_AVERAGE_PAIRS = 200.0  # of average agreement that every kind of difference begins with
_FITS = 100  # steps of the rank-one fit
_ADVANTAGE = (0.02, 0.98)  # 2 accuracy - 1, at least and at most
_CLEAR = 0.7  # share of the votes, those against subtracted, from which a pair is in order


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
        evidence = joined_evidence(networks.stages_compared([tests], references)[0], relation.maps, local)
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


def teacher_odds(rows: EvidenceRows, seed: int = 0) -> Float[Tensor, "k teachers"]:
    """Logarithm of the odds that a teacher is right about two images of different sets, by kind of difference:
    what a vote counts. The teachers are the metrics and, last, the stages.

    The probabilities are those of the spectral meta-learner (Parisi et al., PNAS 2014): teachers that err independently
    agree as often as the products of their accuracies say. Each pair counts for a kind by the shares that its images
    have in it; a kind with few pairs is taken for an average one.
    """
    teachers = _teachers(rows).flatten(0, 1)
    share = _shares(rows).flatten(0, 1)
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randint(len(teachers), (2, _VOTED_PAIRS), generator=generator)
    apart = teachers[second] - teachers[first]
    votes = ((apart > AGREEMENT_MARGIN).float() - (apart < -AGREEMENT_MARGIN).float()).double()
    weight = (share[first] * share[second]).sqrt().double()  # (pairs, kinds)
    products = votes[:, :, None] * votes[:, None, :]
    known = (products != 0).double()
    average = _agreement(products.sum(0), known.sum(0))
    odds = []
    for of_pair in weight.unbind(1):
        agreed = (of_pair[:, None, None] * products).sum(0) + _AVERAGE_PAIRS * average
        odds.append(_log_odds(_agreement(agreed, (of_pair[:, None, None] * known).sum(0) + _AVERAGE_PAIRS)))
    return torch.stack(odds).float()


def _agreement(products: Tensor, known: Tensor) -> Tensor:
    return products / known.clamp_min(1e-6)


def _log_odds(agreement: Float[Tensor, "teachers teachers"]) -> Float[Tensor, " teachers"]:
    """Of the rank-one matrix that fits the agreement of different teachers: v v^T with v = 2 accuracy - 1."""
    outside = agreement - torch.diag(agreement.diag())
    v = torch.full((len(agreement),), 0.8, dtype=agreement.dtype)
    for _ in range(_FITS):
        values, vectors = torch.linalg.eigh(outside + torch.diag(v.square()))
        v = (vectors[:, -1] * values[-1].clamp_min(0).sqrt()).abs().clamp(*_ADVANTAGE)
    return torch.log((1 + v) / (1 - v))


def _teachers(rows: EvidenceRows) -> Float[Tensor, "sets members teachers"]:
    return torch.cat([rows.labels, rows.deep[..., None]], -1)


def _shares(rows: EvidenceRows) -> Float[Tensor, "sets members k"]:
    return rows.kinds / rows.kinds.sum(-1, keepdim=True).clamp_min(1e-6)


def clear_votes(odds: Float[Tensor, "m teachers"], teachers: Float[Tensor, "m teachers"]) -> Float[Tensor, "m m"]:
    """1 at [i, j] where the votes for image i to be better than image j, counted by the odds, are clear."""
    apart = teachers[None, :] - teachers[:, None]
    votes = (apart > AGREEMENT_MARGIN).float() - (apart < -AGREEMENT_MARGIN).float()
    weight = odds[:, None] + odds[None, :]
    return ((weight * votes).sum(-1) > _CLEAR * weight.sum(-1)).float()


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
        odds: see `teacher_odds`.
    """

    def __init__(self, joint: ReferenceJoint, odds: Float[Tensor, "k teachers"]) -> None:
        super().__init__()
        self.joint = joint
        self.odds: Tensor
        self.register_buffer("odds", odds, persistent=False)

    def qualities(self, rows: EvidenceRows) -> Float[Tensor, "sets members"]:
        """Qualities of all images, levels."""
        sums = self.joint.local(rows.evidence())
        pooled = sums.sums(torch.ones_like(sums.weight[:1]))
        return self.joint.quality(rows.scorer.flatten(), pooled).view_as(rows.scorer)

    def forward(self, batch: EvidenceRows) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss: the order by construction; pairs of the whole batch on which the votes of the teachers are clear; the
        level of the teachers; and the log-likelihood of the confidence. `batch.deep` is in severity."""
        quality = self.qualities(batch)
        order = order_by_construction(batch.ranks, batch.certainty)
        difference = quality[:, :, None] - quality[:, None, :]
        odds, teachers = (_shares(batch) @ self.odds), _teachers(batch)
        target = (odds * teachers).sum(-1) / odds.sum(-1).clamp_min(1e-6)
        flat = quality.flatten()
        agreed = clear_votes(odds.flatten(0, 1), teachers.flatten(0, 1))
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
        self.model = ReferenceJointObjective(joint, teacher_odds(rows))
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
    objective = ReferenceJointObjective(joint, torch.zeros(rows.kinds.shape[-1], rows.labels.shape[-1] + 1))
    quality = objective.qualities(rows)
    order = order_by_construction(rows.ranks, rows.certainty)
    right = (quality[:, :, None] > quality[:, None, :]).float()
    joint.temperature.fill_(best_temperature(objective._confidence(rows, quality), right, order))
    return float(joint.temperature)
