"""Stage 4: what joins the judgement of two images and the margin of the pair scorer, and how sure the sum is. No human
score.

All other networks are frozen, so what they say of each pair is computed once. The pairs are of sets that the judgement
was not trained on: on those that it was it would be trusted too much.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.joint_margin import Findings, JointMargin
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY
from relational_iqa.networks.stage_distances import distances_to_first
from relational_iqa.training.data.pairs import lossless, to_images
from relational_iqa.training.losses.ranked_sets import AGREEMENT_MARGIN, CERTAIN
from relational_iqa.training.losses.ranking import rank_logistic

_HUBER = 0.1  # severity; errors below are squared
_SAY_EVERY = 100  # sets
_TEMPERATURES = torch.logspace(-1.5, 1.5, 121)


class JointBatch(NamedTuple):
    """N pairs, and what the frozen networks say of them.

    Attributes:
        judged_a: (N, heads), as in `Findings`.
        judged_b: (N, heads), as in `Findings`.
        related: (N, heads), as in `Findings`.
        placed: (N, heads), as in `Findings`.
        pair: (N,), as in `Findings`.
        kinds: (N, K), as in `Findings`.
        sign: (N,) 1 where the first is better, -1 where the second is, 0 where nobody can tell.
        target: (N,) margin that the metrics see, levels.
    """

    judged_a: Tensor
    judged_b: Tensor
    related: Tensor
    placed: Tensor
    pair: Tensor
    kinds: Tensor
    sign: Tensor
    target: Tensor

    def rows(self, index: Tensor | slice) -> JointBatch:
        """The pairs of these numbers."""
        return JointBatch(*(values[index] for values in self))

    def findings(self) -> Findings:
        """What is to be joined."""
        return Findings(*self[: len(Findings._fields)])

    def exchanged(self) -> JointBatch:
        """The same pairs with the images exchanged."""
        return JointBatch(*self.findings().exchanged(), -self.sign, -self.target)


@dataclass(frozen=True, eq=False)
class JointBatches(Dataset[JointBatch]):
    """Item n: `batch_size` rows, every other one with its images exchanged; a function of (seed, n)."""

    rows: JointBatch
    batch_size: int
    seed: int

    def __getitem__(self, step: int) -> JointBatch:
        rng = np.random.default_rng([self.seed, step, 4])
        count = len(self.rows.sign)
        chosen = self.rows.rows(torch.from_numpy(rng.choice(count, self.batch_size, replace=count < self.batch_size)))
        half = self.batch_size // 2
        same, turned = chosen.rows(slice(None, half)), chosen.rows(slice(half, None)).exchanged()
        return JointBatch(*(torch.cat(both) for both in zip(same, turned, strict=True)))


@torch.inference_mode()
def rows_of_sets(networks: Networks, sets: StoredSets, pairs_per_set: int, seed: int) -> JointBatch:
    """What the networks say of `pairs_per_set` pairs of every set, and of one image of it beside a version that nobody
    can tell from it. Networks without a judgement are refused by ValueError."""
    judgement = networks.judgement
    if judgement is None:
        raise ValueError("these networks have no judgement: nothing is to be joined")
    networks.eval()
    members = sets.images.shape[1]
    every = np.array([(i, j) for i in range(members) for j in range(i + 1, members)])
    parts = []
    for number in range(len(sets)):
        rng = np.random.default_rng([seed, number, 5])
        chosen = rng.permutation(every)[:pairs_per_set]
        pixels = np.array(sets.images[number])
        images = to_images(pixels)
        shown = int(rng.integers(members))
        twin = to_images(lossless(pixels[shown], rng))[None]
        first = torch.cat([images[chosen[:, 0]], images[shown : shown + 1]])
        second = torch.cat([images[chosen[:, 1]], twin])
        local = networks.local_pair(first, second)
        found = networks.findings(local.sums(torch.ones_like(local.margin.weight[:1])))
        deep = distances_to_first(images, judgement.stages).numpy()
        sign, target = teachers(sets, number, chosen, deep)
        parts.append(
            JointBatch(
                *found,
                torch.from_numpy(np.append(sign, 0.0)).float(),
                torch.from_numpy(np.append(target, 0.0)).float(),
            )
        )
        if (number + 1) % _SAY_EVERY == 0:
            print(f"pairs of {number + 1} of {len(sets)} sets", file=sys.stderr, flush=True)
    return JointBatch(*(torch.cat(values).clone() for values in zip(*parts, strict=True)))


def teachers(sets: StoredSets, number: int, pairs: np.ndarray, deep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sign and target margin of pairs (P, 2) of one set: construction where it is sure, else metrics and stages where
    they all agree. deep: (n + 1, 2) distances of the stages to the reference."""
    first, second = pairs[:, 0], pairs[:, 1]
    labels, ranks = sets.labels[number], sets.ranks[number]
    apart = labels[second] - labels[first]  # > 0: the first is better
    apart_deep = deep[second] - deep[first]
    agreed = ((apart > AGREEMENT_MARGIN).all(1) & (apart_deep > 0).all(1)).astype(float)
    agreed -= ((apart < -AGREEMENT_MARGIN).all(1) & (apart_deep < 0).all(1)).astype(float)
    constructed = np.sign(ranks[second] - ranks[first]) * (sets.certainty[number] >= CERTAIN)
    return np.where(constructed != 0, constructed, agreed), LEVELS_PER_SEVERITY * apart.mean(1)


