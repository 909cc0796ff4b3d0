"""CSV for people and their spreadsheets: a file that grows row by row and gets its name when it is complete."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import cannot_write, is_device

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a text that a spreadsheet takes for a formula (OWASP, CSV injection)."""


def harmless(cells: Iterable[Any]) -> list[Any]:
    """The cells of a row; text that a spreadsheet would compute has an apostrophe in front of it, numbers are kept."""
    return [f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell for cell in cells]


class CsvTable:
    """Rows of an open CSV file (RFC 4180, UTF-8, numbers with a point)."""

    def __init__(self, stream: TextIO, path: Path, columns: Sequence[str]) -> None:
        self.columns = columns
        self._stream, self._path = stream, path
        self._writer = csv.writer(stream)
        self._write(harmless(columns))

    def add(self, values: Mapping[str, Any]) -> None:
        """Appends a row and hands it to the system at once; None is an empty cell, numbers keep six digits, and text is
        `harmless`. Raises UsageError where it cannot be written."""
        cells = (values[column] for column in self.columns)
        self._write([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in harmless(cells)])

    def _write(self, cells: Sequence[Any]) -> None:
        with _named(self._path):
            self._writer.writerow(cells)
            self._stream.flush()


@contextmanager
def csv_table(path: str, columns: Sequence[str]) -> Iterator[CsvTable]:
    """A table with its head. It is written as PATH.partial and gets its name when the block ends well; a device or a
    pipe is written to directly.

    Not by `atomic_file`: what a run of hours has found is kept under a name that a person sees when the run is killed.

    Raises:
        UsageError: where it cannot be written.
    """
    named, device = Path(path), is_device(Path(path))
    target = Path(os.path.realpath(path))
    partial = named if device else target.with_name(target.name + ".partial")
    with _named(named):
        target.parent.mkdir(parents=True, exist_ok=True)
        stream = open(partial, "a" if device else "w", encoding="utf-8", errors="backslashreplace", newline="")
    try:
        yield CsvTable(stream, named, columns)
    finally:
        with _named(named):
            stream.close()
    if not device:
        with _named(named):
            os.replace(partial, target)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """UsageError with the name of the file where it cannot be written."""
    try:
        yield
    except OSError as error:
        raise UsageError(cannot_write(path, error)) from error
