"""The pMOS stage: maps, weights and image scores are learned from pseudo-labels of the engine, without any human score,
on what the frozen backbone says of the images.

The dense loss lets the map fall where the field says that there is damage, and stay where there is none; the defects
are the same by kind. The image loss compares the weighted mean with the mean of the conventional metrics; through it
the ROI branch learns where damage matters. The order loss compares the members of a set whose order is certain. A prior
keeps the weights near uniform and smooth: otherwise they would hide the errors of the map. The doubt learns how far the
scores are off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relational_iqa.networks.pmos_encoder import StageCells
from relational_iqa.networks.pmos_head import MOS_MAX, MOS_MIN, MosMaps, image_mos
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY
from relational_iqa.training.losses.opinion_maps import (
    defect_loss,
    dense_loss,
    map_correlation,
    roi_entropy_gap,
    roi_roughness,
)
from relational_iqa.training.losses.ranked_sets import share_in_order
from relational_iqa.training.losses.ranking import rank_logistic
from relational_iqa.training.pmos.mos_labels import MosLabels
from relational_iqa.training.pmos.stored_cells import CellBatch, CellBatches, StoredCells

_LEVELS_PER_MOS = LEVELS_PER_SEVERITY / (MOS_MAX - MOS_MIN)
_HUBER = 0.5  # grades; errors of image scores below are squared
_HALF_WEIGHT = 0.6  # disagreement of the metrics, in grades, at which their mean counts half
_SHOWN = 3


@dataclass(frozen=True)
class PmosLossWeights:
    """Weights of the parts of the loss.

    Args:
        dense: of the MOS map against the field.
        within: of the same less their means over the image: where the damage is, not how much there is of it.
        defects: of the severity of every defect against the field.
        image: of the pooled score against the consensus of the metrics.
        order: of the order within a set.
        entropy: of the prior that keeps the region-of-interest weights near uniform.
        shape: of the prior that keeps them smooth.
        doubt: of the expected error.
        consistency: of maps and scores of the two looks at an image, where there are two.
    """

    dense: float = 2.0
    within: float = 2.0
    defects: float = 1.0
    image: float = 1.0
    order: float = 1.0
    entropy: float = 0.05
    shape: float = 0.02
    doubt: float = 0.1
    consistency: float = 1.0


DEFAULT_WEIGHTS = PmosLossWeights()


class PmosObjective(nn.Module):
    """The network with its loss, so that a wrapped (distributed, mixed precision) module returns plain tensors.

    Args:
        network: the network.
        weights: weights of the parts of the loss.
        looks: how many looks at every set a batch has, see `CellBatch`.
    """

    def __init__(self, network: PmosNetwork, weights: PmosLossWeights, looks: int = 1) -> None:
        super().__init__()
        self.network = network
        self.weights = weights
        self.looks = looks

    def forward(
        self, fine: Tensor, coarse: Tensor, late: Tensor, labels: MosLabels
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch and its parts; the arguments are the fields of `CellBatch`."""
        number, members = late.shape[:2]
        scene = self.network.scene(late.flatten(0, 1))
        places = self.network.places(StageCells(fine.flatten(0, 1), coarse.flatten(0, 1)), scene)
        maps, flat = places.maps, image_mos(places.maps)
        score, target = flat.view(number, members), labels.image_mos
        ahead = (score[:, :, None] - score[:, None, :]) * _LEVELS_PER_MOS
        sure = 1 / (1 + (labels.disagreement / _HALF_WEIGHT) ** 2)
        error = F.smooth_l1_loss(score, target, beta=_HUBER, reduction="none")
        expected = self.network.doubt_of(places, scene).view(number, members)
        mos, valid = labels.mos.flatten(0, 1), labels.valid.flatten(0, 1)
        parts = {
            "dense": dense_loss(maps.mos, mos, valid),
            "within": dense_loss(_less_mean(maps.mos, valid), _less_mean(mos, valid), valid),
            "defects": defect_loss(places.defects, labels.defects.flatten(0, 1), valid),
            "image": (sure * error).sum() / sure.sum(),
            "order": rank_logistic(ahead, labels.order),
            "entropy": roi_entropy_gap(maps.roi),
            "shape": roi_roughness(maps.roi),
            # Laplace likelihood: the expected absolute error is the best scale.
            "doubt": (torch.log(expected) + (score.detach() - target).abs() / expected).mean(),
        }
        if self.looks > 1:
            parts["consistency"] = consistency_loss(maps.mos, score, valid)
        loss = torch.stack([getattr(self.weights, name) * value for name, value in parts.items()]).sum()
        parts["order_right"] = share_in_order(ahead, labels.order)
        parts["map_correlation"] = map_correlation(maps.mos.detach(), mos, valid)
        parts["image_error"] = (score.detach() - target).abs().mean()
        return loss, parts