class JointObjective(nn.Module):
    """The joining network with its loss."""

    def __init__(self, joint: JointMargin) -> None:
        super().__init__()
        self.joint = joint

    def forward(self, batch: JointBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss: the order; the level of the metrics; no margin where nobody can tell; and the log-likelihood of the
        confidence."""
        verdict = self.joint(batch.findings())
        ordered = (batch.sign != 0).float()
        right = (verdict.margin.detach() * batch.sign > 0).float()
        likelihood = F.binary_cross_entropy(verdict.confidence, right, weight=ordered, reduction="sum")
        parts = {
            "order": rank_logistic(batch.sign * verdict.margin, ordered),
            "consensus": F.smooth_l1_loss(
                verdict.margin / LEVELS_PER_SEVERITY, batch.target / LEVELS_PER_SEVERITY, beta=_HUBER
            ),
            "confidence": likelihood / ordered.sum().clamp_min(1),
            "right": (right * ordered).sum() / ordered.sum().clamp_min(1),
        }
        return parts["order"] + 5.0 * parts["consensus"] + 0.3 * parts["confidence"], parts


class JointStage:
    """What the trainer needs for stage 4; the items that are counted are pairs."""

    name = "joint"

    def __init__(self, joint: JointMargin, rows: JointBatch, batch_size: int, seed: int) -> None:
        self.model = JointObjective(joint)
        self.items_per_batch = batch_size
        self.batches = JointBatches(rows, batch_size, seed)

    def calibrate(self, batch: JointBatch) -> None:
        """Brings the cues to unit spread."""
        self.model.joint.calibrate(self.batches.rows.findings())

    def loss(self, model: nn.Module, batch: JointBatch, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `JointObjective`."""
        loss, parts = model(batch)
        return loss, parts

    def panels(self, batch: JointBatch) -> Mapping[str, Tensor]:
        """Nothing to look at."""
        return {}


@torch.no_grad()
def set_temperature(joint: JointMargin, rows: JointBatch) -> float:
    """Sets the temperature with which the confidence is most likely on pairs that nothing was trained on (Guo et al.,
    ICML 2017), and returns it."""
    joint.eval()
    known = rows.rows(rows.sign != 0)
    joint.temperature.fill_(1.0)
    verdict = joint(known.findings())
    right = (verdict.margin * known.sign > 0).float()
    joint.temperature.fill_(best_temperature(verdict.confidence, right))
    return float(joint.temperature)


def best_temperature(confidence: Tensor, right: Tensor, weight: Tensor | None = None) -> float:
    """The temperature that makes confidences, in [.5, 1], most likely.

    Args:
        confidence: at the temperature 1.
        right: 1 where an answer is right, 0 where it is wrong, of the same shape.
        weight: of the answers, of the same shape; None for equal ones.
    """
    odds = torch.logit(confidence.clamp(0.5, 1 - 1e-6))
    losses = [
        F.binary_cross_entropy_with_logits(odds / value, right, weight, reduction="sum") for value in _TEMPERATURES
    ]
    return float(_TEMPERATURES[int(torch.stack(losses).argmin())])
