"""Folders of `riqa generate --format npy` read in place: training looks at arrays inside the shards, nothing is copied.

A member of a tar is stored as it is, from a multiple of 512 bytes on, so an uncompressed `.npy` inside a shard can be
memory-mapped. Opening a folder reads all shards once, to hold them against the hashes in the manifest (about a second a
gigabyte), and the `json` of the sets; images and fields are read from the disk, or from the page cache of the system,
when they are indexed.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from distortion_engine.errors import UsageError
from distortion_engine.generation.manifest import MANIFEST_NAME, Manifest
from distortion_engine.jobs.safe_files import file_hashes
from distortion_engine.recipe import SET_KINDS, UNORDERED, Operation
from distortion_engine.restoration.sampling import FAMILY_NAMES, check_families, families_used

# Arrays that are read in place, in the order in which they lie in a shard.
MAPPED = ("images", "fields", "validity")


class SetArray(Protocol):
    """One array for each set: a `numpy.ndarray`, or a `MappedArray` on the disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, n + 1, ...)."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True)
class StoredSets:
    """N ranked sets of n + 1 images, the reference first.

    Shape:
        images: (N, n + 1, 3, S, S) uint8.
        fields: (N, n + 1, K, S/4, S/4) int8, 127 is 1.0.
        validity: (N, n + 1, 1, S/4, S/4) uint8, 255 is 1.
        ranks: (N, n + 1) int64, -1 for the reference.
        labels: (N, n + 1, M) float32, one column for each metric of the judge.
        certainty: (N,) float32.
        kinds: (N,) int64, index in `SET_KINDS`; -1 for versions in no order.
        families: (N, F) bool, whether a member is made by family f of `FAMILY_NAMES` of restoration algorithms; None
            where that is not known.

    Args:
        source: what they show, in words.
        chosen_from: where these are some of other sets, chosen by `take`: those sets, and their numbers among them.
            What is stored for all of those sets needs not be made again for these.
        identity: hash of all that the sets follow from, their number apart; empty where that is not known.
    """

    images: SetArray
    fields: SetArray
    validity: SetArray
    ranks: np.ndarray
    labels: np.ndarray
    certainty: np.ndarray
    kinds: np.ndarray
    source: str = "ranked sets"
    families: np.ndarray | None = None
    chosen_from: tuple[StoredSets, np.ndarray] | None = None
    identity: str = ""

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> StoredSets:
        """The first `count` sets, or all where there are not more."""
        return self if count >= len(self) else self.range(0, count)

    def range(self, start: int, stop: int) -> StoredSets:
        """The sets from `start` on, before `stop`."""
        arrays = {name: array[start:stop] for name, array in self._arrays().items()}
        chosen_from = self.chosen_from and (self.chosen_from[0], self.chosen_from[1][start:stop])
        return replace(self, **arrays, source=self._counted(stop - start), chosen_from=chosen_from)

    def take(self, index: np.ndarray) -> StoredSets:
        """The sets of these numbers; what lies on the disk stays there."""
        arrays: dict[str, Any] = {
            name: array.take(index) if isinstance(array, MappedArray) else array[index]
            for name, array in self._arrays().items()
        }
        whole, numbers = self.chosen_from or (self, np.arange(len(self)))
        return replace(self, **arrays, source=self._counted(len(index)), chosen_from=(whole, numbers[index]))

    def without_families(self, families: Sequence[str]) -> StoredSets:
        """Those sets of which no member is made by one of these families of restoration algorithms.

        Raises:
            UsageError: for an unknown family, where no family or no set is left, and where it is not known what made
                the members.
        """
        check_families(families)
        if self.families is None:
            raise UsageError(f"{self.source}: it is not known which algorithms made them")
        used = self.families[:, [FAMILY_NAMES.index(name) for name in families]].any(1)
        if used.all():
            raise UsageError(f"{self.source}: none is left without {', '.join(families)}")
        left = self.take(np.flatnonzero(~used))
        return replace(left, source=f"{left.source} without {', '.join(families)}")

    @property
    def whole(self) -> StoredSets:
        """The sets that these were chosen from, or these themselves."""
        return self.chosen_from[0] if self.chosen_from else self

    def _arrays(self) -> dict[str, Any]:
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: array for name, array in known.items() if name not in _NO_ARRAYS and array is not None}

    def _counted(self, sets: int) -> str:
        _, _, of_photographs = self.source.partition(" ")
        return f"{sets} {of_photographs}"


