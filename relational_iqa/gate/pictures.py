"""Which files are compared: an output with that of the former version, or with its reference."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from distortion_engine.errors import UsageError
from distortion_engine.jobs.printable import printable
from relational_iqa.folders.pairing import Pair, find_references, list_images, pair_up
from relational_iqa.gate.accepted import Files


@dataclass(frozen=True)
class Picture:
    """One picture of the gate.

    Args:
        name: path below the folder with "/", without suffix where that is unique.
        new: the output that is judged; None where only the former version has it.
        other: what it is compared with; None where there is nothing.
        reference: the pristine image; None where there is none.
        problem: why it cannot be compared; empty where it can.
    """

    name: str
    new: Path | None
    other: Path | None = None
    reference: Path | None = None
    problem: str = ""

    @property
    def pair(self) -> Pair:
        """The files as `FolderComparison` takes them. For a picture with `new` and `other`."""
        assert self.new is not None and self.other is not None
        return Pair(self.name, self.new, self.other, self.reference, self.problem)

    @property
    def paths(self) -> list[Path]:
        """All files of it."""
        return [path for path in (self.new, self.other, self.reference) if path is not None]

    def hashes(self, against_reference: bool) -> Files:
        """sha256 of its files. Raises OSError for a file that cannot be read.

        Args:
            against_reference: whether `other` is the reference itself.
        """
        new, other, reference = (
            "" if path is None else sha256(path) for path in (self.new, self.other, self.reference)
        )
        return Files(new, "" if against_reference else other, reference)


def find_pictures(new: str, against: str | None, reference: str | None) -> list[Picture]:
    """The pictures of a run, sorted by name.

    Args:
        new: a file or a folder.
        against: outputs of the former version: a file or a folder as `new` is; None to compare with the reference.
        reference: a file, the reference of all pictures, or a folder of references with the names of the pictures.

    Raises:
        UsageError: for folders without images or without a common name, for a folder where a file is meant, and where
            there is nothing to compare with.
        OSError: for a folder that cannot be read.
    """
    if against is None and reference is None:
        raise UsageError(
            f"nothing to compare {new} with; give the outputs of the former version (--against OLD), the pristine "
            "images (--reference R), or both"
        )
    if not Path(new).is_dir():
        return [_single(new, against, reference)]
    if against is None:
        assert reference is not None
        return _beside_references(new, reference)
    pairing = pair_up(new, against, reference)
    both = [Picture(pair.name, pair.a, pair.b, pair.reference, pair.problem) for pair in pairing.pairs]
    taken = {picture.name for picture in both}
    added = [Picture(_free(name, taken), Path(new, name)) for name in pairing.only_a]
    gone = [Picture(_free(name, taken), None, Path(against, name)) for name in pairing.only_b]
    return sorted([*both, *added, *gone], key=lambda picture: picture.name)


def chosen(pictures: Sequence[Picture], only: str | None) -> list[Picture]:
    """The pictures whose names match a glob pattern; all without one. Raises UsageError where none does."""
    found = [picture for picture in pictures if only is None or fnmatchcase(picture.name, only)]
    if not found:
        names = ", ".join(picture.name for picture in pictures[:3])
        raise UsageError(f"--only {only}: matches none of {len(pictures)} pictures ({names} ...)")
    return found


def sha256(path: Path) -> str:
    """Of the content of a file, in hexadecimal. Raises OSError where it cannot be read."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _single(new: str, against: str | None, reference: str | None) -> Picture:
    for option, path in (("--against", against), ("--reference", reference)):
        if path is not None and Path(path).is_dir():
            raise UsageError(f"{option} {path}: is a folder, but {new} is a file; give two files or two folders")
    pristine = None if reference is None else Path(reference)
    return Picture(printable(Path(new).stem), Path(new), pristine if against is None else Path(against), pristine)


def _beside_references(new: str, reference: str) -> list[Picture]:
    files = list_images(new)
    single = Path(reference) if not Path(reference).is_dir() else None
    own = dict.fromkeys(files, single) if single is not None else find_references(list(files), reference)
    stems = [str(PurePosixPath(name).with_suffix("")) for name in files]
    pictures = []
    for name, stem in zip(files, stems, strict=True):
        problem = "" if own[name] is not None else f"{reference}: has no reference of that name"
        shown = stem if stems.count(stem) == 1 else name
        pictures.append(Picture(printable(shown), files[name], own[name], own[name], problem))
    return sorted(pictures, key=lambda picture: picture.name)


def _free(name: str, taken: set[str]) -> str:
    """A name without suffix where no other picture has it."""
    stem = str(PurePosixPath(name).with_suffix(""))
    free = name if stem in taken else stem
    taken.add(free)
    return free
