"""Every pair of two folders compared by one model: a row each, in memory and as CSV, bad files included."""

import csv
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from distortion_engine.catalog import AXES
from distortion_engine.errors import ImageError
from relational_iqa.folders.pairing import Pair, printable
from relational_iqa.report import write_report
from relational_iqa.results.comparison import Comparison
from relational_iqa.tiling.stored_image import StoredImage, open_images

COLUMNS = (
    "name", "verdict", "margin", "quality_a", "quality_b", "width", "height",
    *(axis.name for axis in AXES), "sentence", "error", "file_a", "file_b", "file_reference",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What was found for one pair. With an `error` everything else is empty. Signs and units are those of Comparison.

    axes: axis -> mean signed value over the image, in [-1, 1], positive where B has more.
    """

    pair: Pair
    error: str = ""
    verdict: Literal["a", "b", "tie", ""] = ""
    margin: float = 0.0
    quality_a: float | None = None
    quality_b: float | None = None
    size: tuple[int, int] = (0, 0)  # width, height
    axes: Mapping[str, float] = field(default_factory=dict)
    sentence: str = ""

    def to_json(self) -> dict[str, Any]:
        """One flat entry with the keys of COLUMNS; None where the CSV has an empty cell."""
        pair, bad = self.pair, bool(self.error)
        return {
            "name": pair.name,
            "verdict": self.verdict or None,
            "margin": None if bad else self.margin,
            "quality_a": self.quality_a,
            "quality_b": self.quality_b,
            "width": self.size[0] or None,
            "height": self.size[1] or None,
            **{axis.name: self.axes.get(axis.name) for axis in AXES},
            "sentence": self.sentence or None,
            "error": self.error or None,
            "file_a": printable(str(pair.a)),
            "file_b": printable(str(pair.b)),
            "file_reference": None if pair.reference is None else printable(str(pair.reference)),
        }


class FolderComparison:
    """Compares pairs with one model; labels: how sentences call the two folders."""

    def __init__(self, model: Any, labels: tuple[str, str], max_pixels: int | None, align: str | None) -> None:
        self.model, self.labels, self.max_pixels, self.align = model, labels, max_pixels, align

    def row(self, pair: Pair) -> Row:
        """The result of one pair; whatever is wrong with its files is in `error`, one line, nothing is raised."""
        if pair.problem:
            return Row(pair, pair.problem)
        try:
            result, _ = self._compare(pair)
        except OSError as error:
            return Row(pair, f"{error.filename or pair.a}: {error.strerror or error}")
        except (ImageError, MemoryError, RuntimeError, ValueError) as error:  # RuntimeError: torch, also out of memory
            return Row(pair, printable(" ".join(str(error).split())) or type(error).__name__)
        height, width = result.shape
        return Row(
            pair, "", result.better, result.margin, result.quality_a, result.quality_b, (width, height),
            result.intensities, result.summary(),
        )  # fmt: skip

    def report(self, pair: Pair, target: Path) -> None:
        """Writes the HTML report of a pair; raises what comparing and writing raise."""
        result, images = self._compare(pair)
        write_report(result, images[0], images[1], target, reference=images[2] if len(images) == 3 else None)

    def _compare(self, pair: Pair) -> tuple[Comparison, list[StoredImage]]:
        paths = [path for path in (pair.a, pair.b, pair.reference) if path is not None]
        images = open_images(paths, self.max_pixels, self.align)
        reference = images[2] if len(images) == 3 else None
        return self.model.compare(images[0], images[1], reference=reference, names=self.labels), images


class CsvTable:
    """A CSV file (RFC 4180, UTF-8, numbers with a point) that grows row by row as PATH.partial."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._writer = csv.writer(stream)

    def add(self, values: Mapping[str, Any], columns: tuple[str, ...]) -> None:
        """Appends a row and hands it to the system at once; None is an empty cell, numbers keep six digits."""
        cells = (values[column] for column in columns)
        self._writer.writerow([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells])
        self._stream.flush()

    def head(self, columns: tuple[str, ...]) -> None:
        """The names of the columns."""
        self._writer.writerow(columns)


@contextmanager
def csv_table(path: str, columns: tuple[str, ...]) -> Iterator[CsvTable]:
    """A table with its head; the file gets its name when the block ends well, else PATH.partial stays as it is."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    with open(partial, "w", encoding="utf-8", newline="") as stream:
        table = CsvTable(stream)
        table.head(columns)
        yield table
    os.replace(partial, target)
