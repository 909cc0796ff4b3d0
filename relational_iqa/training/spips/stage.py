"""The stages of SPIPS: without labels on ranked sets, on 2AFC triplets, or on mean opinion scores.

Each is an objective (network and loss of a batch) and the few lines that the trainer asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY
from relational_iqa.networks.spips import SpipsNetwork
from relational_iqa.networks.spips_stages import StageSpips
from relational_iqa.training.data.pairs import SetBatch, SetBatches
from relational_iqa.training.losses.ranked_sets import reference_losses
from relational_iqa.training.losses.ranking import rank_logistic
from relational_iqa.training.spips.data import RatedBatch, TripletBatch

_CONTENT_DIMENSIONS = 64
_CONTENT_TEMPERATURE = 0.1
# Two opinion scores nearer than this share of the scale are not put in order.
_MOS_APART = 0.05


@dataclass(frozen=True)
class SpipsLossWeights:
    """Weights of the parts of the loss in the ranked mode.

    Args:
        order: see `reference_losses`.
        agreed: see `reference_losses`.
        consensus: see `reference_losses`.
        content: of the content loss, for a backbone that is trained: its last stage must recognise the photograph
            whatever was done to it, which makes that stage semantic without labels.
    """

    order: float = 1.0
    agreed: float = 0.5
    consensus: float = 10.0
    content: float = 1.0


class RankedObjective(nn.Module):
    """Loss of a batch of ranked sets."""

    def __init__(self, network: SpipsNetwork, weights: SpipsLossWeights) -> None:
        super().__init__()
        self.network, self.weights = network, weights
        backbone = network.backbone
        learns = backbone is not None and any(p.requires_grad for p in backbone.parameters())
        self.content: nn.Linear | None = None
        if backbone is not None and learns and weights.content > 0 and "semantic" in network.streams:
            self.content = nn.Linear(backbone.channels[-1], _CONTENT_DIMENSIONS, bias=False)

    def forward(
        self, images: Tensor, ranks: Tensor, labels: Tensor, certainty: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch and its parts; the arguments are the first four fields of `SetBatch`."""
        number, members = images.shape[:2]
        quality = self.network(images[:, 1:].flatten(0, 1), images[:, 0]).view(number, members - 1)
        quality = F.pad(quality, (1, 0))  # the reference has quality 0 by construction
        weights = self.weights
        parts = reference_losses(quality, ranks, labels, certainty)
        loss = weights.order * parts["order"] + weights.agreed * parts["agreed"]
        loss = loss + weights.consensus * parts["consensus"]
        if self.content is not None:
            parts["content"] = self._content_loss(self.content, images)
            loss = loss + weights.content * parts["content"]
        return loss, parts

    def _content_loss(self, head: nn.Linear, images: Tensor) -> Tensor:
        """InfoNCE (van den Oord et al., arXiv:1807.03748), both ways: the reference must find its most damaged member
        among those of the other sets."""
        backbone = self.network.backbone
        if backbone is None or len(images) < 2:
            return images.new_zeros(())
        views = [backbone.features(images[:, index])[-1].mean((2, 3)) for index in (0, -1)]
        first, second = (F.normalize(head(view), dim=1) for view in views)
        logits = first @ second.T / _CONTENT_TEMPERATURE  # (N, N)
        same = torch.arange(len(images), device=images.device)
        return (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2


class TripletObjective(nn.Module):
    """Loss of a batch of 2AFC triplets: P(p1 preferred) = sigmoid(slope * (quality of p1 - quality of p0)).

    The slope > 0 is the only parameter besides the network (Bradley and Terry 1952). Equal images therefore have a
    probability of exactly 1/2, and swapping them negates the difference. The small network that LPIPS uses in place of
    the slope has neither property and is discarded after training.
    """

    def __init__(self, network: SpipsNetwork | StageSpips) -> None:
        super().__init__()
        self.network = network
        self.log_slope = nn.Parameter(torch.zeros(()))

    def forward(self, reference: Tensor, p0: Tensor, p1: Tensor, share: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a `TripletBatch` and its parts; `agreement` is the 2AFC score of BAPPS."""
        both = torch.stack([p0, p1], 1).flatten(0, 1)
        quality = self.network(both, reference).view(-1, 2)
        difference = quality[:, 1] - quality[:, 0]
        loss = F.binary_cross_entropy_with_logits(self.log_slope.exp() * difference, share)
        return loss, {"agreement": two_afc(difference, share).mean()}


class MosObjective(nn.Module):
    """Loss of a batch of rated images; the five levels of quality are mapped linearly to `network.mos_range`."""

    def __init__(self, network: SpipsNetwork | StageSpips) -> None:
        super().__init__()
        self.network = network

    def forward(self, test: Tensor, reference: Tensor, score: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a `RatedBatch` and its parts."""
        low, high = self.network.mos_range
        quality = self.network(test, reference)
        target = LEVELS_PER_SEVERITY * (score - high) / (high - low)
        order = (target[:, None] - target[None, :] > LEVELS_PER_SEVERITY * _MOS_APART).float()
        parts = {
            "regression": F.smooth_l1_loss(quality / LEVELS_PER_SEVERITY, target / LEVELS_PER_SEVERITY, beta=0.05),
            "order": rank_logistic(quality[:, None] - quality[None, :], order),
        }
        return 10 * parts["regression"] + 0.5 * parts["order"], parts


class SpipsStage:
    """What the trainer needs (see `Stage`), for any of the three objectives.

    Args:
        objective: network and loss of a batch.
        batches: dataset whose item n is batch n.
        pairs: takes a batch, returns test images and references, (B, 3, S, S) each, for calibration and panels.
        fields: how many of the first fields of a batch the objective takes.
        items_per_batch: test images or pairs of a batch, for the rate that is shown.
        keep_scales: whether the network keeps the scales it has instead of being calibrated on the first batch.
    """

    name = "spips"

    def __init__(
        self,
        objective: RankedObjective | TripletObjective | MosObjective,
        batches: Dataset[Any],
        pairs: Callable[[Any], tuple[Tensor, Tensor]],
        fields: int,
        items_per_batch: int,
        keep_scales: bool = False,
    ) -> None:
        self.model = objective
        self.items_per_batch, self.keep_scales = items_per_batch, keep_scales
        self.batches, self._pairs, self._fields = batches, pairs, fields

    def calibrate(self, batch: Any) -> None:
        """Scales of the pooled maps; a network that was trained before keeps its own."""
        if not self.keep_scales:
            self.model.network.calibrate(*self._pairs(batch))

    def loss(self, model: nn.Module, batch: Any, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See the objectives."""
        loss, parts = model(*batch[: self._fields])
        return loss, parts

    def panels(self, batch: Any) -> Mapping[str, Tensor]:
        """Four test images above their fused difference maps (white where nothing differs)."""
        test, reference = (images[:4] for images in self._pairs(batch))
        fused = F.interpolate(self.model.network.local(test, reference).fused, test.shape[-2:])
        maps = (1 - 4 * fused).clamp(0, 1).expand(-1, 3, -1, -1)
        return {"difference": torch.cat([torch.cat(list(test), -1), torch.cat(list(maps), -1)], -2)}


def ranked_stage(
    network: SpipsNetwork,
    sets: StoredSets,
    batch_size: int,
    seed: int,
    weights: SpipsLossWeights,
    keep_scales: bool = False,
) -> SpipsStage:
    """The stage of the mode "ranked", without labels of people.

    Args:
        network: what is trained.
        sets: ranked sets.
        batch_size: test images of a batch, rounded down to whole sets; a batch has at least two sets.
        seed: with the number of a batch, decides what is drawn.
        weights: weights of the parts of the loss.
        keep_scales: see `SpipsStage`.
    """
    members = sets.images.shape[1] - 1
    number = max(2, batch_size // members)

    def pairs(batch: SetBatch) -> tuple[Tensor, Tensor]:
        return batch.images[:, 1:].flatten(0, 1), batch.images[:, 0].repeat_interleave(members, 0)

    return SpipsStage(RankedObjective(network, weights), SetBatches(sets, number, seed), pairs, 4,
                      number * members, keep_scales)  # fmt: skip


def triplet_stage(
    network: SpipsNetwork | StageSpips, batches: Dataset[TripletBatch], batch_size: int, keep_scales: bool
) -> SpipsStage:
    """The stage of the mode "triplets", on 2AFC judgments; `keep_scales`: see `SpipsStage`."""
    return SpipsStage(TripletObjective(network), batches, lambda batch: (batch.p0, batch.reference), 4, batch_size,
                      keep_scales)  # fmt: skip


def mos_stage(
    network: SpipsNetwork | StageSpips, batches: Dataset[RatedBatch], batch_size: int, keep_scales: bool
) -> SpipsStage:
    """The stage of the mode "mos", on opinion scores. Set `network.mos_range` first; `keep_scales`: see
    `SpipsStage`."""
    return SpipsStage(MosObjective(network), batches, lambda batch: (batch.test, batch.reference), 3, batch_size,
                      keep_scales)  # fmt: skip


def two_afc(difference: Tensor, share: Tensor) -> Tensor:
    """Share of people on the side of the metric, per triplet (BAPPS): difference > 0 where it prefers p1, 0 half."""
    prefers = (1 + torch.sign(difference.detach())) / 2
    return share * prefers + (1 - share) * (1 - prefers)
