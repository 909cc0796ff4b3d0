"""Two folders of outputs paired by name, sub-folders included, with their references: what belongs together.

Equal names below the two folders belong together first; of the rest, names that are equal without their suffix
(`city/a.jpg`, `city/a.avif`), if no other file of that folder has the same. What is left over is listed, never guessed.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from distortion_engine.errors import UsageError
from distortion_engine.jobs.printable import printable
from distortion_engine.reading.photos import PHOTO_SUFFIXES

CAMERA_RAW = frozenset({".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw"})
IMAGE_SUFFIXES = PHOTO_SUFFIXES | CAMERA_RAW | {
    ".exr", ".gif", ".heic", ".heif", ".hif", ".j2k", ".jp2", ".pgm", ".pnm", ".ppm"
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Two images of one scene, with their reference.

    Args:
        name: name of the pair: path below the folders with "/", without suffix where that is unique.
        a: file in the first folder.
        b: file in the second folder.
        reference: file of the reference; None where there is none.
        problem: why the pair cannot be compared, known before any file is opened; empty where it can.
    """

    name: str
    a: Path
    b: Path
    reference: Path | None = None
    problem: str = ""


@dataclass(frozen=True)
class Pairing:
    """The pairs of two folders, and the files without a partner.

    Args:
        pairs: sorted by name.
        only_a: files of the first folder that have no partner: path below the folder, with suffix.
        only_b: the same for the second folder.
    """

    pairs: tuple[Pair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        """Every file that will be read."""
        return [str(path) for pair in self.pairs for path in (pair.a, pair.b, pair.reference) if path is not None]


def pair_up(folder_a: str, folder_b: str, reference: str | None = None) -> Pairing:
    """The images of two folders in pairs.

    Args:
        folder_a: first folder.
        folder_b: second folder.
        reference: one file, the reference of all pairs; or a folder, in which each pair finds its reference by the
            rules of the module. A pair that finds none has a `problem`.

    Raises:
        UsageError: for a folder without images, for two folders without a common name, and for a path that is no
            folder.
        OSError: for a folder that cannot be read.
    """
    files_a, files_b = list_images(folder_a), list_images(folder_b)
    partners = _partners(files_a, files_b)
    if not partners:
        raise UsageError(
            f"no file of {folder_a} ({_some(files_a)}) has a partner in {folder_b} ({_some(files_b)}): give both "
            "outputs of a scene the same name below the two folders; the suffix may differ"
        )
    stems = Counter(_stem(a) for a, _ in partners)
    single = Path(reference) if reference is not None and not Path(reference).is_dir() else None
    references = {} if reference is None or single is not None else list_images(reference)
    pairs = []
    for name_a, name_b in partners:
        name = _stem(name_a) if stems[_stem(name_a)] == 1 else name_a
        own, problem = single, ""
        if reference is not None and single is None:
            own = _reference_of((name_a, name_b), references)
            problem = "" if own else f"{reference}: has no reference of that name"
        pairs.append(Pair(printable(name), files_a[name_a], files_b[name_b], own, problem))
    used_a, used_b = {a for a, _ in partners}, {b for _, b in partners}
    return Pairing(
        tuple(sorted(pairs, key=lambda pair: pair.name)),
        tuple(printable(name) for name in files_a if name not in used_a),
        tuple(printable(name) for name in files_b if name not in used_b),
    )


def find_references(names: Sequence[str], folder: str) -> dict[str, Path | None]:
    """The reference of each image in a folder of references, by the rules of the module; None where there is none.

    Args:
        names: of images below their folder, with "/" and suffix.
        folder: where the references are.

    Raises:
        UsageError: for a folder without images.
        OSError: for a folder that cannot be read.
    """
    references = list_images(folder)
    return {name: _reference_of((name,), references) for name in names}


def list_images(folder: str) -> dict[str, Path]:
    """Name below the folder, with "/" -> file, sorted; hidden files and folders and other suffixes are left out."""
    root = Path(folder)
    if not root.is_dir():
        what = "is a file" if root.is_file() else "no such folder"
        raise UsageError(f"{folder}: {what}, but the other path is a folder; give two images or two folders")
    found = {}
    for where, folders, names in os.walk(root, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(where, name)
            if path.suffix.lower() in IMAGE_SUFFIXES and not name.startswith("."):
                found[path.relative_to(root).as_posix()] = path
    if not found:
        raise UsageError(f"{folder}: no images; expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}")
    return dict(sorted(found.items()))


def _partners(files_a: dict[str, Path], files_b: dict[str, Path]) -> list[tuple[str, str]]:
    equal = [name for name in files_a if name in files_b]
    rest_a = _by_stem([name for name in files_a if name not in files_b])
    rest_b = _by_stem([name for name in files_b if name not in files_a])
    similar = [
        (names[0], rest_b[stem][0])
        for stem, names in rest_a.items()
        if len(names) == 1 and len(rest_b.get(stem, ())) == 1
    ]
    return [(name, name) for name in equal] + similar


def _reference_of(names: Sequence[str], references: dict[str, Path]) -> Path | None:
    for name in names:
        if name in references:
            return references[name]
    own = [path for name, path in references.items() if _stem(name) == _stem(names[0])]
    return own[0] if len(own) == 1 else None


def _by_stem(names: Sequence[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_stem(name), []).append(name)
    return groups


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _some(files: dict[str, Path]) -> str:
    names = [printable(name) for name in files]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _raise(error: OSError) -> None:
    raise error
