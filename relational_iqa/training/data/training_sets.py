"""The ranked sets that a system is trained on: a folder of `riqa generate --format npy`, given or made on the way.

Without a prepared folder, the sets are generated into the cache folder of their options. They are a function of options
and photographs alone, so the folder can be deleted at any time; a run that was killed continues after its last complete
shard, and a larger number of sets extends the folder. One process renders, others wait.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distortion_engine import ENGINE_VERSION
from distortion_engine.dataset import Judge
from distortion_engine.errors import UsageError
from distortion_engine.generation.generate import complete_folder, judge_name
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.stored_sets import StoredSets, open_sets
from distortion_engine.generation.workers import Workforce
from distortion_engine.jobs.safe_files import file_hashes
from distortion_engine.reading.photos import list_photos
from distortion_engine.restoration.neural import shipped_hash
from distortion_engine.restoration.sampling import check_families
from distortion_engine.severity import provenance_hash
from relational_iqa.training.data.judge import metric_judge
from relational_iqa.training.data.one_at_a_time import one_at_a_time

SETS_PER_SHARD = 32  # at most so many are rendered again by each worker after a kill
SPLIT = "train"


@dataclass(frozen=True)
class DataConfig:
    """The ranked sets to train on. With `sets_folder`, the other options may be left out; those that are given must
    agree with it.

    Args:
        photos: folder of pristine photographs; those of the split "train" are used.
        sets: how many ranked sets; of a prepared folder, the first so many.
        size_px: side of the crops, a multiple of 16.
        min_scale: photographs are first shrunk by a factor drawn from [min_scale, 1].
        seed: decides which sets are drawn.
        workers: processes that render.
        cache_dir: where sets are generated when no folder is given.
        mask_share: share of steps that act on a part of the image.
        kinds: weight of each kind of set, empty for the engine's own mixture.
        sets_folder: output of `riqa generate --split train --format npy`, instead of `photos`.
        without_families: families of restoration algorithms that are left out of the kind "restoration_outputs". Of a
            prepared folder, only those sets are used in which no member was made by one of them.

    Raises:
        UsageError: for values out of range, and where both `photos` and `sets_folder` are missing.
    """

    photos: str = ""
    sets: int = 6000
    size_px: int = 128
    min_scale: float = 0.5
    seed: int = 0
    workers: int = 2
    cache_dir: str = ".cache/sets"
    mask_share: float = 0.5
    kinds: dict[str, float] = field(default_factory=dict)
    sets_folder: str = ""
    without_families: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not (self.photos or self.sets_folder):
            raise UsageError("data: needs photos, a folder of photographs, or sets_folder, made by riqa generate")
        if self.size_px % 16:
            raise UsageError(f"data.size_px is {self.size_px}: expected a multiple of 16")
        check_families(self.without_families)
        self.options()  # refuses values out of range

    def options(self) -> GenerateOptions:
        """What is generated where no folder is given."""
        return GenerateOptions(
            self.sets, self.seed, self.size_px, SPLIT, SETS_PER_SHARD, image_format="npy", min_scale=self.min_scale,
            mask_share=self.mask_share, kinds=self.kinds,
            without_families=() if self.sets_folder else tuple(self.without_families),
        )  # fmt: skip


@dataclass(frozen=True)
class SetSource:
    """Ranked sets of one kind or mixture, in a run that learns from several.

    Args:
        data: which sets.
        per_batch: how many of them are in a batch.

    Raises:
        UsageError: for a `per_batch` below 1.
    """

    data: DataConfig
    per_batch: int

    def __post_init__(self) -> None:
        if self.per_batch < 1:
            raise UsageError(f"per_batch is {self.per_batch}: expected 1 or more")


def training_sets(config: DataConfig, judge: Judge = metric_judge) -> StoredSets:
    """Opens the sets of `config`, generating them first where that is not done yet.

    Raises UsageError where a prepared folder is not complete, not made for training, or disagrees with `config`.
    """
    if config.sets_folder:
        folder = Path(config.sets_folder)
        sets = open_sets(folder, lambda head: _check_prepared(folder, head, config, judge))
        sets = sets.first(config.sets) if config.sets != DataConfig.sets else sets
        # The source is part of the key of what is stored for all of them, so it is complete before some are chosen.
        sets = replace(sets, source=f"{sets.source} (split {SPLIT!r}, {folder.name})")
        return sets.without_families(config.without_families) if config.without_families else sets
    photos = list_photos(config.photos, SPLIT)
    sets = generated_sets(config.options(), photos, config.cache_dir, judge, config.workers)
    return replace(sets, source=f"{sets.source} (split {SPLIT!r}, {Path(config.photos).name})")


def generated_sets(
    options: GenerateOptions, photos: Sequence[Path], cache_dir: str, judge: Judge | None, workers: int
) -> StoredSets:
    """Opens the generated sets of `options` below `cache_dir`; generates those that are missing first.

    Args:
        options: what is generated.
        photos: photographs that it is generated from.
        cache_dir: folder in which each combination of options, photographs, judge and engine version has its own
            folder.
        judge: gives the loss of quality of each image; None where none is needed.
        workers: number of processes that generate; 0 for this one alone.
    """
    folder = cache_folder(options, photos, cache_dir, judge)
    ready = _ready(folder, options.sets)
    if ready is None:
        with one_at_a_time(folder):
            ready = _ready(folder, options.sets)  # by now another process may have generated it
            if ready is None:
                what = "ranked sets" if not options.versions else "regions and their versions"
                print(f"generating {options.sets} {what} in {folder}", file=sys.stderr, flush=True)
                complete_folder(list(photos), folder, options, judge, Workforce(workers=workers))
                ready = open_sets(folder)
    return ready.first(options.sets)


def cache_folder(options: GenerateOptions, photos: Sequence[Path], cache_dir: str, judge: Judge | None) -> Path:
    """The folder of `options` below `cache_dir`. Photographs are told apart by name and content. The number of sets
    does not change the folder, so a longer run extends it."""
    drawn = {**options.to_dict(), "sets": None}
    named = [[photo.name, content] for photo, content in zip(photos, file_hashes(photos), strict=True)]
    key = [drawn, named, ENGINE_VERSION, provenance_hash(), judge_name(judge)]
    if options.restores:
        key.append(shipped_hash())
    return Path(cache_dir) / hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]


def _ready(folder: Path, sets: int) -> StoredSets | None:
    """The sets of a complete folder that holds as many as are wanted."""
    try:
        found = open_sets(folder)
    except UsageError:  # what is wrong with it, if it is not just incomplete, is said when it is to be completed
        return None
    return found if len(found) >= sets else None


def _check_prepared(folder: Path, head: Mapping[str, Any], config: DataConfig, judge: Judge) -> None:
    """Raises UsageError where a folder with this first line of its manifest is not what training needs."""
    options = head["options"]
    if options["split"] != SPLIT:
        raise UsageError(
            f"{folder}: shows photographs of the split {options['split']!r}; make it with --split {SPLIT}, so that "
            "held-out photographs stay unseen"
        )
    needed = {"engine": ENGINE_VERSION, "severity": provenance_hash(), "judge": judge_name(judge)}
    for name, value in needed.items():
        if head[name] != value:
            raise UsageError(f"{folder}: was made with {name} {head[name]}, training needs {value}; make it anew")
    for name in ("size_px", "min_scale", "seed", "mask_share", "kinds"):
        asked, there = getattr(config, name), options[name]
        if asked not in (there, {} if name == "kinds" else getattr(DataConfig, name)):
            raise UsageError(
                f"{folder}: was made with {name} {there}, data.{name} is {asked}; leave it out, or make it anew"
            )
    if config.sets > options["sets"] and config.sets != DataConfig.sets:
        raise UsageError(
            f"{folder}: holds {options['sets']} sets, data.sets is {config.sets}; the same riqa generate command with "
            f"--sets {config.sets} adds the others"
        )
    if options["size_px"] % 16:
        raise UsageError(f"{folder}: holds crops of {options['size_px']} px; training needs a multiple of 16")
