"""Batches of the two stages of Re-IQA: views of chunks (quality) and of augmented photographs (content)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from distortion_engine.generation.stored_sets import SetArray
from relational_iqa.networks.resnet import half_scale
from relational_iqa.training.reiqa.content_views import content_views
from relational_iqa.training.reiqa.data import ChunkImages, ContentPhotos
from relational_iqa.training.reiqa.overlap_crops import overlapping_crops, swapped


class ViewBatch(NamedTuple):
    """A batch of N pairs of crops, or of the moments of crops.

    Attributes:
        queries: (N, 3, P, P) in [0, 1], or (N, D) moments.
        keys: the same; row i is a crop of the image of query i.
        family: (N,) integers. Rows with the same number are versions of one photograph at one scale: hard negatives of
            each other. Empty where there are none.
    """

    queries: Tensor
    keys: Tensor
    family: Tensor


Places = tuple[Tensor, Tensor]


def chunk_places(chunk: Tensor, patch_px: int, rng: np.random.Generator) -> tuple[Places, Places]:
    """Crops (m, 3, P, P) in [0, 1] of a chunk (m, 3, R, R) uint8: of a first and of a second place, each at full and at
    half scale. The places overlap as Re-IQA's, and differ between the scales."""
    images = chunk.float() / 255
    if rng.random() < 0.5:  # by hand: drawn by numpy like the crops, and one draw for a chunk of versions
        images = images.flip(-1)
    full, half = (overlapping_crops(scaled, patch_px, rng) for scaled in (images, half_scale(images)))
    return (full[0], half[0]), (full[1], half[1])


def half_swapped(first: Tensor, second: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Half-swap (Re-IQA, section 3.2) of 2 m rows at two places, m of them at full scale and m at half scale.

    At full scale the two places are exchanged for half of the versions, at half scale for the other half. A query
    therefore meets, among the keys of its chunk, its own place under other distortions. These are hard negatives, which
    only quality tells apart.
    """
    number = len(first) // 2
    change = torch.from_numpy(rng.permutation(number) < number // 2)
    return swapped(first, second, torch.cat([change, ~change]))


def chunk_views(chunk: Tensor, patch_px: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Queries and keys (2 m, 3, P, P) in [0, 1] of a chunk (m, 3, R, R) uint8: m rows at full scale, then m at half
    scale; see `chunk_places` and `half_swapped`."""
    first, second = chunk_places(chunk, patch_px, rng)
    return half_swapped(torch.cat(first), torch.cat(second), rng)


@dataclass(frozen=True, eq=False)
class QualityBatches(Dataset[ViewBatch]):
    """Item n: views of `chunks_per_batch` chunks, a function of (seed, n) alone; crops are new in every batch.

    Args:
        chunks: stored chunks, drawn at random; or `ChunkImages`, which renders new ones in turn.
        chunks_per_batch: chunks of a batch.
        patch_px: side of the crops.
        seed: with n, decides what is drawn.
    """

    chunks: SetArray | ChunkImages
    chunks_per_batch: int
    patch_px: int
    seed: int

    def __getitem__(self, step: int) -> ViewBatch:
        rng = np.random.default_rng([self.seed, step, 13])
        number, chunks = self.chunks_per_batch, self.chunks
        if isinstance(chunks, ChunkImages):
            images = [chunks[index] for index in range(step * number, (step + 1) * number)]
        else:
            chosen = rng.choice(len(chunks), number, replace=len(chunks) < number)
            images = [torch.from_numpy(np.array(chunks[index])) for index in chosen]
        views = [chunk_views(chunk, self.patch_px, rng) for chunk in images]
        family = torch.arange(2 * number).repeat_interleave(len(images[0]))  # one a chunk and scale
        return ViewBatch(torch.cat([v[0] for v in views]), torch.cat([v[1] for v in views]), family)


@dataclass(frozen=True, eq=False)
class ContentBatches(Dataset[ViewBatch]):
    """Item n: two augmented views of each of `batch_size` photographs, a function of (seed, n) alone.

    Args:
        photos: photographs in shuffled order, each once an epoch; batch n takes the next `batch_size` of them.
        batch_size: photographs of a batch.
        patch_px: side of the views in px.
        seed: with n, decides the augmentations.
    """

    photos: ContentPhotos
    batch_size: int
    patch_px: int
    seed: int

    def __getitem__(self, step: int) -> ViewBatch:
        numbers = range(step * self.batch_size, (step + 1) * self.batch_size)
        photos = [self.photos[index].float() / 255 for index in numbers]
        queries, keys = content_views(photos, self.patch_px, (self.seed, step))
        return ViewBatch(queries, keys, torch.empty(0, dtype=torch.long))
