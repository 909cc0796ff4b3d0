"""Ranked sets rendered once and kept as flat files: a training run on few cores must not wait for its data.

The cache of a configuration is a function of that configuration alone (sets come from `RankedSetDataset`), so it can be
deleted at any time; a rendering that was killed goes on from its last block. One process renders, others wait. Fields
are kept at 1/4 resolution, which is what the networks predict.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from distortion_engine import ENGINE_VERSION
from distortion_engine.catalog import AXES
from distortion_engine.dataset import Judge, RankedSetDataset
from distortion_engine.errors import UsageError
from distortion_engine.recipe import SET_KINDS
from distortion_engine.sampling import SamplingConfig
from distortion_engine.severity import provenance_hash
from relational_iqa.networks.local_analysis import STRIDE, pool
from relational_iqa.training.data.one_at_a_time import one_at_a_time

_COMPLETE, _PROGRESS = "complete", "progress.json"  # the second becomes the first
_BLOCK_SETS = 50  # how many are rendered anew after a kill, at most


@dataclass(frozen=True)
class DataConfig:
    """What is trained on. sets: ranked sets in the cache. size_px: crop side, a multiple of 16. min_scale: photographs
    are shrunk by a factor drawn in [min_scale, 1] first. workers: processes that render. mask_share: of steps that act
    on a part of the image. kinds: weight of each kind of set, empty for the engine's own mixture."""

    photos: str
    sets: int = 6000
    size_px: int = 128
    min_scale: float = 0.5
    seed: int = 0
    workers: int = 2
    cache_dir: str = ".cache/sets"
    mask_share: float = 0.5
    kinds: dict[str, float] = field(default_factory=dict)

    def sampling(self) -> SamplingConfig:
        """What the engine is to draw. Raises UsageError for an unknown kind or a weight below 0."""
        for kind, weight in self.kinds.items():
            if kind not in SET_KINDS or not weight >= 0:
                kinds = ", ".join(SET_KINDS)
                raise UsageError(f"data.kinds: {kind}: {weight} is not valid; expected 0 or more for some of {kinds}")
        mixture = SamplingConfig(mask_share=self.mask_share)
        return replace(mixture, kinds=self.kinds) if self.kinds else mixture

    def drawn(self) -> dict[str, Any]:
        """The part of the configuration on which the bytes of the cache depend."""
        left_out = ("workers", "cache_dir", "photos", *(() if self.kinds else ("kinds",)))
        return {name: value for name, value in asdict(self).items() if name not in left_out}


@dataclass(frozen=True)
class CachedSets:
    """Arrays over N sets of n + 1 images, the reference first: images (N, n+1, 3, S, S) uint8; fields (N, n+1, K, S/4,
    S/4) int8, 127 is 1.0; validity (N, n+1, 1, S/4, S/4) uint8, 255 is 1; ranks (N, n+1); labels (N, n+1, M), one
    column a metric; certainty (N,); kinds (N,) index in `SET_KINDS`."""

    images: np.ndarray
    fields: np.ndarray
    validity: np.ndarray
    ranks: np.ndarray
    labels: np.ndarray
    certainty: np.ndarray
    kinds: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def cached_sets(config: DataConfig, photos: Sequence[Path], judge: Judge, judge_columns: int) -> CachedSets:
    """Opens the cache of `config`, rendering it first where it is not there or not complete."""
    sampling = config.sampling()
    names = [photo.name for photo in photos]

    def folder_of(sets: int) -> Path:
        key = json.dumps([config.drawn() | {"sets": sets}, names, ENGINE_VERSION, provenance_hash(), judge_columns])
        return Path(config.cache_dir) / hashlib.sha256(key.encode()).hexdigest()[:16]

    folder = folder_of(config.sets)
    members = sampling.members + 1
    cells = config.size_px // STRIDE
    shapes: dict[str, tuple[tuple[int, ...], str]] = {
        "images": ((config.sets, members, 3, config.size_px, config.size_px), "uint8"),
        "fields": ((config.sets, members, len(AXES), cells, cells), "int8"),
        "validity": ((config.sets, members, 1, cells, cells), "uint8"),
        "ranks": ((config.sets, members), "int64"),
        "labels": ((config.sets, members, judge_columns), "float32"),
        "certainty": ((config.sets,), "float32"),
        "kinds": ((config.sets,), "int64"),
    }
    if not (folder / _COMPLETE).exists():
        dataset = RankedSetDataset(
            photos, config.size_px, config.seed, config.sets, sampling, judge, min_scale=config.min_scale
        )
        with one_at_a_time(folder):
            if not (folder / _COMPLETE).exists():  # by now another process may have rendered it
                if not (folder / _PROGRESS).exists():
                    _take_over(folder, shapes, folder_of)
                _render(dataset, folder, shapes, config.workers)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes}
    return CachedSets(**arrays)


