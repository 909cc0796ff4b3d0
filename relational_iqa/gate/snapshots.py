"""Baseline pictures beside tests: `__riqa__/<test file>/` holds the pictures and, as `riqa.toml`, what was accepted.

The file is that of `riqa check`, with tolerances by hand above its line. A picture that was accepted passes as long as
its file is the same; another one is compared with it.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, locked, make_folder
from relational_iqa.folders.pairing import IMAGE_SUFFIXES
from relational_iqa.gate.accepted import Accepted, Files, Measured, weights_said
from relational_iqa.gate.baseline import Baseline, read_baseline
from relational_iqa.gate.picture_files import as_file
from relational_iqa.gate.tolerances import Tolerance
from relational_iqa.gate.verdicts import Verdict, judge

if TYPE_CHECKING:
    from relational_iqa.folders.compared_files import ComparedFiles

FOLDER, VALUES = "__riqa__", "riqa.toml"
LABELS = ("New", "Accepted")
_ACCEPTED = "the accepted picture"


@dataclass(frozen=True)
class Snapshots:
    """The baseline of one test file.

    Args:
        folder: where it is.
        load: gives the model, called where a picture has changed.
        evidence: folder for the evidence of what does not pass.
    """

    folder: Path
    load: Callable[[], Any]
    evidence: Path

    def accept(self, name: str, image: Any, reference: Any = None) -> bool:
        """Takes an image as the accepted one; whether anything changed. Raises UsageError, ImageError, OSError."""
        content, suffix = as_file(image, name)
        make_folder(self.folder)
        before = self._picture(name)
        with _given(reference, name) as pristine:
            files = Files(_hash(content), reference="" if pristine is None else _hash(pristine.read_bytes()))
            known = self._baseline().accepted.get(name)
            same = before is not None and before.suffix == suffix and before.read_bytes() == content
            if same and known is not None and (known.files.new, known.files.reference) == (files.new, files.reference):
                return False
            measured, weights = None, ""
            if before is not None and not same:
                files = replace(files, against=_hash(before.read_bytes()))
                with _file(content, suffix) as new:
                    measured = Measured.of(self._compare(new, before, pristine).result)
                weights = weights_said(self.load().meta)
        with atomic_file(self.folder / f"{name}{suffix}") as stream:
            stream.write(content)
        if before is not None and before.suffix != suffix:
            before.unlink()
        with locked(self.folder, lambda: None):  # of other processes that run tests of the same file
            baseline = self._baseline()
            states = {**baseline.accepted, name: Accepted.of(files, measured, weights)}
            replace(baseline, accepted=states).write(self.folder / VALUES)
        return True

    def verdict(
        self, name: str, image: Any, reference: Any, change: Callable[[Tolerance], Tolerance]
    ) -> tuple[Verdict, list[str]]:
        """Whether an image may pass, and what a person wants to know where it does not: a line each. The evidence is
        written then. Raises UsageError, ImageError, OSError.

        Args:
            name: of the picture.
            image: the new one, as `as_file` takes it.
            reference: the pristine image, or None.
            change: the tolerance of this call from that of the file.
        """
        content, suffix = as_file(image, name)
        before, known = self._picture(name), self._baseline().accepted.get(name)
        if before is None or known is None:
            return Verdict("failed", (f"has no accepted picture in {self.folder}",)), []
        if _hash(before.read_bytes()) != known.files.new:
            changed = f"{before} is not the picture that was accepted (its SHA-256 is another one than in {VALUES})"
            return Verdict("failed", (changed,)), []
        if _hash(content) == known.files.new:
            return Verdict("unchanged"), []
        with _file(content, suffix) as new, _given(reference, name) as pristine:
            compared = self._compare(new, before, pristine)
            measured = Measured.of(compared.result)
            tolerance = change(self._baseline().tolerances.of(name))
            verdict = judge(measured, None, tolerance, _ACCEPTED)
            if verdict.status == "passed":
                return verdict, []
            place = self.evidence / self.folder.name
            make_folder(place)
            picture, report = place / f"{name}{suffix}", place / f"{name}.html"
            shutil.copyfile(new, picture)
            compared.write_report(report)
        return verdict, [measured.sentence, f"report: {report}", f"new picture: {picture}", f"accepted: {before}"]

    def _baseline(self) -> Baseline:
        path = self.folder / VALUES
        return read_baseline(path) if path.exists() else Baseline()

    def _picture(self, name: str) -> Path | None:
        found = [path for path in (self.folder / f"{name}{suffix}" for suffix in IMAGE_SUFFIXES) if path.is_file()]
        if len(found) > 1:
            names = " and ".join(sorted(path.name for path in found))
            raise UsageError(f"{self.folder}: holds {names}; remove all but the accepted one")
        return found[0] if found else None

    def _compare(self, new: Path, before: Path, reference: Path | None) -> "ComparedFiles":
        from relational_iqa.folders.compared_files import compare_stored
        from relational_iqa.tiling.aligned_images import open_images

        paths = [path for path in (new, before, reference) if path is not None]
        images = open_images(paths, None, None, reference is not None)
        return compare_stored(self.load(), images, paths, LABELS)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _file(content: bytes, suffix: str, name: str = "new") -> Iterator[Path]:
    """A file of that content for the time of the block."""
    with tempfile.TemporaryDirectory(prefix="riqa-") as folder:
        path = Path(folder, f"{name}{suffix}")
        path.write_bytes(content)
        yield path


@contextmanager
def _given(reference: Any, name: str) -> Iterator[Path | None]:
    """The file of a reference for the time of the block; None where there is none."""
    if reference is None:
        yield None
        return
    content, suffix = as_file(reference, f"the reference of {name}")
    with _file(content, suffix, "reference") as path:
        yield path
