"""The cells of one sheet of an Excel workbook (.xlsx, ECMA-376), with the standard library alone."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from distortion_engine.errors import UsageError

Cell = str | float | None
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_MAX_PART_BYTES = 200_000_000  # a rated set's table is a few megabytes; more is no such table


def read_sheet(path: Path, sheet: str | None = None) -> list[list[Cell]]:
    """Rows of cells, text or number, None where empty; rows are as long as their last cell.

    sheet: its name; None for the first. Raises UsageError for a file that is no workbook or lacks the sheet.
    """
    try:
        with zipfile.ZipFile(path) as book:
            strings = _shared_strings(book)
            return _rows(_part(book, _sheet_path(book, path, sheet)), strings)
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, IndexError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path}: not readable as an Excel workbook ({error}); fetch it again") from error


def records(path: Path, columns: list[str], sheet: str | None = None) -> list[tuple[str, dict[str, Cell]]]:
    """Rows below the header that holds all `columns`, as (place for messages, column -> cell); empty rows are left out.

    The header may stand anywhere: workbooks have titles above it. Raises UsageError where there is none.
    """
    cells = read_sheet(path, sheet)
    rows = [[str(cell).strip() if cell is not None else "" for cell in row] for row in cells]
    start = next((line for line, names in enumerate(rows) if set(columns) <= set(names)), None)
    if start is None:
        raise UsageError(f"{path}: no row with the headings {', '.join(columns)}")
    places = {column: rows[start].index(column) for column in columns}
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


def _part(book: zipfile.ZipFile, name: str) -> ElementTree.Element:
    info = book.getinfo(name)
    if info.file_size > _MAX_PART_BYTES:
        raise ValueError(f"{name} holds {info.file_size} bytes")
    return ElementTree.fromstring(book.read(info))


def _sheet_path(book: zipfile.ZipFile, path: Path, sheet: str | None) -> str:
    entries = _part(book, "xl/workbook.xml").findall(f"{_MAIN}sheets/{_MAIN}sheet")
    names = [entry.get("name", "") for entry in entries]
    if sheet is not None and sheet not in names:
        raise UsageError(f"{path}: no sheet {sheet!r}; found {', '.join(names)}")
    wanted = entries[0 if sheet is None else names.index(sheet)].get(_RELATION)
    for relation in _part(book, "xl/_rels/workbook.xml.rels"):
        if relation.get("Id") == wanted:
            target = relation.get("Target", "")
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise KeyError(f"relation {wanted}")


def _shared_strings(book: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in book.namelist():
        return []
    return [_text(item) for item in _part(book, "xl/sharedStrings.xml").findall(f"{_MAIN}si")]


def _text(item: ElementTree.Element) -> str:
    """Text of a string item: its own, or that of its runs; phonetic hints (rPh) are not part of it."""
    parts = [item.find(f"{_MAIN}t"), *(run.find(f"{_MAIN}t") for run in item.findall(f"{_MAIN}r"))]
    return "".join(part.text or "" for part in parts if part is not None)


def _rows(sheet: ElementTree.Element, strings: list[str]) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for element in sheet.iterfind(f"{_MAIN}sheetData/{_MAIN}row"):
        line = int(element.get("r", len(rows) + 1))
        while len(rows) < line:  # empty rows are not written
            rows.append([])
        cells = rows[line - 1]
        for cell in element.iterfind(f"{_MAIN}c"):
            column = _column(cell.get("r")) if cell.get("r") else len(cells)
            cells.extend([None] * (column + 1 - len(cells)))
            cells[column] = _value(cell, strings)
    return rows


def _column(reference: str | None) -> int:
    """0 for A1, 26 for AA1."""
    letters = re.match(r"[A-Z]+", reference or "")
    if letters is None:
        raise ValueError(f"cell reference {reference!r}")
    index = 0
    for letter in letters.group():
        index = 26 * index + ord(letter) - ord("A") + 1
    return index - 1


def _value(cell: ElementTree.Element, strings: list[str]) -> Cell:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        inline = cell.find(f"{_MAIN}is")
        return None if inline is None else _text(inline)
    value = cell.find(f"{_MAIN}v")
    if value is None or value.text is None:
        return None
    if kind == "s":
        return strings[int(value.text)]
    return value.text if kind in ("str", "b", "e") else float(value.text)