class _Compact(Dataset[dict[str, Any]]):
    """The items of a RankedSetDataset as small arrays, made inside the worker."""

    def __init__(self, dataset: RankedSetDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.dataset[index]
        return {
            "index": index,
            "dropped": item.dropped,
            "images": item.images.numpy(),
            "fields": _shrink(item.fields, 127).to(torch.int8).numpy(),
            "validity": _shrink(item.validity, 255).to(torch.uint8).numpy(),
            "ranks": item.ranks.numpy(),
            "labels": item.labels.numpy(),
            "certainty": item.certainty,
            "kinds": SET_KINDS.index(item.set.kind),
        }


def _shrink(maps: Tensor, scale: int) -> Tensor:
    return (pool(maps, STRIDE) * scale).round()


def _first(items: list[dict[str, Any]]) -> dict[str, Any]:
    return items[0]


def _render(
    dataset: RankedSetDataset, folder: Path, shapes: dict[str, tuple[tuple[int, ...], str]], workers: int
) -> None:
    arrays, before, dropped = _opened(folder, shapes)
    loader = DataLoader(
        Subset(_Compact(dataset), range(before, len(dataset))),
        batch_size=1, num_workers=workers, collate_fn=_first, prefetch_factor=4 if workers else None,
        generator=torch.Generator(),  # else it draws from the global one, and a run depends on whether it rendered
    )  # fmt: skip
    start = time.monotonic()
    for done, item in enumerate(loader, before + 1):  # in the order of the sets, whoever renders them
        for name, array in arrays.items():
            array[item["index"]] = item[name]
        dropped += item["dropped"]
        if done % _BLOCK_SETS == 0 or done == len(dataset):
            for array in arrays.values():
                array.flush()
            _note(folder, done, dropped)
        if done % 500 == 0 or done == len(dataset):
            rate = (done - before) / (time.monotonic() - start)
            left = (len(dataset) - done) / rate
            print(
                f"rendered {done}/{len(dataset)} sets, {rate:.1f} sets/s, ETA {left:.0f} s; "
                f"{dropped} drawn sets dropped because the metrics contradict their order",
                file=sys.stderr,
                flush=True,
            )
    os.replace(folder / _PROGRESS, folder / _COMPLETE)


def _take_over(folder: Path, shapes: dict[str, tuple[tuple[int, ...], str]], folder_of: Callable[[int], Path]) -> None:
    """Copies the largest complete cache that differs in nothing but a smaller number of sets: set n is the same in
    caches of any size."""
    wanted = shapes["ranks"][0][0]
    found: list[tuple[int, int, Path]] = []
    for finished in folder.parent.glob(f"*/{_COMPLETE}"):
        noted = json.loads(finished.read_text())
        if noted.get("sets", wanted) < wanted and folder_of(noted["sets"]) == finished.parent:
            found.append((noted["sets"], noted["dropped"], finished.parent))
    if not found:
        return
    sets, dropped, smaller = max(found)
    arrays, _, _ = _opened(folder, shapes)
    for name, array in arrays.items():
        source = np.load(smaller / f"{name}.npy", mmap_mode="r")
        for start in range(0, sets, _BLOCK_SETS):
            array[start : min(start + _BLOCK_SETS, sets)] = source[start : start + _BLOCK_SETS]
        array.flush()
    _note(folder, sets, dropped)


def _opened(
    folder: Path, shapes: dict[str, tuple[tuple[int, ...], str]]
) -> tuple[dict[str, np.memmap[Any, Any]], int, int]:
    """Arrays to write to, and the numbers of sets that a killed rendering has left in them and dropped on the way."""
    done = dropped = 0
    try:
        noted = json.loads((folder / _PROGRESS).read_text())
        kept = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes}
        if all((kept[name].shape, kept[name].dtype) == (shape, dtype) for name, (shape, dtype) in shapes.items()):
            done, dropped = int(noted["sets"]), int(noted["dropped"])
    except (OSError, ValueError, KeyError, EOFError):  # nothing there, or nothing to rely on
        pass
    open_array = np.lib.format.open_memmap
    if done:
        return {name: open_array(folder / f"{name}.npy", mode="r+") for name in shapes}, done, dropped
    (folder / _PROGRESS).unlink(missing_ok=True)  # before what it speaks of is overwritten
    made = {name: open_array(folder / f"{name}.npy", "w+", dtype, shape) for name, (shape, dtype) in shapes.items()}
    return made, 0, 0


def _note(folder: Path, sets: int, dropped: int) -> None:
    partial = folder / f"{_PROGRESS}.partial"
    partial.write_text(json.dumps({"sets": sets, "dropped": dropped}))
    os.replace(partial, folder / _PROGRESS)
