"""Judgments of people as batches for SPIPS: judged pairs (2AFC triplets) and rated images, each with a reference."""

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

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image
from relational_iqa.benchmarks.readers.items import JudgedPair, RatedImage


class TripletBatch(NamedTuple):
    """A batch of 2AFC judgments.

    Attributes:
        reference: (B, 3, S, S) in [0, 1].
        p0: (B, 3, S, S) in [0, 1], the first of the two test images.
        p1: (B, 3, S, S) in [0, 1], the second.
        share: (B,) in [0, 1], share of people who prefer p1.
    """

    reference: Tensor
    p0: Tensor
    p1: Tensor
    share: Tensor


class RatedBatch(NamedTuple):
    """A batch of rated images.

    Attributes:
        test: (B, 3, S, S) in [0, 1].
        reference: (B, 3, S, S) in [0, 1].
        score: (B,), opinion score of the whole image; higher is better, in the unit of the data set.
    """

    test: Tensor
    reference: Tensor
    score: Tensor


@dataclass(frozen=True, eq=False)
class TripletBatches(Dataset[TripletBatch]):
    """Item n: batch n of crops of judged pairs, a function of (seed, n) alone. p0 and p1 change places at random.

    Args:
        pairs: judged pairs.
        batch_size: pairs of a batch.
        crop_px: side of the crops in px.
        seed: with n, decides what is drawn.
    """

    pairs: Sequence[JudgedPair]
    batch_size: int
    crop_px: int
    seed: int

    def __getitem__(self, step: int) -> TripletBatch:
        rng = np.random.default_rng([self.seed, step, 3])
        windows, shares = [], []
        number = len(self.pairs)
        for index in rng.choice(number, self.batch_size, replace=number < self.batch_size):
            pair = self.pairs[int(index)]
            swapped = rng.random() < 0.5
            first, second = (pair.second, pair.first) if swapped else (pair.first, pair.second)
            windows.append(_window(load_together([pair.reference, first, second]), self.crop_px, rng))
            shares.append(1 - pair.prefer_second if swapped else pair.prefer_second)
        images = torch.stack(windows)
        return TripletBatch(images[:, 0], images[:, 1], images[:, 2], torch.tensor(shares, dtype=torch.float32))


@dataclass(frozen=True, eq=False)
class RatedBatches(Dataset[RatedBatch]):
    """Item n: batch n of crops of rated images, a function of (seed, n) alone; crops are new in every batch.

    Args:
        rated: rated images with references.
        batch_size: images of a batch.
        crop_px: side of the crops in px.
        seed: with n, decides what is drawn.
    """

    rated: Sequence[RatedImage]
    batch_size: int
    crop_px: int
    seed: int

    def __getitem__(self, step: int) -> RatedBatch:
        rng = np.random.default_rng([self.seed, step, 4])
        number = len(self.rated)
        index = rng.choice(number, self.batch_size, replace=number < self.batch_size)
        chosen = [self.rated[int(i)] for i in index]
        images = torch.stack([_window(load_pair(row), self.crop_px, rng) for row in chosen])
        scores = torch.tensor([row.score for row in chosen], dtype=torch.float32)
        return RatedBatch(images[:, 0], images[:, 1], scores)


def load_pair(row: RatedImage) -> Tensor:
    """Test image and reference (2, 3, H, W); UsageError where there is no reference or the sizes differ."""
    if row.reference is None:
        raise UsageError(f"{row.image}: has no reference; SPIPS is a full-reference metric, each image needs one")
    return load_together([row.image, row.reference])


def load_together(paths: Sequence[Path]) -> Tensor:
    """Images of one size (n, 3, H, W) in [0, 1]; UsageError naming the first of another size."""
    images = [load_image(path) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            raise UsageError(
                f"{path} is {image.shape[-1]}x{image.shape[-2]} px, {paths[0]} "
                f"{images[0].shape[-1]}x{images[0].shape[-2]} px; images that are compared need one size"
            )
    return torch.stack(images)


def _window(images: Tensor, crop_px: int, rng: np.random.Generator) -> Tensor:
    """The same square window, perhaps mirrored, of (n, 3, H, W); smaller images repeat their last row and column."""
    down, right = (max(0, crop_px - side) for side in images.shape[-2:])
    images = F.pad(images, (0, right, 0, down), mode="replicate")
    top, left = (int(rng.integers(0, side - crop_px + 1)) for side in images.shape[-2:])
    axes = [axis for axis in (-1, -2) if rng.random() < 0.5]
    return images[..., top : top + crop_px, left : left + crop_px].flip(axes)
