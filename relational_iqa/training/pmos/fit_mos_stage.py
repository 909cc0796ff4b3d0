"""Stages that fit pMOS to people: the head on features of a frozen encoder, or the whole network on crops.

Both have the patent's two losses (US 12,266,165, claims 1 and 3): every place's score against the score of the whole
image, and the weighted sum against it; and a prior that keeps the weights near uniform.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from distortion_engine.reading.image_io import load_image
from relational_iqa.networks.pmos_encoder import MOS_CELL_PX
from relational_iqa.networks.pmos_head import MosMaps, PmosHead, full_resolution, image_mos, thumbnail
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.systems.pmos import PMOS, pooled_sums
from relational_iqa.tiling.tile_geometry import pad_to_grid
from relational_iqa.training.data.stored_arrays import LARGEST_HALF
from relational_iqa.training.losses.opinion_maps import roi_entropy_gap

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

    dense: float = 0.5
    image: float = 1.0
    entropy: float = 0.05


class HeadBatch(NamedTuple):
    """A batch of features of a frozen encoder.

    Attributes:
        features: (B, C, P, 1), features of P cells of each image.
        embedding: (B, E), embedding of each image.
        target: (B,), MOS in [1, 5].
    """

    features: Tensor
    embedding: Tensor
    target: Tensor


class CropBatch(NamedTuple):
    """A batch of crops of images.

    Attributes:
        crops: (B, 3, S, S) in [0, 1].
        thumbnails: (B, 3, THUMBNAIL_PX, THUMBNAIL_PX) in [0, 1], of the whole images.
        target: (B,), MOS in [1, 5].
    """

    crops: Tensor
    thumbnails: Tensor
    target: Tensor


@dataclass(frozen=True)
class FrozenFeatures:
    """Output of a frozen encoder for N images.

    Args:
        cells: (N, P, C) float16, features of P randomly drawn cells of each image.
        embedding: (N, E), embedding of each image.
        mean: (N, C), mean of the features over all cells of each image.
        weighted: (N, C), the same with the region-of-interest weights of the head before the fit.
        before: (N,), MOS of each image by the head before the fit.
    """

    cells: Tensor
    embedding: Tensor
    mean: np.ndarray
    weighted: np.ndarray
    before: np.ndarray

    def take(self, index: np.ndarray) -> FrozenFeatures:
        """Those of some of the images."""
        return FrozenFeatures(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


@torch.inference_mode()
def frozen_features(
    model: PMOS, files: Sequence[Path], cells: int, seed: int, log: Callable[[str], None] = lambda text: None
) -> FrozenFeatures:
    """Features of image files; every image is encoded once.

    Args:
        model: model whose encoder is used.
        files: image files.
        cells: number of cells drawn from each image, with replacement; cells that reach beyond the image are left out.
        seed: with the position of an image in `files`, decides which cells are drawn.
        log: receives a line of progress now and then.
    """
    kept, embeddings, means, weighted, before = [], [], [], [], []
    for index, file in enumerate(files):
        image = load_image(file).to(model.device)
        rows, columns = (max(1, side // MOS_CELL_PX) for side in image.shape[-2:])
        drawn = np.random.default_rng([seed, index, 5]).integers(0, rows * columns, cells)
        row, column = torch.from_numpy(drawn // columns), torch.from_numpy(drawn % columns)
        embedding = model.network.embed(thumbnail(image[None]))
        chosen = torch.empty(cells, model.network.encoder.channels)
        total, heavy, sums = np.zeros(chosen.shape[1]), np.zeros(chosen.shape[1] + 1), np.zeros(2)
        for tile, features in model.feature_tiles(image):
            top, left, bottom, right = (edge // MOS_CELL_PX for edge in tile.core)
            y, x = tile.outer[0] // MOS_CELL_PX, tile.outer[1] // MOS_CELL_PX
            here = (row >= top) & (row < bottom) & (column >= left) & (column < right)
            chosen[here] = features[0, :, row[here] - y, column[here] - x].T.cpu()
            core = features[0, :, top - y : min(bottom, rows) - y, left - x : min(right, columns) - x]
            total += core.double().sum((1, 2)).cpu().numpy()
            maps = model.network.head(features, embedding)
            roi = maps.roi[0, :, top - y : min(bottom, rows) - y, left - x : min(right, columns) - x]
            heavy += torch.cat([roi, roi * core]).double().sum((1, 2)).cpu().numpy()
            sums += pooled_sums(maps, tile, image)
        kept.append(chosen.clamp(-LARGEST_HALF, LARGEST_HALF).half())
        embeddings.append(embedding[0].cpu())
        means.append(total / (rows * columns))
        weighted.append(heavy[1:] / heavy[0])
        before.append(sums[0] / sums[1])
        if (index + 1) % 50 == 0 or index + 1 == len(files):
            log(f"features of {index + 1} of {len(files)} images")
    # clone: tensors made in inference mode cannot take part in training
    return FrozenFeatures(
        torch.stack(kept).clone(),
        torch.stack(embeddings).clone(),
        np.stack(means),
        np.stack(weighted),
        np.array(before, dtype=np.float64),
    )


@dataclass(frozen=True, eq=False)
class CellBatches(Dataset[HeadBatch]):
    """Item n: `cells` cells of each of `batch_size` images, a function of (seed, n) alone.

    Args:
        features: features of N images.
        targets: (N,), MOS in [1, 5].
        batch_size: images of a batch.
        seed: with n, decides what is drawn.
        cells: cells of an image in a batch.
    """

    features: FrozenFeatures
    targets: Tensor
    batch_size: int
    seed: int
    cells: int

    def __getitem__(self, step: int) -> HeadBatch:
        rng, index = _draw(self.seed, step, len(self.targets), self.batch_size)
        images = torch.from_numpy(index)
        cells = torch.from_numpy(rng.integers(0, self.features.cells.shape[1], (len(index), self.cells)))
        features = self.features.cells[images[:, None], cells].float()
        return HeadBatch(
            features.transpose(1, 2)[..., None].contiguous(), self.features.embedding[images], self.targets[images]
        )


@dataclass(frozen=True, eq=False)
class CropBatches(Dataset[CropBatch]):
    """Item n: crops of `batch_size` images, a function of (seed, n) alone.

    Files are read when their batch is made. The border of an image that is smaller than a crop is repeated.

    Args:
        files: N image files.
        targets: (N,), MOS in [1, 5].
        batch_size: images of a batch.
        seed: with n, decides what is drawn.
        crop_px: side of the crops in px.
    """

    files: Sequence[Path]
    targets: Tensor
    batch_size: int
    seed: int
    crop_px: int

    def __getitem__(self, step: int) -> CropBatch:
        rng, index = _draw(self.seed, step, len(self.files), self.batch_size)
        crops, thumbnails = [], []
        for number in index:
            image = load_image(self.files[int(number)])[None]
            crops.append(_crop(image, self.crop_px, rng))
            thumbnails.append(thumbnail(image))
        return CropBatch(torch.cat(crops), torch.cat(thumbnails), self.targets[torch.from_numpy(index)])


def _draw(seed: int, step: int, count: int, batch_size: int) -> tuple[np.random.Generator, np.ndarray]:
    """The generator of a step and the images of its batch."""
    rng = np.random.default_rng([seed, step, 4])
    return rng, rng.choice(count, batch_size, replace=count < batch_size)


def _crop(image: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    missing = [max(0, side - length) for length in image.shape[-2:]]
    if any(missing):
        image = F.pad(image, (0, missing[1], 0, missing[0]), mode="replicate")
    top, left = (int(rng.integers(0, length - side + 1)) for length in image.shape[-2:])
    crop = pad_to_grid(image[..., top : top + side, left : left + side])
    return crop.flip(-1) if rng.random() < 0.5 else crop


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
        self.batches = CellBatches(features.take(chosen), wanted[torch.from_numpy(chosen)], batch_size, seed, cells)
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
