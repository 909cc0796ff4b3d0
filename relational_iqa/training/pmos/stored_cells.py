"""What the frozen backbone says of the images of training sets, as the decoder of pMOS takes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
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
from relational_iqa.training.pmos.mos_labels import SOUND_THUMBNAIL_SHARE, MosLabels, labels_of


class CellBatch(NamedTuple):
    """A batch of S ranked sets of a reference and n members: what the backbone says of them, and pseudo-labels.

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
    """

    sets: StoredSets
    fine: SetArray
    coarse: SetArray
    late: np.ndarray

    def range(self, start: int, stop: int) -> StoredCells:
        """Those of the sets from `start` on, before `stop`."""
        arrays = (self.fine[start:stop], self.coarse[start:stop], self.late[start:stop])
        return StoredCells(self.sets.range(start, stop), *arrays)

    def cells(self, number: int) -> StageCells:
        """Those of the images of one set."""
        fine, coarse = (torch.from_numpy(np.array(array[number])).float() for array in (self.fine, self.coarse))
        return StageCells(fine, coarse)


def stored_cells(sets: StoredSets, network: PmosNetwork, folder: Path) -> StoredCells:
    """Opens the cells of `sets` below `folder`, after computing those that are not there yet; see `stored_arrays`."""
    encoder = network.encoder.eval()
    side = sets.images.shape[-1] // MOS_CELL_PX
    kinds = {
        "fine": ArrayKind((encoder.fine_channels, side, side), np.float16),
        "coarse": ArrayKind((encoder.coarse_channels, side // 2, side // 2), np.float16),
        "late": ArrayKind((2 * encoder.late_channels,), np.float32, mapped=False),
    }

    def compute(images: Tensor) -> dict[str, np.ndarray]:
        cells = encoder.see(images)
        return {
            "fine": half(cells.fine),
            "coarse": half(cells.coarse),
            "late": encoder.late(thumbnail(images)).numpy(),
        }

    found = stored_arrays(sets, kinds, compute, lambda whole: folder / f"cells-{_key(whole, network)}", None, "cells")
    return StoredCells(sets, found["fine"], found["coarse"], np.asarray(found["late"]))


def _key(sets: StoredSets, network: PmosNetwork) -> str:
    found = hashlib.sha256(f"{sets.images.shape} {sets.source}".encode())
    found.update(np.ascontiguousarray(sets.labels).tobytes())
    found.update(np.ascontiguousarray(sets.images[0]).tobytes())
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
                parts.append(_batch_of(store, np.sort(rng.choice(total, count, replace=total < count)), rng))
        fine, coarse, late, labels = zip(*parts, strict=True)
        joined = (torch.cat(values) for values in zip(*labels, strict=True))
        return CellBatch(torch.cat(fine), torch.cat(coarse), torch.cat(late), MosLabels(*joined))


def _batch_of(store: StoredCells, index: np.ndarray, rng: np.random.Generator) -> CellBatch:
    fine, coarse = zip(*(store.cells(int(i)) for i in index), strict=True)
    members = store.late.shape[1]
    sound = rng.random((len(index), members)) < SOUND_THUMBNAIL_SHARE
    shown = np.where(sound, 0, np.arange(members))
    late = torch.from_numpy(store.late[index[:, None], shown])
    return CellBatch(torch.stack(fine), torch.stack(coarse), late, labels_of(store.sets, index))