_NO_ARRAYS = ("source", "chosen_from", "identity")


class MappedArray:
    """One array for each set, all of one shape and type, inside uncompressed files.

    `a[3]` is the array of set 3, without a copy; `a[[3, 5]]` those of two sets, `a[[3, 5], [0, 2]]` row 0 of the first
    and row 2 of the second, both as copies; `a[:100]` is another `MappedArray`.

    Args:
        paths: the files.
        places: (N, 2) number of the file, and offset in bytes of the values in it.
        shape: shape of one array.
        dtype: type of its values.
        sums: (N, 32) uint8, the sha256 of the bytes of each array. An array is held against it where this process reads
            it for the first time, which raises UsageError where they differ. None where nothing is checked.
    """

    _sums: np.ndarray | None = None

    def __init__(
        self,
        paths: Sequence[Path],
        places: np.ndarray,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        sums: np.ndarray | None = None,
    ) -> None:
        self._paths, self._places, self._item_shape, self.dtype, self._sums = list(paths), places, shape, dtype, sums
        self._maps: dict[int, np.memmap[Any, Any]] = {}
        self._checked: set[int] = set()

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, *shape)."""
        return len(self._places), *self._item_shape

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, key: int | slice | Sequence[int] | np.ndarray | tuple[Any, Any]) -> np.ndarray | MappedArray:
        if isinstance(key, slice):
            return self._some(key)
        if isinstance(key, tuple):
            sets, rows = key
            return np.stack([self._one(index)[row] for index, row in zip(sets, rows, strict=True)])
        if isinstance(key, (int, np.integer)):
            return self._one(key)
        return np.stack([self._one(index) for index in key])

    def take(self, index: np.ndarray) -> MappedArray:
        """The arrays of the sets of these numbers, left where they are."""
        return self._some(index)

    def _some(self, key: slice | np.ndarray) -> MappedArray:
        sums = None if self._sums is None else self._sums[key]
        return MappedArray(self._paths, self._places[key], self._item_shape, self.dtype, sums)

    def _one(self, index: int | np.integer[Any]) -> np.ndarray:
        file, offset = (int(number) for number in self._places[index])
        if file not in self._maps:
            self._maps[file] = np.memmap(self._paths[file], np.uint8, "r")
        found: np.ndarray = np.ndarray(self._item_shape, self.dtype, self._maps[file], offset)
        if self._sums is not None and index not in self._checked:
            if not np.array_equal(sha256_of(found), self._sums[index]):
                path = self._paths[file]
                raise UsageError(
                    f"{path}: what lies at byte {offset} differs from the hash that was written with it; remove "
                    f"{path.parent}, and it is made anew"
                )
            self._checked.add(int(index))
        return found

    def __getstate__(self) -> dict[str, Any]:
        # A map would be pickled as a copy of its file; another process checks what it reads itself.
        return {**vars(self), "_maps": {}, "_checked": set()}


def sha256_of(array: np.ndarray) -> np.ndarray:
    """Of the bytes of an array: (32,) uint8."""
    return np.frombuffer(hashlib.sha256(np.ascontiguousarray(array).data).digest(), np.uint8)


def mapped_npy(path: Path, sums: np.ndarray | None = None) -> MappedArray:
    """A file `.npy` of one array for each set; unlike `numpy.memmap` it is pickled as its path. For `sums` see
    `MappedArray`."""
    with open(path, "rb") as stream:
        np.lib.format.read_magic(stream)
        (count, *item_shape), _, dtype = np.lib.format.read_array_header_1_0(stream)
        start = stream.tell()
    size = int(np.prod(item_shape)) * dtype.itemsize
    places = np.stack([np.zeros(count, np.int64), start + size * np.arange(count)], 1)
    return MappedArray([path], places, tuple(item_shape), dtype, sums)


def open_sets(folder: Path, check: Callable[[Mapping[str, Any]], None] = lambda head: None) -> StoredSets:
    """Opens a complete folder of the format npy.

    Args:
        folder: what `riqa generate` wrote.
        check: is called with the first line of the manifest before anything else is read, and may raise.

    Raises:
        UsageError: where the folder is not complete or of another format, or its files are not those of the manifest.
    """
    manifest = Manifest.read(folder / MANIFEST_NAME)
    if not manifest.head:
        raise UsageError(f"{folder}: is no output of riqa generate; make it with: riqa generate ... --format npy")
    stored = manifest.head["options"]["image_format"]
    if stored != "npy":
        raise UsageError(f"{folder}: holds {stored} files; training needs a folder made with --format npy")
    check(manifest.head)
    if not manifest.complete:
        raise UsageError(f"{folder}: is not complete; give the same riqa generate command again to complete it")
    hashes = {folder / name: line["sha256"] for name, line in manifest.listed().items()}
    paths = list(hashes)
    _check_shards(hashes)
    index = _Index()
    for number, path in enumerate(paths):
        try:
            index.add(number, path)
        except (OSError, tarfile.TarError, ValueError, KeyError) as error:
            raise UsageError(f"{path}: cannot be read ({error}); give the same riqa generate command again") from error
    records = index.records
    mapped: dict[str, Any] = {name: index.array(name, paths) for name in MAPPED}
    return StoredSets(
        **mapped,
        ranks=np.array([[-1, *record["ranks"]] for record in records]),
        labels=np.array([record["labels"] or [[]] * (len(record["ranks"]) + 1) for record in records], np.float32),
        certainty=np.array([record["certainty"] for record in records], np.float32),
        kinds=np.array([(UNORDERED, *SET_KINDS).index(record["kind"]) - 1 for record in records]),
        source=f"{len(records)} ranked sets of {len(manifest.head['photos'])} photographs",
        families=np.array([_families(record["recipe"]["members"]) for record in records]),
        identity=manifest.identity,
    )


def _check_shards(hashes: Mapping[Path, str]) -> None:
    """Raises UsageError where a file is missing or has not the sha256 that it had when it was written."""
    for path, found in zip(hashes, file_hashes(hashes), strict=True):
        if found != hashes[path]:
            raise UsageError(f"{path}: is missing or damaged; give the same riqa generate command again to repair it")


def _families(members: Sequence[Mapping[str, Any]]) -> list[bool]:
    """A row of `StoredSets.families`, from the recipes of the members as plain data."""
    operations = [[Operation(**operation) for operation in member.get("operations", ())] for member in members]
    used = frozenset[str]().union(*map(families_used, operations))
    return [name in used for name in FAMILY_NAMES]


class _Index:
    """Where the arrays of all sets lie, and what their records say."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self._places: dict[str, list[tuple[int, int]]] = {name: [] for name in MAPPED}
        self._headers: dict[str, bytes] = {}
        self._layouts: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}

    def add(self, number: int, path: Path) -> None:
        """Looks through shard `number`; ValueError where an array has another shape than in the sets before."""
        with open(path, "rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            for entry in tar:
                name = entry.name.partition(".")[2]
                stream.seek(entry.offset_data)
                if name == "json":
                    self.records.append(json.loads(stream.read(entry.size)))
                elif (array := name.removesuffix(".npy")) in MAPPED:
                    self._add_array(array, number, entry.offset_data, stream)

    def _add_array(self, name: str, number: int, offset: int, stream: Any) -> None:
        if name not in self._headers:
            np.lib.format.read_magic(stream)
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            size = stream.tell() - offset
            stream.seek(offset)
            self._headers[name], self._layouts[name] = stream.read(size), (shape, dtype)
        else:
            header = self._headers[name]
            if stream.read(len(header)) != header:
                raise ValueError(f"{name} of set {len(self.records)} has another shape or type than in the first set")
        self._places[name].append((number, offset + len(self._headers[name])))

    def array(self, name: str, paths: Sequence[Path]) -> MappedArray:
        """The arrays of one name in all sets."""
        shape, dtype = self._layouts[name]
        return MappedArray(paths, np.array(self._places[name], np.int64), shape, dtype)
