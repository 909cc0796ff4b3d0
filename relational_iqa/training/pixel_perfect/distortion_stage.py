"""Stage 1: the distortion network learns the relation maps of all kinds of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from distortion_engine.catalog import AXES
from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.distortion_network import DistortionNetwork
from relational_iqa.training.data.pairs import AlternatingBatches, PairBatch, PairBatches
from relational_iqa.training.losses.relation_maps import distortion_losses


@dataclass(frozen=True)
class DistortionLossWeights:
    """Weights of the parts of the loss, see `distortion_losses`.

    Args:
        type: weight of the cross-entropy of the distortion types.
        magnitude: weight of the loss of the total severity.
        sign: weight of the loss of the directions.
        map: weight of the loss of the relation maps.
    """

    type: float = 1.0
    magnitude: float = 4.0
    sign: float = 1.0
    map: float = 2.0


DEFAULT_WEIGHTS = DistortionLossWeights()


class DistortionObjective(nn.Module):
    """The network with its loss, so that a wrapped (distributed, mixed precision) module returns plain tensors."""

    def __init__(self, network: DistortionNetwork, weights: DistortionLossWeights) -> None:
        super().__init__()
        self.network = network
        self.weights = weights

    def forward(self, a: Tensor, b: Tensor, target: Tensor, valid: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch and its parts; the arguments are the fields of `PairBatch`."""
        relation = self.network(a, b)
        parts = distortion_losses(
            relation.maps, relation.type_logits, relation.magnitude, relation.direction, target, valid
        )
        loss = torch.stack([getattr(self.weights, name) * value for name, value in parts.items()]).sum()
        strong = (target.abs().amax(1) >= 0.3) & (valid[:, 0] > 0.5)
        hit = (relation.type_logits[:, :-1].argmax(1) == target.abs().argmax(1)) & strong
        parts["axis_right"] = hit.sum() / strong.sum().clamp_min(1)
        return loss, parts


class DistortionStage:
    """Stage 1 as the trainer needs it (see `Stage`).

    Args:
        network: what is trained.
        sets: ranked sets that pairs are drawn from.
        batch_size: pairs of a batch.
        seed: with the number of a batch, decides what is drawn.
        crop_px: side of the windows in px, a multiple of 16; 0 for whole images.
        weights: weights of the parts of the loss.
        keep_scales: whether the network keeps the scales it has instead of being calibrated on the first batch.
        more: further ranked sets, which take turns in every `more_every`-th batch.
        more_every: see there.
    """

    name = "distortion"

    def __init__(
        self,
        network: DistortionNetwork,
        sets: StoredSets,
        batch_size: int,
        seed: int,
        crop_px: int = 0,
        weights: DistortionLossWeights = DEFAULT_WEIGHTS,
        keep_scales: bool = False,
        more: Sequence[StoredSets] = (),
        more_every: int = 4,
    ) -> None:
        self.model = DistortionObjective(network, weights)
        self.items_per_batch, self.keep_scales = batch_size, keep_scales
        drawn = PairBatches(sets, batch_size, seed, crop_px=crop_px)
        self.batches: PairBatches | AlternatingBatches = drawn
        if more:
            self.batches = AlternatingBatches(drawn, tuple(replace(drawn, sets=one) for one in more), more_every)

    def calibrate(self, batch: PairBatch) -> None:
        """Sets the scales of the fixed statistics, unless the network keeps those that it was trained with."""
        if self.keep_scales:
            return
        self.model.network.calibrate(batch.a, batch.b)

    def loss(self, model: nn.Module, batch: PairBatch, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `distortion_losses`."""
        loss, parts = model(batch.a, batch.b, batch.target, batch.valid)
        return loss, parts

    def panels(self, batch: PairBatch) -> Mapping[str, Tensor]:
        """Four pairs as images: a, b, and the true and the predicted map of the strongest axis of the pair (blue less,
        red more)."""
        rows = []
        predicted = self.model.network(batch.a[:4], batch.b[:4]).maps
        titles = []
        for i in range(min(4, len(batch.a))):
            axis = int(batch.target[i].abs().mean((1, 2)).argmax())
            titles.append(AXES[axis].name)
            maps = [signed_to_rgb(maps[i, axis]) for maps in (batch.target, predicted)]
            rows.append(torch.cat([batch.a[i], batch.b[i], *(_enlarge(m, batch.a.shape[-1]) for m in maps)], -1))
        return {f"pairs ({', '.join(titles)})": torch.cat(rows, -2)}


def signed_to_rgb(signed: Tensor) -> Tensor:
    """(h, w) in [-1, 1] -> (3, h, w): white at 0, red for positive, blue for negative."""
    magnitude = signed.abs().clamp(0, 1)
    fade = 1 - magnitude
    red = torch.where(signed >= 0, torch.ones_like(fade), fade)
    blue = torch.where(signed <= 0, torch.ones_like(fade), fade)
    return torch.stack([red, fade, blue])


def _enlarge(image: Tensor, side: int) -> Tensor:
    return nn.functional.interpolate(image[None], (side, side), mode="nearest")[0]
