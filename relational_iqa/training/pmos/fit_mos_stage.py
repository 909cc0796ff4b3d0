"""Stages that fit pMOS to people: the head on features of a frozen encoder, or the whole network on crops.

Both have the patent's two losses (US 12,266,165, claims 1 and 3): every place's score against the score of the whole
image, and the weighted sum against it; and a prior that keeps the weights near uniform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relational_iqa.networks.pmos_encoder import MOS_CELL_PX
from relational_iqa.networks.pmos_head import MosMaps, PmosHead, full_resolution, image_mos
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.training.losses.opinion_maps import roi_entropy_gap
from relational_iqa.training.pmos.fit_batches import CropBatch, CropBatches, HeadBatch, HeadBatches
from relational_iqa.training.pmos.frozen_features import FrozenFeatures

_HUBER = 0.25  # grades; errors below are squared
_TRY_EVERY = 20  # steps


@dataclass(frozen=True)
class FitLossWeights:
    """Weights of the parts of the loss.

    Args:
        dense: of the score of every place against the score of the image.
        image: of the weighted mean against the score of the image.
        entropy: of the prior that keeps the region-of-interest weights near uniform.
    """

    dense: float = 0.0
    image: float = 1.0
    entropy: float = 0.05


class FitObjective(nn.Module):
    """`PmosHead` or `PmosNetwork` with the losses of the fit; its inputs are those of the module, then the target."""

    def __init__(self, module: nn.Module, weights: FitLossWeights) -> None:
        super().__init__()
        self.module = module
        self.weights = weights

    def forward(self, first: Tensor, second: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a `HeadBatch` or `CropBatch` and its parts; the arguments are its fields."""
        maps: MosMaps = self.module(first, second)
        everywhere = target[:, None, None, None].expand_as(maps.mos)
        parts = {
            "dense": F.smooth_l1_loss(maps.mos, everywhere, beta=_HUBER),
            "image": F.smooth_l1_loss(image_mos(maps), target, beta=_HUBER),
            "entropy": roi_entropy_gap(maps.roi),
        }
        return torch.stack([getattr(self.weights, name) * value for name, value in parts.items()]).sum(), parts


class _FitStage:
    """What both ways have in common."""

    name = "fit-mos"

    def __init__(self, module: nn.Module, weights: FitLossWeights, batch_size: int) -> None:
        self.model = FitObjective(module, weights)
        self.items_per_batch = batch_size

    def calibrate(self, batch: HeadBatch | CropBatch) -> None:
        """Nothing: the scales of the encoder stay."""

    def loss(
        self, model: nn.Module, batch: HeadBatch | CropBatch, step: int
    ) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `FitObjective`."""
        loss, parts = model(*batch)
        return loss, parts


class HeadStage(_FitStage):
    """Fits the head alone (see `Stage`); a step sees some of the cells of some of the images.

    Now and then the head is tried on images that it does not learn from, and what was best then is remembered.

    Args:
        head: what is trained.
        features: features of N images.
        targets: (N,), MOS in [1, 5].
        weights: weights of the parts of the loss.
        batch_size: images of a batch.
        seed: with the number of a batch, decides what is drawn.
        cells: cells of an image in a batch.
        learnt: numbers of the images that are learned from; None for all.
        watched: numbers of those that the head is tried on.

    Attributes:
        watched: what the head is tried on; None where no image is watched.
    """

    def __init__(
        self,
        head: PmosHead,
        features: FrozenFeatures,
        targets: np.ndarray,
        weights: FitLossWeights,
        batch_size: int,
        seed: int,
        cells: int = 256,
        learnt: np.ndarray | None = None,
        watched: Sequence[int] | np.ndarray = (),
    ) -> None:
        super().__init__(head, weights, batch_size)
        wanted = torch.from_numpy(targets.astype(np.float32))
        chosen = np.arange(len(targets)) if learnt is None else learnt
        self.batches = HeadBatches(features.take(chosen), wanted[torch.from_numpy(chosen)], batch_size, seed, cells)
        self._head = head
        self.watched: HeadBatch | None = None
        if len(watched):
            index = np.asarray(watched)
            kept = features.take(index)
            self.watched = HeadBatch(
                kept.cells.float().transpose(1, 2)[..., None].contiguous(), kept.embedding,
                wanted[torch.from_numpy(index)],
            )  # fmt: skip
        self._best: tuple[float, dict[str, Tensor]] | None = None
        self._first_error: float | None = None

    @property
    def start_was_best(self) -> bool:
        """Whether no step made the head righter about the watched images than it was before the first one."""
        return self._best is not None and self._best[0] == self._first_error

    def loss(
        self, model: nn.Module, batch: HeadBatch | CropBatch, step: int
    ) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `FitObjective`."""
        if step % _TRY_EVERY == 0:
            self._try()
        return super().loss(model, batch, step)

    @torch.no_grad()
    def _try(self) -> None:
        if self.watched is None:
            return
        device, training = next(self._head.parameters()).device, self._head.training
        features, scene, target = (values.to(device) for values in self.watched)
        error = float((image_mos(self._head.eval()(features, scene)) - target).abs().mean())
        self._head.train(training)
        if self._first_error is None:
            self._first_error = error
        if self._best is None or error < self._best[0]:
            self._best = error, {name: value.clone() for name, value in self._head.state_dict().items()}

    def take_best(self) -> None:
        """Gives the head the state in which it was right most about the watched images, if any are watched."""
        self._try()
        if self._best is not None:
            self._head.load_state_dict(self._best[1])

    def panels(self, batch: HeadBatch) -> Mapping[str, Tensor]:
        """None: cells are no picture."""
        return {}


class CropStage(_FitStage):
    """Fits the whole network (see `Stage`) on crops of the images, which are not resized.

    Args:
        network: what is trained.
        files: N image files, read when their batch is made.
        targets: (N,), MOS in [1, 5].
        weights: weights of the parts of the loss.
        batch_size: images of a batch.
        seed: with the number of a batch, decides what is drawn.
        crop_px: side of the crops in px.
    """

    def __init__(
        self,
        network: PmosNetwork,
        files: Sequence[Path],
        targets: np.ndarray,
        weights: FitLossWeights,
        batch_size: int,
        seed: int,
        crop_px: int = 192,
    ) -> None:
        super().__init__(network, weights, batch_size)
        self.batches = CropBatches(files, torch.from_numpy(targets.astype(np.float32)), batch_size, seed, crop_px)

    def panels(self, batch: CropBatch) -> Mapping[str, Tensor]:
        """Crops above their maps (white 5, black 1)."""
        crops = batch.crops[:4]
        maps = self.model.module(crops, batch.thumbnails[:4])
        mos = (full_resolution(maps.mos, crops.shape[-2], crops.shape[-1], MOS_CELL_PX) - 1) / 4
        return {"pmos": torch.cat([torch.cat(list(crops), -1), torch.cat(list(mos.expand_as(crops)), -1)], -2)}
