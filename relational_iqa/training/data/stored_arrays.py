"""What a frozen network says of every image of the training sets: computed once, kept on the disk, because it takes
many times as long as the heads that are trained on it.

A folder has, each with room for all N sets:

- an array `NAME.npy`, (N, n + 1, ...), for each name
- `hashes.npy`, (N, names, 32) uint8, the sha256 of each array of each set. Large arrays are held against theirs where a
  process reads them first, small ones when the folder is opened. Sets of former versions, which wrote no hashes, get
  theirs when the folder is opened.
- `done.json`, how many sets are there
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import MappedArray, SetArray, StoredSets, mapped_npy, sha256_of
from distortion_engine.jobs.safe_files import atomic_file
from relational_iqa.training.data.one_at_a_time import one_at_a_time

LARGEST_HALF = 6e4
"""Values that are stored in half precision are cut here."""
_SAY_EVERY = 100  # sets


@dataclass(frozen=True)
class ArrayKind:
    """One array of a set.

    Args:
        shape: of one image's part.
        dtype: np.float16 or np.float32.
        mapped: whether it stays on the disk and is read where it is used.
    """

    shape: tuple[int, ...]
    dtype: type[np.generic]
    mapped: bool = True


def stored_arrays(
    sets: StoredSets,
    kinds: Mapping[str, ArrayKind],
    compute: Callable[[torch.Tensor], Mapping[str, np.ndarray]],
    place: Callable[[StoredSets], Path],
    count: int | None,
    what: str,
) -> dict[str, SetArray]:
    """Opens the arrays of the first `count` sets, after computing those that are not there yet.

    A run that was stopped goes on where it was. Of sets that were chosen from others, the folder is that of all those
    others, and none is computed twice.

    Args:
        sets: the sets.
        kinds: the arrays by name.
        compute: images (n + 1, 3, S, S) in [0, 1] of a set -> its arrays by name.
        place: the folder of some sets; its name says what the arrays follow from.
        count: so many of the sets, the first, are wanted; None for all.
        what: what is computed, for lines of progress.

    Raises:
        UsageError: for files that are damaged; where large arrays are read, for those.
    """
    count = len(sets) if count is None else min(count, len(sets))
    if sets.chosen_from is not None:
        whole, numbers = sets.chosen_from
        numbers = numbers[:count]
        every = stored_arrays(whole, kinds, compute, place, int(numbers.max(initial=-1)) + 1, what)
        return {name: _taken(array, numbers) for name, array in every.items()}
    members, path = sets.images.shape[1], place(sets)
    with one_at_a_time(path):
        path.mkdir(parents=True, exist_ok=True)
        done = _done(path, len(sets))
        # All files have room for all sets; what is not written takes none on the disk.
        arrays = {
            name: _file(path / f"{name}.npy", kind.dtype, (len(sets), members, *kind.shape), done > 0)
            for name, kind in kinds.items()
        }
        hashes_exist = done > 0 and (path / "hashes.npy").exists()
        hashes = _file(path / "hashes.npy", np.uint8, (len(sets), len(kinds), 32), hashes_exist)
        _add_hashes(path, arrays, hashes, done)
        with torch.inference_mode():
            for number in range(done, count):
                found = compute(torch.from_numpy(np.array(sets.images[number])).float() / 255)
                for name, array in arrays.items():
                    array[number] = found[name]
                hashes[number] = [sha256_of(array[number]) for array in arrays.values()]
                if (number + 1) % _SAY_EVERY == 0 or number + 1 == count:
                    for array in (*arrays.values(), hashes):
                        array.flush()
                    with atomic_file(path / "done.json") as stream:
                        stream.write(json.dumps(number + 1).encode())
                    print(f"{what} of {number + 1} of {count} sets", file=sys.stderr, flush=True)
    opened: dict[str, SetArray] = {}
    sums = np.load(path / "hashes.npy").transpose(1, 0, 2)
    for (name, kind), expected in zip(kinds.items(), sums, strict=True):
        file = path / f"{name}.npy"
        if kind.mapped:
            opened[name] = _taken(mapped_npy(file, expected), np.arange(count))
            continue
        near = np.load(file)[:count]
        for values, sum_of_set in zip(near, expected, strict=False):
            if not np.array_equal(sha256_of(values), sum_of_set):
                raise UsageError(f"{file}: differs from {path / 'hashes.npy'}; {_remedy(path)}")
        opened[name] = near
    return opened


def half(values: torch.Tensor) -> np.ndarray:
    """Values in half precision, cut where it ends."""
    cut: np.ndarray = values.clamp(-LARGEST_HALF, LARGEST_HALF).half().numpy()
    return cut


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


def _add_hashes(path: Path, arrays: Mapping[str, np.ndarray], hashes: np.memmap[Any, Any], done: int) -> None:
    """Hashes of those of the first `done` sets that were stored by a version which wrote none."""
    bare = np.flatnonzero(~hashes[:done].any((1, 2)))
    if len(bare):
        print(f"{path}: {len(bare)} sets are without hashes, which they get now", file=sys.stderr, flush=True)
        for number in bare:
            hashes[number] = [sha256_of(array[number]) for array in arrays.values()]
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
