"""Batches of rated images for the fit of pMOS: features of a frozen encoder, or crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from distortion_engine.reading.image_io import load_image
from relational_iqa.networks.pmos_head import thumbnail
from relational_iqa.tiling.tile_geometry import pad_to_grid
from relational_iqa.training.pmos.frozen_features import FrozenFeatures


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


@dataclass(frozen=True, eq=False)
class HeadBatches(Dataset[HeadBatch]):
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
