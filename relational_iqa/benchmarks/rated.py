"""Human-rated data sets as a CSV beside their images: `image,reference,score[,scene,distortion,level,...]`."""

from __future__ import annotations

import csv
import math
import os
from dataclasses import dataclass
from pathlib import Path

from distortion_engine.errors import UsageError

CSV_NAME = "scores.csv"
_MISSING_SHOWN = 3


@dataclass(frozen=True)
class RatedImage:
    """One image with people's opinion of it.

    image, reference: existing files; reference None where the set has none. score: higher is better, in the unit of the
    data set. scene, distortion, level: as the CSV has them, "" where it has none.
    """

    image: Path
    reference: Path | None
    score: float
    scene: str = ""
    distortion: str = ""
    level: str = ""


def read_rated(source: str | os.PathLike[str]) -> list[RatedImage]:
    """The rows of a rated data set, in the order of the file.

    source: the CSV, or the folder with `scores.csv`; paths inside are relative to the folder of the CSV. Columns beyond
    those of `RatedImage` are ignored. Raises UsageError for a missing file or column, an empty table, or a score that
    is no finite number; names the line.
    """
    path = Path(source)
    path = path / CSV_NAME if path.is_dir() else path
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give a CSV with columns image,reference,score or its folder")
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
    _check_files(path, rows)
    return rows


def _row(path: Path, line: int, row: dict[str, str | None]) -> RatedImage:
    values = {name: (row.get(name) or "").strip() for name in
              ("image", "reference", "score", "scene", "distortion", "level")}  # fmt: skip
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
        path.parent / values["image"], reference, score, values["scene"], values["distortion"], values["level"]
    )


def _check_files(path: Path, rows: list[RatedImage]) -> None:
    named = [file for row in rows for file in (row.image, row.reference) if file is not None]
    missing = [file for file in dict.fromkeys(named) if not file.is_file()]
    if missing:
        shown = ", ".join(str(file.relative_to(path.parent)) if file.is_relative_to(path.parent) else str(file)
                          for file in missing[:_MISSING_SHOWN])  # fmt: skip
        more = f" and {len(missing) - _MISSING_SHOWN} more" if len(missing) > _MISSING_SHOWN else ""
        raise UsageError(f"{path}: {shown}{more} not found; paths are relative to {path.parent}")
