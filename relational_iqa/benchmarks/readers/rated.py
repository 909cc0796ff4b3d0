"""Rated data sets as a CSV beside their images: `image,reference,score[,scene,distortion,level,deviation,...]`."""

from __future__ import annotations

import csv
import math
import os
from dataclasses import replace
from pathlib import Path

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.files import spread_of
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion, RatedImage

CSV_NAME = "scores.csv"
_MISSING_SHOWN = 3


def read_rated(source: str | os.PathLike[str]) -> list[RatedImage]:
    """The rows of a rated data set, in the order of the file; higher scores are better.

    source: the CSV, or the folder with `scores.csv`; paths inside are relative to the folder of the CSV. Columns beyond
    those of `RatedImage` are ignored. Raises UsageError for a missing file or column, an empty table, or a score that
    is no finite number; names the line.
    """
    path = _table_path(source)
    rows = _rows(path)
    missing = _missing_files(rows)
    if missing:
        raise UsageError(f"{_named(path, missing)} not found; paths are relative to {path.parent}")
    return rows


def read_csv(source: str | os.PathLike[str], partial: bool = False, lower_is_better: bool = False) -> Benchmark:
    """The same table as a `Benchmark`: any set of any size, with or without references.

    partial: leave out rows whose files are missing, and note it. lower_is_better: the scores are degradations (DMOS);
    they are negated. Raises UsageError like `read_rated`, and for an image listed twice.
    """
    path = _table_path(source)
    rows = _rows(path)
    missing = set(_missing_files(rows))
    notes: list[str] = []
    if missing:
        if not partial:
            raise UsageError(
                f"{_named(path, sorted(missing))} not found; paths are relative to {path.parent}; "
                "--partial leaves such rows out"
            )
        kept = [row for row in rows if row.image not in missing and row.reference not in missing]
        notes.append(f"{len(rows) - len(kept)} of {len(rows)} rows left out: {_named(path, sorted(missing))} not found")
        rows = kept
    if not rows:
        raise UsageError(f"{path}: none of its files is there; paths are relative to {path.parent}")
    seen: set[Path] = set()
    for row in rows:
        if row.image in seen:
            raise UsageError(f"{path}: {row.image.name} is listed twice; give the mean score, one row an image")
        seen.add(row.image)
    opinion = Opinion("scores" if not lower_is_better else "degradation scores", None, None, not lower_is_better)
    images = tuple(replace(row, score=opinion.oriented(row.score), original=row.score) for row in rows)
    return Benchmark(path.parent.name, path.parent, opinion, images, aligned=True, notes=tuple(notes))


def _table_path(source: str | os.PathLike[str]) -> Path:
    path = Path(source).absolute()
    path = path / CSV_NAME if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give a CSV with columns image,reference,score or its folder")
    return path


def _rows(path: Path) -> list[RatedImage]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            columns = reader.fieldnames or ()
            absent = [name for name in ("image", "score") if name not in columns]
            if absent:
                raise UsageError(
                    f"{path}: no column {' or '.join(absent)}; expected a header image,reference,score, "
                    f"found {','.join(columns) or 'nothing'}"
                )
            rows = [_row(path, reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not readable as CSV ({error}); save it as UTF-8 text with commas") from error
    if not rows:
        raise UsageError(f"{path}: no rows below the header; expected one image a row")
    return rows


def _row(path: Path, line: int, row: dict[str, str | None]) -> RatedImage:
    values = {name: (row.get(name) or "").strip() for name in
              ("image", "reference", "score", "scene", "distortion", "level", "deviation")}  # fmt: skip
    if not values["image"]:
        raise UsageError(f"{path}, line {line}: no image; expected a file relative to {path.parent}")
    try:
        score = float(values["score"])
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise UsageError(f"{path}, line {line}: score {values['score']!r} is no finite number; mend or drop the row")
    reference = path.parent / values["reference"] if values["reference"] else None
    return RatedImage(
        path.parent / values["image"], reference, score, values["scene"], values["distortion"], values["level"],
        deviation=spread_of(values["deviation"], f"{path}, line {line}"),
    )  # fmt: skip


def _missing_files(rows: list[RatedImage]) -> list[Path]:
    named = [file for row in rows for file in (row.image, row.reference) if file is not None]
    return [file for file in dict.fromkeys(named) if not file.is_file()]


def _named(path: Path, missing: list[Path]) -> str:
    shown = ", ".join(str(file.relative_to(path.parent)) if file.is_relative_to(path.parent) else str(file)
                      for file in missing[:_MISSING_SHOWN])  # fmt: skip
    more = f" and {len(missing) - _MISSING_SHOWN} more" if len(missing) > _MISSING_SHOWN else ""
    return f"{path}: {shown}{more}"
