"""The CSV of a run over frames, which a later run continues: rows are written to PATH.partial as they come.

Beside it lies PATH.partial.json, which says what is compared. A run finds the rows of an earlier one there, takes those
that are whole, and goes on behind them, where the same is compared with the same weights.
"""

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distortion_engine.errors import UsageError
from distortion_engine.jobs.resume import Resume
from distortion_engine.jobs.safe_files import atomic_file, cannot_write, is_device
from relational_iqa.folders.csv_table import CsvTable, harmless
from relational_iqa.sequences.frame_row import COLUMNS, FrameRow


@dataclass(frozen=True)
class KeptRows:
    """A table of frames that is written, and what an earlier run left of it.

    Args:
        rows: of whole frames, in order.
        table: where the next ones go.
    """

    rows: tuple[FrameRow, ...]
    table: CsvTable


@contextmanager
def kept_rows(path: str, names: Sequence[str], run: Mapping[str, Any], resume: Resume, each: int) -> Iterator[KeptRows]:
    """A table of frames. It gets its name when the block ends well; until then it is PATH.partial.

    Args:
        path: of the CSV; a device or pipe is written to directly.
        names: of the candidates.
        run: what is compared, as plain Python: a table of another run is not continued.
        resume: "auto" goes on behind the rows of an earlier run; "never" starts anew.
        each: rows of one frame.

    Raises:
        UsageError: where it cannot be written, and where the rows that are there belong to another run.
    """
    target = Path(os.path.realpath(path))
    partial, about = target.with_name(target.name + ".partial"), target.with_name(target.name + ".partial.json")
    try:
        if is_device(Path(path)):
            with open(path, "a", encoding="utf-8", errors="backslashreplace", newline="") as stream:
                yield KeptRows((), CsvTable(stream, Path(path), COLUMNS))
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        rows = _left(partial, about, path, names, run, each) if resume == "auto" else ()
        with atomic_file(about) as file:
            file.write(json.dumps(dict(run), indent=2).encode())
        with open(partial, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            table = CsvTable(stream, Path(path), COLUMNS)
            for row in rows:
                table.add(row.cells_of_csv())
            yield KeptRows(rows, table)
        os.replace(partial, target)
        about.unlink(missing_ok=True)
    except OSError as error:
        if error.filename is not None and str(error.filename) not in map(str, (partial, about, target, target.parent)):
            raise  # of a frame, not of the table
        raise UsageError(cannot_write(Path(path), error)) from error


def _left(
    partial: Path, about: Path, path: str, names: Sequence[str], run: Mapping[str, Any], each: int
) -> tuple[FrameRow, ...]:
    """Rows of whole frames that an earlier run left."""
    if not partial.exists() or not about.exists():
        return ()
    try:
        before = json.loads(about.read_text(encoding="utf-8"))
    except ValueError:
        before = None
    now = json.loads(json.dumps(dict(run)))
    if before != now:
        other = "" if not isinstance(before, dict) else next((k for k in now if before.get(k) != now[k]), "")
        raise UsageError(
            f"{path}.partial: holds frames of another run (other {other or 'settings'}); give --resume never to start "
            "anew, or another --csv"
        )
    text = partial.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1]  # the last line may have been cut by the kill
    written = dict(zip(harmless(names), names, strict=True))
    rows: list[FrameRow] = []
    for cells in csv.DictReader(io.StringIO(whole, newline="")):
        if cells.get("name") not in written:
            break
        try:
            rows.append(FrameRow.from_csv(cells, written[cells["name"]]))
        except UsageError:
            break
    return tuple(rows[: len(rows) // each * each])
