"""BAPPS, two-alternative forced choice: 64 px triplets (Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.files import Collector, Files
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion

OPINION = Opinion("share of judges for the second image", 0, 1, higher_is_better=True)
PARTS = ("ref", "p0", "p1", "judge")
VALIDATION = {"traditional": 4720, "cnn": 4720, "superres": 10856, "deblur": 9440, "color": 4720, "frameinterp": 1888}
"""Triplets of 2afc/val by folder; the training folders have 56.6k, 38.1k and 56.6k."""


def read(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """Folders with `ref/000000.png`, `p0/`, `p1/` and `judge/000000.npy` (share of judges who chose p1), as
    `dataset/2afc/val/traditional/` has them. root: one such folder, `val`, `train`, or anything above; where both
    parts are there, the validation part is read (name the folder `train` to read that)."""
    files = Files(root, "BAPPS 2AFC folder, with ref/, p0/, p1/ and judge/ in val/traditional/ and so on")
    folders = _folders(files.root)
    notes = []
    if any("val" in folder.relative_to(files.root).parts for folder in folders):
        folders = [folder for folder in folders if "val" in folder.relative_to(files.root).parts]
        notes.append("the validation part")
    collector = Collector("BAPPS", files, OPINION, partial)
    for folder in folders:
        names = sorted(path.stem for path in (folder / "ref").glob("*.png"))
        expected = VALIDATION.get(folder.name) if folder.parent.name == "val" else None
        if expected is not None and len(names) != expected:
            text = f"{folder} has {len(names):,} triplets, the published part {expected:,}"
            if not partial:
                raise UsageError(f"{text}; unpack it again, or say --partial to evaluate this part")
            notes.append(text)
        for name in names:
            judge = folder / "judge" / f"{name}.npy"
            if not judge.is_file():
                collector.lost(judge)
                continue
            place = folder.relative_to(files.root) if folder != files.root else Path(folder.name)
            # Every triplet has a reference of its own.
            collector.add_pair(
                folder / "p0" / f"{name}.png", folder / "p1" / f"{name}.png", folder / "ref" / f"{name}.png",
                _share(judge), f"{place}/{name}", folder.name,
            )  # fmt: skip
    return collector.done((), notes=notes)


def _folders(root: Path) -> list[Path]:
    """Folders with all four parts, the root or up to three levels below it."""
    levels = [root, *root.glob("*"), *root.glob("*/*"), *root.glob("*/*/*")]
    found = sorted(folder for folder in levels if all((folder / part).is_dir() for part in PARTS))
    if not found:
        raise UsageError(
            f"{root}: no folder with {', '.join(PARTS)} in it or up to three levels below; unpack twoafc_val"
        )
    return found


def _share(path: Path) -> float:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: no judgement ({error}); unpack the set again") from error
    if values.size != 1:
        raise UsageError(f"{path}: holds {values.size} numbers; expected one share of judges")
    return float(values.ravel()[0])
