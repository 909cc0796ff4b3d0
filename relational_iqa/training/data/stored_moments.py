"""Moments of the backbone's stages for every image of the training sets: computed once, kept on the disk, because the
backbone is frozen and takes fifty times as long as the heads that are trained on them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from distortion_engine.generation.stored_sets import SetArray, StoredSets
from relational_iqa.networks.in_parts import CELL_PX
from relational_iqa.networks.judgement import Judgement
from relational_iqa.networks.stage_distances import distances_to_first
from relational_iqa.training.data.stored_arrays import ArrayKind, half, stored_arrays


class MomentBatch(NamedTuple):
    """S ranked sets, of whose images the moments are known.

    Attributes:
        moments: (S, n + 1, 2 c, h, w) as `Judgement.moments` gives them, the reference first.
        ranks: (S, n + 1), lower is better.
        labels: (S, n + 1, M) loss of quality by metric, in severity.
        distances: (S, n + 1, 2) distances of the backbone's stages to the reference.
        certainty: (S,) of the order by construction.
        severity: (S, n + 1, h, w) true severity of all distortions together at every cell.
        valid: (S, n + 1, h, w) where it is known, in [0, 1].
    """

    moments: Tensor
    ranks: Tensor
    labels: Tensor
    distances: Tensor
    certainty: Tensor
    severity: Tensor
    valid: Tensor


@dataclass(frozen=True, eq=False)
class StoredMoments:
    """Ranked sets with the moments of their images.

    Args:
        sets: the sets.
        moments: (N, n + 1, 2 c, h, w) float16, on the disk.
        distances: (N, n + 1, 2) float32.
    """

    sets: StoredSets
    moments: SetArray
    distances: np.ndarray

    def batch(self, index: np.ndarray) -> MomentBatch:
        """The sets of these numbers."""
        sets = self.sets
        fields = torch.from_numpy(np.abs(sets.fields[index].astype(np.float32)).sum(2) / 127)
        valid = torch.from_numpy(sets.validity[index].astype(np.float32)[:, :, 0] / 255)
        side = fields.shape[-1] // self.moments.shape[-1]
        return MomentBatch(
            torch.from_numpy(np.stack([self.moments[i] for i in index])).float(),
            torch.from_numpy(sets.ranks[index]),
            torch.from_numpy(sets.labels[index]),
            torch.from_numpy(self.distances[index]),
            torch.from_numpy(sets.certainty[index]),
            F.avg_pool2d(fields, side),
            F.avg_pool2d(valid, side),
        )


@dataclass(frozen=True, eq=False)
class MomentBatches(Dataset[MomentBatch]):
    """Item n: batch n, a function of (seed, n): sets drawn from several stores, as many from each as `sets_per_batch`
    says."""

    stores: tuple[StoredMoments, ...]
    sets_per_batch: tuple[int, ...]
    seed: int

    def __getitem__(self, step: int) -> MomentBatch:
        rng = np.random.default_rng([self.seed, step, 3])
        parts = []
        for store, count in zip(self.stores, self.sets_per_batch, strict=True):
            if count:
                total = len(store.sets)
                parts.append(store.batch(np.sort(rng.choice(total, count, replace=total < count))))
        return MomentBatch(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def stored_moments(sets: StoredSets, judgement: Judgement, folder: Path, count: int | None = None) -> StoredMoments:
    """Opens the moments of `sets` below `folder`, after computing those that are not there yet.

    A run that was stopped goes on where it was. The key of the file names the sets and the weights of the backbone. Of
    sets that were chosen from others, the file is that of all those others, and none is computed twice.

    Args:
        sets: the sets.
        judgement: whose backbone it is.
        folder: where moments are kept.
        count: so many of the sets, the first, are wanted; None for all.

    Raises:
        UsageError: for files that are damaged; where moments are read, for those.
    """
    judgement.eval()
    side = sets.images.shape[-1] // CELL_PX
    kinds = {
        "moments": ArrayKind((2 * judgement.channels, side, side), np.float16),
        "distances": ArrayKind((2,), np.float32, mapped=False),
    }

    def compute(images: Tensor) -> dict[str, np.ndarray]:
        moments, distances = judgement.moments(images), distances_to_first(images, judgement.stages)
        return {"moments": half(moments), "distances": distances.numpy()}

    count = len(sets) if count is None else min(count, len(sets))
    found = stored_arrays(
        sets, kinds, compute, lambda whole: folder / f"moments-{_key(whole, judgement)}", count, "moments"
    )
    return StoredMoments(sets.first(count), found["moments"], np.asarray(found["distances"]))


def _key(sets: StoredSets, judgement: Judgement) -> str:
    found = hashlib.sha256(f"{sets.images.shape} {sets.source} {judgement.architecture.half_taps}".encode())
    found.update(np.ascontiguousarray(sets.labels).tobytes())
    found.update(np.ascontiguousarray(sets.images[0]).tobytes())
    for value in [*judgement.stages.state_dict().values(), judgement.channel_mean, judgement.channel_scale]:
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
