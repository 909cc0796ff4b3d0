"""Batches of the two stages of Re-IQA on kept moments, with which a head is trained in minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float16, Int
from torch import Tensor
from torch.utils.data import Dataset

from distortion_engine.versions import shuffled_index
from relational_iqa.training.reiqa.batches import ViewBatch, half_swapped


@dataclass(frozen=True, eq=False)
class QualityMoments(Dataset[ViewBatch]):
    """Item n: crops of `chunks_per_batch` chunks, a function of (seed, n) alone; the half-swap is new in every batch.

    Args:
        chunks: see `chunk_moments`.
        columns: which of the moments are used.
        chunks_per_batch: chunks of a batch.
        seed: with n, decides what is drawn.
    """

    chunks: Float16[np.ndarray, "n draws 2 rows d"]
    columns: Int[np.ndarray, " c"]
    chunks_per_batch: int
    seed: int

    def __getitem__(self, step: int) -> ViewBatch:
        rng = np.random.default_rng([self.seed, step, 17])
        number, draws, _, rows, _ = self.chunks.shape
        count = self.chunks_per_batch
        views = []
        for chunk in rng.choice(number, count, replace=number < count):
            first, second = torch.from_numpy(self.chunks[chunk, rng.integers(draws)][:, :, self.columns]).float()
            views.append(half_swapped(first, second, rng))
        family = torch.arange(2 * count).repeat_interleave(rows // 2)  # one a chunk and scale
        return ViewBatch(torch.cat([v[0] for v in views]), torch.cat([v[1] for v in views]), family)


@dataclass(frozen=True, eq=False)
class ContentMoments(Dataset[ViewBatch]):
    """Item n: two looks at each of `batch_size` photographs, a function of (seed, n) alone.

    A look is one of the kept views, or a crop of any version of any region of the photograph: what is common to them is
    the photograph, not the distortion. Every photograph comes once an epoch.

    Args:
        views: (photographs, V, d), see `view_moments`.
        crops: (N, d) of chunks; none where there are none.
        crops_of: for each photograph the numbers of its crops.
        columns: which of the moments are used.
        crop_share: share of looks that are crops of chunks, where the photograph has some.
        batch_size: photographs of a batch.
        seed: with n, decides what is drawn.
    """

    views: Float16[np.ndarray, "photos v d"]
    crops: Float16[np.ndarray, "n d"]
    crops_of: Sequence[Int[np.ndarray, " _"]]
    columns: Int[np.ndarray, " c"]
    crop_share: float
    batch_size: int
    seed: int

    def __getitem__(self, step: int) -> ViewBatch:
        rng = np.random.default_rng([self.seed, step, 18])
        numbers = range(step * self.batch_size, (step + 1) * self.batch_size)
        photos = [shuffled_index(index, len(self.views), self.seed) for index in numbers]
        queries, keys = (torch.stack([self._look(photo, rng) for photo in photos]) for _ in range(2))
        return ViewBatch(queries, keys, torch.empty(0, dtype=torch.long))

    def _look(self, photo: int, rng: np.random.Generator) -> Tensor:
        crops = self.crops_of[photo]
        if len(crops) and rng.random() < self.crop_share:
            row = self.crops[crops[rng.integers(len(crops))]]
        else:
            row = self.views[photo, rng.integers(self.views.shape[1])]
        return torch.from_numpy(row[self.columns]).float()


def crops_of_photos(
    photos: Sequence[Path], photo_of_chunk: Sequence[Path], rows: int
) -> list[Int[np.ndarray, " _"]]:  # fmt: skip
    """For each photograph the numbers of the rows that show it, where every chunk has `rows` rows."""
    place = {photo: number for number, photo in enumerate(photos)}
    found: list[list[int]] = [[] for _ in photos]
    for chunk, photo in enumerate(photo_of_chunk):
        found[place[photo]] += range(chunk * rows, (chunk + 1) * rows)
    return [np.array(numbers, dtype=np.int64) for numbers in found]
