"""The pMOS stage: maps, weights and image scores are learned from pseudo-labels of the engine, without any human score.

The dense loss lets the map fall where the field says that there is damage, and stay where there is none. The image loss
compares the weighted mean with the mean of the conventional metrics; through it the ROI branch learns where damage
matters. The order loss compares the members of a set, whose order is known by construction. A prior keeps the weights
near uniform and smooth: otherwise they would hide the errors of the map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.pmos_head import MOS_MAX, MOS_MIN, MosMaps, full_resolution, image_mos, thumbnail
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.networks.scoring_network import LEVELS_PER_SEVERITY
from relational_iqa.training.losses.opinion_maps import dense_loss, map_correlation, roi_entropy_gap, roi_roughness
from relational_iqa.training.losses.ranked_sets import order_by_construction, share_in_order
from relational_iqa.training.losses.ranking import rank_logistic
from relational_iqa.training.pmos.mos_labels import NO_RECOLOURING, MosBatch, MosBatches, Recolouring

_LEVELS_PER_MOS = LEVELS_PER_SEVERITY / (MOS_MAX - MOS_MIN)
_SHOWN = 3


@dataclass(frozen=True)
class PmosLossWeights:
    """Weights of the parts of the loss.

    Args:
        dense: of the MOS map against the field.
        image: of the pooled score against the consensus of the metrics.
        order: of the order within a set.
        entropy: of the prior that keeps the region-of-interest weights near uniform.
        shape: of the prior that keeps them smooth.
    """

    dense: float = 2.0
    image: float = 1.0
    order: float = 0.3
    entropy: float = 0.05
    shape: float = 0.02


DEFAULT_WEIGHTS = PmosLossWeights()


class PmosObjective(nn.Module):
    """The network with its loss, so that a wrapped (distributed, mixed precision) module returns plain tensors."""

    def __init__(self, network: PmosNetwork, weights: PmosLossWeights) -> None:
        super().__init__()
        self.network = network
        self.weights = weights

    def forward(
        self,
        images: Tensor,
        mos: Tensor,
        valid: Tensor,
        label: Tensor,
        ranks: Tensor,
        certainty: Tensor,
        thumbnail_of: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch and its parts; the arguments are the fields of `MosBatch`, `label` being its `image_mos`."""
        number, members = images.shape[:2]
        rows = torch.arange(number, device=images.device)[:, None]
        shown = images[rows, thumbnail_of].flatten(0, 1)
        maps = self.network(images.flatten(0, 1), thumbnail(shown))
        side = images.shape[-1]
        score = image_mos(full_resolution(maps, side, side)).view(number, members)
        order = order_by_construction(ranks, certainty)
        ahead = (score[:, :, None] - score[:, None, :]) * _LEVELS_PER_MOS
        parts = {
            "dense": dense_loss(maps.mos, mos.flatten(0, 1), valid.flatten(0, 1)),
            "image": F.smooth_l1_loss(score, label, beta=0.5),
            "order": rank_logistic(ahead, order),
            "entropy": roi_entropy_gap(maps.roi),
            "shape": roi_roughness(maps.roi),
        }
        loss = torch.stack([getattr(self.weights, name) * value for name, value in parts.items()]).sum()
        parts["order_right"] = share_in_order(ahead, order)
        parts["map_correlation"] = map_correlation(maps.mos.detach(), mos.flatten(0, 1), valid.flatten(0, 1))
        return loss, parts


class PmosStage:
    """The stage of pMOS as the trainer needs it (see `Stage`).

    Args:
        network: what is trained.
        sets: ranked sets.
        batch_size: images of a batch, rounded down to whole sets, one or more.
        seed: with the number of a batch, decides what is drawn.
        weights: weights of the parts of the loss.
        keep_scales: whether the network keeps the scales it has instead of being calibrated on the first batch.
        recolour: colour augmentation of whole sets.
    """

    name = "pmos"

    def __init__(
        self,
        network: PmosNetwork,
        sets: StoredSets,
        batch_size: int,
        seed: int,
        weights: PmosLossWeights = DEFAULT_WEIGHTS,
        keep_scales: bool = False,
        recolour: Recolouring = NO_RECOLOURING,
    ) -> None:
        self.model = PmosObjective(network, weights)
        self.keep_scales = keep_scales
        members = sets.images.shape[1]
        sets_per_batch = max(1, batch_size // members)
        self.items_per_batch = sets_per_batch * members
        self.batches = MosBatches(sets, sets_per_batch, seed, recolour)

    def calibrate(self, batch: MosBatch) -> None:
        """Sets the scales of the fixed statistics, unless the network keeps those that it was trained with."""
        if not self.keep_scales:
            self.model.network.calibrate(batch.images.flatten(0, 1))

    def loss(self, model: nn.Module, batch: MosBatch, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `PmosObjective`."""
        loss, parts = model(*batch)
        return loss, parts

    def panels(self, batch: MosBatch) -> Mapping[str, Tensor]:
        """Images of a set above the map they should have, the map they get (white 5, black 1) and the weights."""
        images = batch.images[0, -_SHOWN:]
        maps: MosMaps = self.model.network(images, thumbnail(images))
        roi = maps.roi / maps.roi.amax((1, 2, 3), keepdim=True)
        grey = [(m - MOS_MIN) / (MOS_MAX - MOS_MIN) for m in (batch.mos[0, -_SHOWN:], maps.mos)]
        rows = [images, *(F.interpolate(m, images.shape[-2:]).expand(-1, 3, -1, -1) for m in (*grey, roi))]
        return {"pmos (image, truth, map, roi)": torch.cat([torch.cat(list(row), -1) for row in rows], -2)}
