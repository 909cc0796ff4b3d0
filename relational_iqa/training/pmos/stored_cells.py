"""What the frozen backbone and the statistics say of the images of training sets, as the decoder of pMOS takes it: of
each image as it is and, where two looks are wanted, of it mirrored and recoloured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from distortion_engine.generation.stored_sets import SetArray, StoredSets
from relational_iqa.networks.pmos_encoder import MOS_CELL_PX, StageCells
from relational_iqa.networks.pmos_head import thumbnail
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.training.data.stored_arrays import ArrayKind, half, stored_arrays
from relational_iqa.training.pmos.mos_labels import SOUND_THUMBNAIL_SHARE, MosLabels, labels_of, mirrored
from relational_iqa.training.pmos.second_look import second_look


class CellBatch(NamedTuple):
    """A batch of S ranked sets of a reference and n members: what the backbone says of them, and pseudo-labels.

    With two looks S is twice the number of sets: first all as they are, then all in their second look, in the same
    order.

    Attributes:
        fine: (S, n+1, c, P/8, P/8), see `StageCells`.
        coarse: (S, n+1, c, P/16, P/16).
        late: (S, n+1, e), of the thumbnail that is shown with each.
        labels: what is to be predicted.
    """

    fine: Tensor
    coarse: Tensor
    late: Tensor
    labels: MosLabels


@dataclass(frozen=True, eq=False)
class StoredCells:
    """Ranked sets with what the backbone says of their images.

    Args:
        sets: the sets.
        fine: (N, n + 1, c, h, w) float16, on the disk.
        coarse: (N, n + 1, c, h/2, w/2) float16, on the disk.
        late: (N, n + 1, e) float32.
        second: the same of the second look at the images; None for one look.
    """

    sets: StoredSets
    fine: SetArray
    coarse: SetArray
    late: np.ndarray
    second: StoredCells | None = None

    def range(self, start: int, stop: int) -> StoredCells:
        """Those of the sets from `start` on, before `stop`."""
        arrays = (self.fine[start:stop], self.coarse[start:stop], self.late[start:stop])
        second = None if self.second is None else self.second.range(start, stop)
        return StoredCells(self.sets.range(start, stop), *arrays, second)

    def cells(self, number: int) -> StageCells:
        """Those of the images of one set."""
        fine, coarse = (torch.from_numpy(np.array(array[number])).float() for array in (self.fine, self.coarse))
        return StageCells(fine, coarse)


def stored_cells(sets: StoredSets, network: PmosNetwork, folder: Path, looks: int = 1) -> StoredCells:
    """Opens the cells of `sets` below `folder`, after computing those that are not there yet; see `stored_arrays`.

    Args:
        sets: the sets.
        network: whose backbone sees them.
        folder: where cells are kept.
        looks: 1 for the images as they are, 2 for these and their `second_look`.
    """
    encoder = network.encoder.eval()
    side = sets.images.shape[-1] // MOS_CELL_PX
    kinds = {
        "fine": ArrayKind((encoder.fine_channels, side, side), np.float16),
        "coarse": ArrayKind((encoder.coarse_channels, side // 2, side // 2), np.float16),
        "late": ArrayKind((2 * encoder.late_channels,), np.float32, mapped=False),
    }

    def of(images: Tensor, thumbnails: Tensor) -> dict[str, np.ndarray]:
        cells = encoder.see(images)
        late: np.ndarray = encoder.late(thumbnails).numpy()
        return {"fine": half(cells.fine), "coarse": half(cells.coarse), "late": late}

    def first(images: Tensor) -> dict[str, np.ndarray]:
        return of(images, thumbnail(images))

    def other(images: Tensor) -> dict[str, np.ndarray]:
        look = second_look(images)
        return of(look.images, thumbnail(look.part))

    def opened(name: str, compute: Callable[[Tensor], dict[str, np.ndarray]]) -> StoredCells:
        def place(whole: StoredSets) -> Path:
            return folder / f"{name}-{_key(whole, network)}"

        found = stored_arrays(sets, kinds, compute, place, None, name)
        return StoredCells(sets, found["fine"], found["coarse"], np.asarray(found["late"]))

    cells = opened("cells", first)
    return cells if looks == 1 else replace(cells, second=opened("second", other))


def _key(sets: StoredSets, network: PmosNetwork) -> str:
    found = hashlib.sha256(f"{sets.images.shape} {sets.source}".encode())
    found.update(np.ascontiguousarray(sets.labels).tobytes())
    found.update(np.ascontiguousarray(sets.images[0]).tobytes())
    found.update(str(network.architecture.statistics).encode())
    for value in network.encoder.stages.state_dict().values():
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class CellBatches(Dataset[CellBatch]):
    """Item n: batch n of whole sets, a function of (seed, n) alone.

    Args:
        stores: sources of sets.
        sets_per_batch: sets of each source in a batch.
        seed: with n, decides what is drawn.
    """

    stores: tuple[StoredCells, ...]
    sets_per_batch: tuple[int, ...]
    seed: int

    def __getitem__(self, step: int) -> CellBatch:
        rng = np.random.default_rng([self.seed, step, 3])
        parts = []
        for store, count in zip(self.stores, self.sets_per_batch, strict=True):
            if count:
                total = len(store.sets)
                index = np.sort(rng.choice(total, count, replace=total < count))
                parts.append((store, index, labels_of(store.sets, index)))
        batches = [_batch_of(store, index, labels, rng) for store, index, labels in parts]
        batches += [
            _batch_of(store.second, index, mirrored(labels), rng)
            for store, index, labels in parts
            if store.second is not None
        ]
        fine, coarse, late, all_labels = zip(*batches, strict=True)
        joined = (torch.cat(values) for values in zip(*all_labels, strict=True))
        return CellBatch(torch.cat(fine), torch.cat(coarse), torch.cat(late), MosLabels(*joined))


def _batch_of(store: StoredCells, index: np.ndarray, labels: MosLabels, rng: np.random.Generator) -> CellBatch:
    fine, coarse = zip(*(store.cells(int(i)) for i in index), strict=True)
    members = store.late.shape[1]
    sound = rng.random((len(index), members)) < SOUND_THUMBNAIL_SHARE
    shown = np.where(sound, 0, np.arange(members))
    late = torch.from_numpy(store.late[index[:, None], shown])
    return CellBatch(torch.stack(fine), torch.stack(coarse), late, labels)
