"""A CSV file that grows row by row and gets its name when it is complete."""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO


class CsvTable:
    """Rows of an open CSV file (RFC 4180, UTF-8, numbers with a point)."""

    def __init__(self, stream: TextIO, columns: Sequence[str]) -> None:
        self.columns = columns
        self._stream = stream
        self._writer = csv.writer(stream)
        self._writer.writerow(columns)

    def add(self, values: Mapping[str, Any]) -> None:
        """Appends a row and hands it to the system at once; None is an empty cell, numbers keep six digits."""
        cells = (values[column] for column in self.columns)
        self._writer.writerow([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells])
        self._stream.flush()


@contextmanager
def csv_table(path: str, columns: Sequence[str]) -> Iterator[CsvTable]:
    """A table with its head. It is written as PATH.partial and gets its name when the block ends well.

    Not by `atomic_file`: what a run of hours has found is kept under a name that a person sees when the run is killed.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    with open(partial, "w", encoding="utf-8", newline="") as stream:
        yield CsvTable(stream, columns)
    os.replace(partial, target)
