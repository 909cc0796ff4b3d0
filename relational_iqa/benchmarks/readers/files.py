"""Looking for a data set's files: names without regard to case, tables by column, what is missing told at once."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.items import Benchmark, JudgedPair, Opinion, RatedImage

MISSING_SHOWN = 3


class Files:
    """Files below a root. Case is ignored where the exact name is absent: TID2013 itself mixes I01.BMP and i25.bmp, and
    sets are unpacked on systems that do not care."""

    def __init__(self, root: str | os.PathLike[str], what: str) -> None:
        self.root = Path(root).absolute()
        self._listings: dict[Path, dict[str, Path]] = {}
        if not self.root.is_dir():
            raise UsageError(f"{root}: no such folder; give the unpacked {what}")

    def find(self, *parts: str) -> Path | None:
        """The file or folder at the path `parts` below the root, or None."""
        exact = self.root.joinpath(*parts)
        if exact.exists():
            return exact
        place = self.root
        for part in Path(*parts).parts:
            found = self._listing(place).get(part.lower())
            if found is None:
                return None
            place = found
        return place

    def need(self, *alternatives: str, remedy: str) -> Path:
        """The first of several files or folders that exists. Raises UsageError with `remedy` where none does."""
        for name in alternatives:
            found = self.find(name)
            if found is not None:
                return found
        raise UsageError(f"{self.root}: no {' or '.join(alternatives)}; {remedy}")

    def _listing(self, folder: Path) -> dict[str, Path]:
        if folder not in self._listings:
            entries = sorted(folder.iterdir()) if folder.is_dir() else []
            self._listings[folder] = {entry.name.lower(): entry for entry in entries}
        return self._listings[folder]


class Collector:
    """Gathers the items of one data set, and checks at the end whether it is complete.

    Args:
        name: of the data set.
        files: of the data set.
        opinion: what its published numbers are.
        partial: whether a set with missing files, or of another size than published, is read as far as possible and
            says so in its notes; otherwise it raises UsageError.
    """

    def __init__(self, name: str, files: Files, opinion: Opinion, partial: bool) -> None:
        self.name, self.files, self.opinion, self.partial = name, files, opinion, partial
        self._images: list[RatedImage] = []
        self._pairs: list[JudgedPair] = []
        self._missing: dict[str, None] = {}  # in the order found, each once
        self._listed = 0

    def add(
        self,
        image: str | Path,
        reference: str | Path | None,
        value: str | float | None,
        where: str,
        scene: str = "",
        distortion: str = "",
        level: str = "",
        deviation: str | float | None = None,
    ) -> None:
        """Adds a rated image.

        Args:
            image: path, absolute or relative to the root.
            reference: path, None where there is none.
            value: the published number.
            where: names the row in errors.
            scene: what versions of one photograph share; "" where the set does not say.
            distortion: its name; "" where the set does not say.
            level: its strength; "" where the set does not say.
            deviation: standard deviation of the single opinions, in the unit of `value`; None or "" where the set does
                not say.

        Raises:
            UsageError: for a value or deviation that is no number, a deviation below 0, and a value far outside the
                range of the opinions.
        """
        published = number(value, where)
        spread = spread_of(deviation, where)
        if not self.opinion.plausible(published):
            raise UsageError(f"{where}: {published:g} is far outside {self.opinion}; is it the right file and column?")
        self._listed += 1
        found = self._files(image, *([] if reference is None else [reference]))
        if found is not None:
            ref = found[1] if reference is not None else None
            score = self.opinion.oriented(published)
            self._images.append(RatedImage(found[0], ref, score, scene, distortion, level, published, spread))

    def add_pair(
        self,
        first: str | Path,
        second: str | Path,
        reference: str | Path,
        prefer_second: float,
        scene: str,
        distortion: str = "",
    ) -> None:
        """One judged pair. Raises UsageError for a share outside [0, 1]."""
        if not 0 <= prefer_second <= 1:
            raise UsageError(f"{second}: preference {prefer_second} is no share; expected 0 to 1")
        self._listed += 1
        found = self._files(first, second, reference)
        if found is not None:
            self._pairs.append(JudgedPair(found[0], found[1], found[2], prefer_second, scene, distortion))

    def lost(self, path: str | Path) -> None:
        """An item that cannot be added because this file of it is missing."""
        self._listed += 1
        self._missing[str(path)] = None

    def done(self, expected: Sequence[int], aligned: bool = False, notes: Sequence[str] = ()) -> Benchmark:
        """The set. expected: the published sizes, any of which is complete; empty for sets of any size.

        Raises UsageError for no items, an image listed twice, and, unless `partial`, missing files or another size.
        """
        told = list(notes)
        if self._missing:
            shown = ", ".join(list(self._missing)[:MISSING_SHOWN])
            more = f" and {len(self._missing) - MISSING_SHOWN} more" if len(self._missing) > MISSING_SHOWN else ""
            files = "1 file" if len(self._missing) == 1 else f"{len(self._missing):,} files"
            text = f"{files} not found below {self.files.root}: {shown}{more}"
            if not self.partial:
                raise UsageError(f"{text}; unpack all of {self.name}, or say --partial to evaluate what is there")
            told.append(text)
        items: Sequence[RatedImage | JudgedPair] = self._images or self._pairs
        if expected and self._listed not in expected:
            sizes = " or ".join(f"{size:,}" for size in expected)
            text = f"{self.name} lists {self._listed:,} items, the published set has {sizes}"
            if not self.partial:
                raise UsageError(f"{text}; unpack it again, or say --partial to evaluate this part")
            told.append(text)
        if not items:
            raise UsageError(f"{self.files.root}: nothing of {self.name} is there; expected {self._listed} items")
        names = [image.image for image in self._images]
        if len(set(names)) < len(names):
            twice = next(name for index, name in enumerate(names) if name in names[:index])
            raise UsageError(f"{twice}: is listed twice; keep one row an image")
        return Benchmark(
            self.name, self.files.root, self.opinion, tuple(self._images), tuple(self._pairs), aligned, tuple(told)
        )

    def _files(self, *names: str | Path) -> list[Path] | None:
        found = [name if isinstance(name, Path) else self.files.find(name) for name in names]
        present = [path for path in found if path is not None and path.is_file()]
        if len(present) == len(names):
            return present
        for name, path in zip(names, found, strict=True):
            if path is None or not path.is_file():
                self._missing[str(name)] = None
        return None


def number(value: str | float | None, where: str) -> float:
    """A finite number. Raises UsageError naming the place."""
    try:
        result = float(value) if value is not None else math.nan
    except ValueError:
        result = math.nan
    if not math.isfinite(result):
        raise UsageError(f"{where}: score {value!r} is no finite number; mend or drop the row")
    return result


def spread_of(value: str | float | None, where: str) -> float | None:
    """A standard deviation of opinions, None where there is none. Raises UsageError naming the place."""
    if value is None or value == "":
        return None
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found >= 0):
        raise UsageError(f"{where}: deviation {value!r} is no number of at least 0; mend it or leave it empty")
    return found


def table(path: Path, columns: Sequence[str], what: str) -> list[tuple[str, dict[str, str]]]:
    """Rows of a CSV with a header: (place for messages, column -> text, stripped). Raises UsageError for a file that is
    no such table or lacks one of `columns`."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines, skipinitialspace=True)
            header = [name.strip() for name in next(reader, [])]
            absent = [name for name in columns if name not in header]
            if absent:
                raise UsageError(
                    f"{path}: no column {' or '.join(absent)}; found {','.join(header) or 'nothing'}: is it {what}?"
                )
            rows = []
            for values in reader:
                if any(value.strip() for value in values):
                    cells = [value.strip() for value in values] + [""] * (len(header) - len(values))
                    rows.append((f"{path}, line {reader.line_num}", dict(zip(header, cells, strict=False))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not readable as CSV ({error}); save it as UTF-8 text with commas") from error
    return rows


def words(path: Path, columns: int, what: str) -> list[tuple[str, list[str]]]:
    """Rows of a text file of `columns` words separated by white space or a comma: (place, words)."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is no text ({error}); expected {what}") from error
    rows = []
    for index, line in enumerate(lines, 1):
        cells = line.replace(",", " ").split()
        if cells:
            if len(cells) != columns:
                raise UsageError(f"{path}, line {index}: {line.strip()!r} has {len(cells)} columns; expected {what}")
            rows.append((f"{path}, line {index}", cells))
    return rows
