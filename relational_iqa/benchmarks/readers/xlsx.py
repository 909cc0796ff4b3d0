"""The cells of one sheet of an Excel workbook (.xlsx), read by openpyxl (the extra `xlsx`)."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from distortion_engine.errors import UsageError

Cell = str | float | None
# A rated set's table is a few megabytes and a hundred thousand cells. More is a file that was made to fill memory:
# a few kilobytes can unpack to gigabytes, and a single cell far down and right stands for a table of empty ones.
MAX_UNPACKED_BYTES = 100_000_000
MAX_CELLS = 1_000_000
MAX_ROWS, MAX_COLUMNS = 1_048_576, 16_384  # of a sheet of Excel
_PLACE = re.compile(rb"""\sr\s*=\s*(?P<quote>["'])(?P<place>.*?)(?P=quote)""", re.DOTALL)


def read_sheet(path: Path, sheet: str | None = None) -> list[list[Cell]]:
    """Rows of cells, text or number, None where empty; rows are as long as their last cell.

    Args:
        path: the workbook.
        sheet: its name; None for the first.

    Raises:
        UsageError: for a file that is no workbook or lacks the sheet, and where openpyxl is not installed.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise UsageError(f"{path}: needs openpyxl, which is not installed: pip install openpyxl") from error
    try:
        _check_parts(path)
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of openpyxl, about styles and extensions that hold no cells
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            if sheet is not None and sheet not in book.sheetnames:
                raise UsageError(f"{path}: no sheet {sheet!r}; found {', '.join(book.sheetnames)}")
            chosen = book[sheet or book.sheetnames[0]]
            chosen.reset_dimensions()  # the size that the file states may be anything
            return _rows(chosen.iter_rows(values_only=True))
    except UsageError:
        raise
    except Exception as error:  # a damaged file raises whatever the part of openpyxl raises that stumbles over it
        why = " ".join(str(error).split())[:200]
        raise UsageError(f"{path}: not readable as an Excel workbook ({why}); fetch it again") from error


def records(
    path: Path, columns: list[str], sheet: str | None = None, optional: Sequence[str] = ()
) -> list[tuple[str, dict[str, Cell]]]:
    """Rows below the header that holds all `columns`, as (place for messages, column -> cell); empty rows are left out.
    Of the `optional` columns those come too that are there.

    The header may stand anywhere: workbooks have titles above it. Raises UsageError where there is none.
    """
    cells = read_sheet(path, sheet)
    rows = [[str(cell).strip() if cell is not None else "" for cell in row] for row in cells]
    start = next((line for line, names in enumerate(rows) if set(columns) <= set(names)), None)
    if start is None:
        raise UsageError(f"{path}: no row with the headings {', '.join(columns)}")
    places = {column: rows[start].index(column) for column in (*columns, *optional) if column in rows[start]}
    found = []
    for index, row in enumerate(cells[start + 1 :], start + 2):
        values = {column: row[place] if place < len(row) else None for column, place in places.items()}
        if any(value is not None and value != "" for value in values.values()):
            found.append((f"{path}, row {index}", values))
    return found


def as_name(cell: Cell) -> str:
    """A cell as text; Excel keeps a name of digits, such as CSIQ's image 1600, as a number."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else str(cell)
    return (cell or "").strip()


def _check_parts(path: Path) -> None:
    """Raises ValueError for a workbook that takes more memory than any table of ratings, whoever reads it.

    openpyxl believes the place that a row or cell states: a single cell ZZZZZZ1 is a row of 320 million empty ones.
    """
    with zipfile.ZipFile(path) as parts:
        unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            raise ValueError(f"it unpacks to {unpacked:,} bytes, more than {MAX_UNPACKED_BYTES:,}")
        for part in parts.infolist():
            content = parts.read(part)
            if b"<!DOCTYPE" in content:
                raise ValueError(f"{part.filename} defines entities")
            if part.filename.lower().endswith((".xml", ".rels")) and b"\0" in content:
                raise ValueError(f"{part.filename} is not UTF-8")
            if b"sheetData" in content:
                _check_places(content)


def _check_places(sheet: bytes) -> None:
    """Raises ValueError for rows and cells outside the largest sheet of Excel."""
    for quoted in _PLACE.finditer(sheet):
        place = quoted["place"]
        known = re.fullmatch(rb"(?P<column>[A-Z]{0,3})(?P<row>[0-9]{0,7})", place)
        column = 0
        for letter in known["column"] if known else b"":
            column = 26 * column + letter - ord("A") + 1
        if known is None or column > MAX_COLUMNS or int(known["row"] or 0) > MAX_ROWS:
            shown = place[:20].decode("ascii", "backslashreplace")
            raise ValueError(f"{shown!r} is no place in a sheet; the last one is XFD1048576")


def _rows(rows: Iterable[tuple[object, ...]]) -> list[list[Cell]]:
    found: list[list[Cell]] = []
    count = 0
    for values in rows:
        count += max(1, len(values))  # an empty row in between takes room too
        if count > MAX_CELLS:
            raise ValueError(f"more than {MAX_CELLS:,} cells")
        cells = [_cell(value) for value in values]
        while cells and cells[-1] is None:
            cells.pop()
        found.append(cells)
    while found and not found[-1]:
        found.pop()
    return found


def _cell(value: object) -> Cell:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return None if value is None else str(value)