def consistency_loss(mos: Tensor, score: Tensor, valid: Tensor) -> Tensor:
    """Difference of the two looks at images, the second of which is mirrored.

    Args:
        mos: (2 n, 1, h, w), maps of n images as they are, then of their second looks.
        score: (2 s, n / s), their scores by set.
        valid: (2 n, 1, h, w) in [0, 1], how far a cell counts.
    """
    (one, two), (plain, other) = mos.chunk(2), score.chunk(2)
    return dense_loss(one, two.flip(-1), valid.chunk(2)[0]) + F.smooth_l1_loss(plain, other, beta=_HUBER)


def _less_mean(maps: Tensor, valid: Tensor) -> Tensor:
    """Maps less their means over the cells that count."""
    mean = (maps * valid).sum((2, 3), keepdim=True) / valid.sum((2, 3), keepdim=True).clamp_min(1e-6)
    return maps - mean


class PmosStage:
    """The stage of pMOS as the trainer needs it (see `Stage`).

    Args:
        network: what is trained; its backbone stays as it is.
        stores: ranked sets of several sources, with what the backbone says of them.
        sets_per_batch: sets of each source in a batch.
        seed: with the number of a batch, decides what is drawn.
        weights: weights of the parts of the loss.
        keep_scales: whether the network keeps the scales it has instead of being calibrated on the first batch.
    """

    name = "pmos"

    def __init__(
        self,
        network: PmosNetwork,
        stores: Sequence[StoredCells],
        sets_per_batch: Sequence[int],
        seed: int,
        weights: PmosLossWeights = DEFAULT_WEIGHTS,
        keep_scales: bool = False,
    ) -> None:
        if len({store.second is None for store in stores}) > 1:
            raise ValueError("some sources have one look at every image, others two: expected the same of all")
        looks = 1 if stores[0].second is None else 2
        self.model = PmosObjective(network, weights, looks)
        self.keep_scales = keep_scales
        self.items_per_batch = looks * sum(sets_per_batch) * stores[0].late.shape[1]
        self.batches = CellBatches(tuple(stores), tuple(sets_per_batch), seed)

    def calibrate(self, batch: CellBatch) -> None:
        """Sets the scales of what the backbone says, unless the network keeps those that it was trained with."""
        if not self.keep_scales:
            cells = StageCells(batch.fine.flatten(0, 1), batch.coarse.flatten(0, 1))
            self.model.network.calibrate(cells, batch.late.flatten(0, 1))

    def loss(self, model: nn.Module, batch: CellBatch, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `PmosObjective`."""
        loss, parts = model(*batch)
        return loss, parts

    def panels(self, batch: CellBatch) -> Mapping[str, Tensor]:
        """Of members of a set: the map they should have above the map they get (white 5, black 1) and the weights."""
        network = self.model.network
        cells = StageCells(batch.fine[0, -_SHOWN:], batch.coarse[0, -_SHOWN:])
        maps: MosMaps = network.places(cells, network.scene(batch.late[0, -_SHOWN:])).maps
        roi = maps.roi / maps.roi.amax((1, 2, 3), keepdim=True)
        grey = [(m - MOS_MIN) / (MOS_MAX - MOS_MIN) for m in (batch.labels.mos[0, -_SHOWN:], maps.mos)]
        rows = [m.expand(-1, 3, -1, -1) for m in (*grey, roi)]
        shown = torch.cat([torch.cat(list(row), -1) for row in rows], -2)
        return {"pmos (truth, map, roi)": F.interpolate(shown[None], scale_factor=8.0, mode="nearest")[0]}
