"""Stage 2: the scoring network learns from ranked sets, over the frozen distortion network. No human score.

There are three signals. In the order of their authority, they are the order by construction within a set, the pairs of
the whole batch on which *all* conventional metrics agree, and the mean of the metrics as a regression target, which
ties the scale to severity levels. Where construction and the mean of the metrics disagree, construction has the larger
weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.distortion_network import DistortionNetwork
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY
from relational_iqa.networks.scoring_network import ScoringNetwork
from relational_iqa.training.data.pairs import SetBatch, SetBatches
from relational_iqa.training.losses.ranked_sets import pair_losses, reference_losses


@dataclass(frozen=True)
class ScoringLossWeights:
    """Weights of the parts of the loss.

    Args:
        order: of the order by construction within sets.
        agreed: of the pairs on which all metrics agree.
        consensus: of the regression to the mean of the metrics.
        contrast: of the contrast of the embeddings.
        nothing: of the margin of images that nobody can tell apart, which should be 0.
    """

    order: float = 2.0
    agreed: float = 0.5
    consensus: float = 10.0
    contrast: float = 0.05
    nothing: float = 1.0


DEFAULT_WEIGHTS = ScoringLossWeights()


class ScoringObjective(nn.Module):
    """Frozen distortion network, trained scoring network, and the loss of a batch of sets."""

    def __init__(self, distortion: DistortionNetwork, scoring: ScoringNetwork, weights: ScoringLossWeights) -> None:
        super().__init__()
        self.distortion = distortion.requires_grad_(False)
        self.scoring = scoring
        self.weights = weights

    def forward(
        self, images: Tensor, ranks: Tensor, labels: Tensor, certainty: Tensor, pairs: Tensor, lossless: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch and its parts; the arguments are the fields of `SetBatch`."""
        number, members = images.shape[:2]
        reference = images[:, :1].expand(-1, members - 1, -1, -1, -1).flatten(0, 1)
        quality = self._quality(images[:, 1:].flatten(0, 1), reference).view(number, members - 1)
        quality = F.pad(quality, (1, 0))  # the reference has quality 0 by construction
        parts = reference_losses(quality, ranks, labels, certainty)

        rows = torch.arange(number, device=images.device)[:, None]
        first, second = (images[rows, pairs[..., side]].flatten(0, 1) for side in (0, 1))
        margin, embedding = self._margin(first, second)
        parts |= pair_losses(margin, embedding, pairs, ranks, labels, certainty, quality.detach())
        # Where nothing can be seen nothing is better; half a level weighs as much as the order of a pair that is tied.
        nothing, _ = self._margin(lossless[:, 0], lossless[:, 1])
        parts["nothing"] = F.smooth_l1_loss(nothing, torch.zeros_like(nothing), beta=0.5)
        weights = self.weights
        loss = (
            weights.order * (parts["order"] + parts["pair_order"])
            + weights.agreed * parts["agreed"]
            + weights.consensus * (parts["consensus"] + parts["pair_consensus"])
            + weights.contrast * parts["contrast"]
            + weights.nothing * parts["nothing"]
        )
        return loss, parts

    def _quality(self, test: Tensor, reference: Tensor) -> Tensor:
        with torch.no_grad():
            relation = self.distortion(reference, test)
        local = self.scoring.reference.local(test, reference, relation)
        return self.scoring.reference.quality(local.sums(torch.ones_like(local.weight[:1])))

    def _margin(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            relation = self.distortion(a, b)
        local = self.scoring.pair.local(relation)
        sums = local.sums(torch.ones_like(local.weight[:1]))
        return self.scoring.pair.margin(sums), self.scoring.pair.embedding(sums)


class ScoringStage:
    """Stage 2 as the trainer needs it (see `Stage`).

    Args:
        distortion: the trained distortion network, which is frozen.
        scoring: what is trained.
        sets: ranked sets.
        batch_size: images scored against their reference in a batch, rounded down to whole sets, one or more.
        seed: with the number of a batch, decides what is drawn.
        pairs_per_set: pairs of members of each set, for the mode without reference.
        weights: weights of the parts of the loss.
        keep_scales: whether the network keeps the scales it has instead of being calibrated on the first batch.
    """

    name = "scoring"

    def __init__(
        self,
        distortion: DistortionNetwork,
        scoring: ScoringNetwork,
        sets: StoredSets,
        batch_size: int,
        seed: int,
        pairs_per_set: int = 3,
        weights: ScoringLossWeights = DEFAULT_WEIGHTS,
        keep_scales: bool = False,
    ) -> None:
        self.model = ScoringObjective(distortion, scoring, weights)
        self.keep_scales = keep_scales
        self.members = sets.images.shape[1] - 1
        sets_per_batch = max(1, batch_size // self.members)
        self.items_per_batch = sets_per_batch * self.members
        self.batches = SetBatches(sets, sets_per_batch, seed, pairs_per_set)

    def calibrate(self, batch: SetBatch) -> None:
        """Sets the scales of distances and statistics, unless the network keeps those that it was trained with."""
        if self.keep_scales:
            return
        test = batch.images[:, 1:].flatten(0, 1)
        reference = batch.images[:, :1].expand_as(batch.images[:, 1:]).flatten(0, 1)
        relation = self.model.distortion(reference, test)
        self.model.scoring.reference.calibrate(test, reference, relation)
        other = test.roll(1, 0) if self.members < 2 else _next_member(batch.images)
        self.model.scoring.pair.calibrate(self.model.distortion(test, other))

    def loss(self, model: nn.Module, batch: SetBatch, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `ScoringObjective`."""
        loss, parts = model(*batch)
        return loss, parts

    def panels(self, batch: SetBatch) -> Mapping[str, Tensor]:
        """One set: its images above their local quality (white 0, black -5 levels)."""
        images = batch.images[0]
        reference = images[:1].expand_as(images)
        model = self.model
        local = model.scoring.reference.local(images, reference, model.distortion(reference, images))
        maps = (1 + model.scoring.reference.local_quality(local) / LEVELS_PER_SEVERITY).clamp(0, 1)
        maps = F.interpolate(maps, images.shape[-2:]).expand(-1, 3, -1, -1)
        return {"local_quality": torch.cat([torch.cat(list(images), -1), torch.cat(list(maps), -1)], -2)}


def _next_member(images: Tensor) -> Tensor:
    return images[:, 1:].roll(1, 1).flatten(0, 1)
