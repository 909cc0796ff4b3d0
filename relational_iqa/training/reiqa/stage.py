"""The two stages of Re-IQA: MoCo-v2 on chunks of distortions (quality) and on augmented photographs (content)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from relational_iqa.networks.reiqa import MomentumContrast
from relational_iqa.networks.resnet import half_scale
from relational_iqa.training.reiqa.data import ChunkImages, ContentDataset, ReIQAData, endless, stored_chunks
from relational_iqa.training.reiqa.overlap_crops import largest_window, overlapping_crops, swapped


@dataclass(frozen=True)
class ContrastConfig:
    """patch_px: side of the crops. queue, momentum, temperature, groups: see `MomentumContrast`."""

    patch_px: int = 160
    queue: int = 65536
    momentum: float = 0.999
    temperature: float = 0.2
    groups: int = 8


class ViewBatch(NamedTuple):
    """queries, keys (N, 3, P, P) in [0, 1], row i of both from one image; family (N,): rows of one family are versions
    of one photograph at one scale, hard negatives of each other; empty where there are none."""

    queries: Tensor
    keys: Tensor
    family: Tensor


def chunk_views(chunk: Tensor, patch_px: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Queries and keys (2 m, 3, P, P) in [0, 1] of a chunk (m, 3, R, R) uint8: m rows at full scale, then m at half.

    Queries of a scale come from one place and keys from another, except that they change sides for half of the
    versions (for the other half at the other scale): so a query meets, among the keys of its chunk, its own place in
    other distortions. Those are the hard negatives; only quality tells them apart.
    """
    images = chunk.float() / 255
    if rng.random() < 0.5:
        images = images.flip(-1)
    number = len(images)
    change = torch.from_numpy(rng.permutation(number) < number // 2)
    views = []
    for scaled, which in ((images, change), (half_scale(images), ~change)):
        first, second = overlapping_crops(scaled, patch_px, rng)
        views.append(swapped(first, second, which))
    return torch.cat([views[0][0], views[1][0]]), torch.cat([views[0][1], views[1][1]])


class _MocoStage:
    """What the two stages share."""

    name = ""

    def __init__(self, model: MomentumContrast, items_per_batch: int) -> None:
        self.model = model
        self.items_per_batch = items_per_batch

    def batches(self, start_step: int) -> Iterator[ViewBatch]:
        """Endless batches; batch n is a function of the seeds and n."""
        raise NotImplementedError

    def calibrate(self, batch: ViewBatch) -> None:
        """Nothing: the networks start from their own initial values."""

    def loss(self, model: nn.Module, batch: ViewBatch, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """See `MomentumContrast`."""
        family = batch.family if len(batch.family) else None
        loss: tuple[Tensor, Mapping[str, Tensor | float]] = model(batch.queries, batch.keys, family)
        return loss

    def panels(self, batch: ViewBatch) -> Mapping[str, Tensor]:
        """Eight queries above their keys."""
        return {"views": torch.cat([torch.cat(list(views[:8]), -1) for views in (batch.queries, batch.keys)], -2)}


class QualityStage(_MocoStage):
    """A batch is `chunks_per_batch` chunks, each m versions at two scales; that is what `batch_size` counts."""

    name = "quality"

    def __init__(
        self,
        model: MomentumContrast,
        photos: Sequence[Path],
        data: ReIQAData,
        batch_size: int,
        patch_px: int,
        seed: int,
    ) -> None:
        if data.region_px // 2 < largest_window(patch_px):
            raise UsageError(
                f"region_px {data.region_px} is too small for crops of {patch_px} px at half scale: "
                f"expected {2 * largest_window(patch_px)} or more"
            )
        self.rows_per_chunk = 2 * (data.distorted + 1)
        self.chunks_per_batch = max(1, batch_size // self.rows_per_chunk)
        super().__init__(model, self.chunks_per_batch * self.rows_per_chunk)
        self.photos, self.data, self.patch_px, self.seed = photos, data, patch_px, seed

    def batches(self, start_step: int) -> Iterator[ViewBatch]:
        """Stored chunks, drawn at random, or new ones in turn; crops are new in every batch."""
        cached = stored_chunks(self.data, self.photos) if self.data.chunks else None
        fresh: Iterator[Any] = iter(())
        if cached is None:  # its workers start to render at once
            fresh = endless(ChunkImages(self.photos, self.data), self.chunks_per_batch, start_step, self.data.workers)
        for step in count(start_step):
            rng = np.random.default_rng([self.seed, step, 13])
            if cached is None:
                chunks = next(fresh)
            else:
                chosen = rng.choice(len(cached), self.chunks_per_batch, replace=len(cached) < self.chunks_per_batch)
                chunks = [torch.from_numpy(np.array(cached[index])) for index in chosen]
            views = [chunk_views(chunk, self.patch_px, rng) for chunk in chunks]
            family = torch.arange(2 * len(views)).repeat_interleave(self.rows_per_chunk // 2)  # one a chunk and scale
            yield ViewBatch(torch.cat([v[0] for v in views]), torch.cat([v[1] for v in views]), family)


class ContentStage(_MocoStage):
    """A batch is `batch_size` photographs, two views of each."""

    name = "content"

    def __init__(
        self, model: MomentumContrast, photos: Sequence[Path], data: ReIQAData, batch_size: int, patch_px: int
    ) -> None:
        super().__init__(model, batch_size)
        self.dataset, self.workers = ContentDataset(photos, data, patch_px), data.workers

    def batches(self, start_step: int) -> Iterator[ViewBatch]:
        """Photographs in the shuffled order of endless epochs."""
        for items in endless(self.dataset, self.items_per_batch, start_step, self.workers):
            views = torch.stack(items).float() / 255  # (B, 2, 3, P, P)
            yield ViewBatch(views[:, 0].contiguous(), views[:, 1].contiguous(), torch.empty(0, dtype=torch.long))
