"""Moments of the backbone's stages for every image of the training sets: computed once, kept on the disk, because the
backbone is frozen and takes fifty times as long as the heads that are trained on them.

A folder has, each with room for all N sets:

- `moments.npy`, (N, n + 1, 2 c, h, w) float16
- `distances.npy`, (N, n + 1, 2) float32
- `hashes.npy`, (N, 2, 32) uint8, the sha256 of the moments and of the distances of each set. Moments are held against
  theirs where a process reads them first, distances when the folder is opened. Sets of former versions, which wrote no
  hashes, get theirs when the folder is opened.
- `done.json`, how many sets are there
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import MappedArray, SetArray, StoredSets, mapped_npy, sha256_of
from distortion_engine.jobs.safe_files import atomic_file
from relational_iqa.networks.in_parts import CELL_PX
from relational_iqa.networks.judgement import Judgement
from relational_iqa.networks.stage_distances import distances_to_first
from relational_iqa.training.data.one_at_a_time import one_at_a_time

_LARGEST = 6e4  # of half precision
_SAY_EVERY = 100  # sets


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
    count = len(sets) if count is None else min(count, len(sets))
    if sets.chosen_from is not None:
        whole, numbers = sets.chosen_from
        numbers = numbers[:count]
        every = stored_moments(whole, judgement, folder, int(numbers.max(initial=-1)) + 1)
        return StoredMoments(sets.first(count), _taken(every.moments, numbers), every.distances[numbers])
    judgement.eval()
    side, members = sets.images.shape[-1] // CELL_PX, sets.images.shape[1]
    shape = (len(sets), members, 2 * judgement.channels, side, side)
    path = folder / f"moments-{_key(sets, judgement)}"
    with one_at_a_time(path):
        path.mkdir(parents=True, exist_ok=True)
        done = _done(path, len(sets))
        # All files have room for all sets; what is not written takes none on the disk.
        moments = _file(path / "moments.npy", np.float16, shape, done > 0)
        distances = _file(path / "distances.npy", np.float32, (*shape[:2], 2), done > 0)
        hashes = _file(path / "hashes.npy", np.uint8, (len(sets), 2, 32), done > 0 and (path / "hashes.npy").exists())
        _add_hashes(path, moments, distances, hashes, done)
        with torch.inference_mode():
            for number in range(done, count):
                images = torch.from_numpy(np.array(sets.images[number])).float() / 255
                found = (
                    judgement.moments(images).clamp(-_LARGEST, _LARGEST).half().numpy(),
                    distances_to_first(images, judgement.stages).numpy(),
                )
                moments[number], distances[number] = found
                hashes[number] = [sha256_of(values) for values in found]
                if (number + 1) % _SAY_EVERY == 0 or number + 1 == count:
                    for array in (moments, distances, hashes):
                        array.flush()
                    with atomic_file(path / "done.json") as stream:
                        stream.write(json.dumps(number + 1).encode())
                    print(f"moments of {number + 1} of {count} sets", file=sys.stderr, flush=True)
    of_moments, of_distances = np.load(path / "hashes.npy").transpose(1, 0, 2)
    near = np.load(path / "distances.npy")[:count]
    for values, expected in zip(near, of_distances, strict=False):
        if not np.array_equal(sha256_of(values), expected):
            raise UsageError(f"{path / 'distances.npy'}: differs from {path / 'hashes.npy'}; {_remedy(path)}")
    opened = mapped_npy(path / "moments.npy", of_moments)
    return StoredMoments(sets.first(count), _taken(opened, np.arange(count)), near)


def _file(path: Path, dtype: type[np.generic], shape: tuple[int, ...], exists: bool) -> np.memmap[Any, Any]:
    """An array on the disk, opened or made. UsageError for one that is missing, damaged or of another shape."""
    try:
        found = np.lib.format.open_memmap(path, "r+" if exists else "w+", dtype, shape)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file; {_remedy(path.parent)}") from error
    except (ValueError, SyntaxError, EOFError, OverflowError) as error:
        raise UsageError(f"{path}: is no array; {_remedy(path.parent)}") from error
    if found.shape != shape or found.dtype != dtype or not found.flags.c_contiguous:
        raise UsageError(f"{path}: holds {found.shape} {found.dtype}, expected {shape}; {_remedy(path.parent)}")
    return found


def _remedy(path: Path) -> str:
    return f"remove {path}, and it is made anew"


def _add_hashes(path: Path, moments: np.ndarray, distances: np.ndarray, hashes: np.memmap[Any, Any], done: int) -> None:
    """Hashes of those of the first `done` sets that were stored by a version which wrote none."""
    bare = np.flatnonzero(~hashes[:done].any((1, 2)))
    if len(bare):
        print(f"{path}: {len(bare)} sets are without hashes, which they get now", file=sys.stderr, flush=True)
        for number in bare:
            hashes[number] = [sha256_of(moments[number]), sha256_of(distances[number])]
        hashes.flush()


def _taken(array: SetArray, numbers: np.ndarray) -> SetArray:
    """Of those arrays, the ones of these numbers; what lies on the disk stays there."""
    return array.take(numbers) if isinstance(array, MappedArray) else array[numbers]


def _done(path: Path, sets: int) -> int:
    """How many sets are stored; 0 where that cannot be read."""
    try:
        done = json.loads((path / "done.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return 0
    return done if isinstance(done, int) and 0 <= done <= sets else 0


def _key(sets: StoredSets, judgement: Judgement) -> str:
    found = hashlib.sha256(f"{sets.images.shape} {sets.source} {judgement.architecture.half_taps}".encode())
    found.update(np.ascontiguousarray(sets.labels).tobytes())
    found.update(np.ascontiguousarray(sets.images[0]).tobytes())
    for value in [*judgement.stages.state_dict().values(), judgement.channel_mean, judgement.channel_scale]:
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
