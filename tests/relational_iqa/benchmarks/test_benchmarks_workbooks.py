"""Excel workbooks: cells as they stand, and one line for a file that is damaged or made to do harm."""

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers import xlsx
from relational_iqa.benchmarks.readers.xlsx import as_name, read_sheet, records
from tests.relational_iqa.miniature_sets import workbook

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
SHEET = "xl/worksheets/sheet1.xml"


def change(path: Path, sheet: str) -> Path:
    """Replaces the first sheet of a workbook."""
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, data in (parts | {SHEET: sheet.encode()}).items():
            book.writestr(name, data)
    return path


def sheet_of(rows: str, before: str = "") -> str:
    return f"<worksheet {MAIN}>{before}<sheetData>{rows}</sheetData></worksheet>"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.xlsx"
    workbook(path, {"one": [["a & b", None, 2.5], [], [None, "last"]], "two": [[7.0]]})
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(UsageError) as error:
        read_sheet(path)
    said = str(error.value)
    assert path.name in said and "\n" not in said and all(word in said for word in words), said


def test_a_workbook_gives_text_numbers_and_gaps_as_they_stand(book: Path) -> None:
    assert read_sheet(book) == [["a & b", None, 2.5], [], [None, "last"]]
    assert read_sheet(book, "two") == [[7.0]]
    with pytest.raises(UsageError, match="no sheet 'three'; found one, two"):
        read_sheet(book, "three")


def test_strings_inside_cells_as_other_programs_write_them(book: Path) -> None:
    inline = '<c r="AB1" t="inlineStr"><is><r><t>two </t></r><r><t>runs</t></r></is></c>'
    (row,) = read_sheet(change(book, sheet_of(f'<row r="1">{inline}</row>')))
    assert len(row) == 28 and row[27] == "two runs" and not any(row[:27])


def test_a_header_may_stand_below_a_title_and_rows_know_their_place(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    workbook(path, {"one": [["A title"], [], ["MOS", "more", " name "], [1.5, "x", 1600], [], [2, "y", "b"]]})
    assert records(path, ["name", "MOS"]) == [
        (f"{path}, row 4", {"name": 1600.0, "MOS": 1.5}),
        (f"{path}, row 6", {"name": "b", "MOS": 2.0}),
    ]
    with pytest.raises(UsageError, match="no row with the headings name, DMOS"):
        records(path, ["name", "DMOS"])
    assert [as_name(cell) for cell in (1600.0, 1.5, " a ", None)] == ["1600", "1.5", "a", ""]


def test_without_openpyxl_the_remedy_is_told(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    refused(book, "openpyxl", "pip install openpyxl")


def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    for content in (b"", b"PK no workbook", b"<html>not found</html>"):
        path.write_bytes(content)
        refused(path, "not readable as an Excel workbook")
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("word/document.xml", "<document/>")
    refused(path, "not readable as an Excel workbook")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(book: Path) -> None:
    with zipfile.ZipFile(book, "a", zipfile.ZIP_DEFLATED) as parts, parts.open("xl/media/zeros.bin", "w") as zeros:
        for _ in range(xlsx.MAX_UNPACKED_BYTES // 10_000_000 + 1):
            zeros.write(bytes(10_000_000))
    assert book.stat().st_size < 1_000_000
    refused(book, "unpacks to")


def entities() -> str:
    """A sheet whose one cell says 10^12 times "ha"."""
    nested = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    cell = '<row r="1"><c r="A1" t="inlineStr"><is><t>&m;</t></is></c></row>'
    return f'<!DOCTYPE x [<!ENTITY a "ha">{nested}]>{sheet_of(cell)}'


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "entities": lambda path: change(path, entities()),
    "a cell far down": lambda path: change(path, sheet_of('<row r="999999999"><c r="A999999999"><v>1</v></c></row>')),
    "cells far right": lambda path: change(
        path,
        sheet=sheet_of("".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(1, 100))),
    ),
    "a column that no sheet has": lambda path: change(path, sheet_of('<row r="1"><c r="ZZZZZZZ1"><v>1</v></c></row>')),
    "a string that is not there": lambda path: change(path, sheet_of('<row r="1"><c r="A1" t="s"><v>99</v></c></row>')),
    "no number": lambda path: change(path, sheet_of('<row r="1"><c r="A1"><v>one</v></c></row>')),
    "half a part": lambda path: change(path, f'<worksheet {MAIN}><sheetData><row r="1"><c r="A1'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_workbooks_are_refused_in_one_line(name: str, book: Path) -> None:
    refused(HOSTILE[name](book), "not readable as an Excel workbook")


def test_the_size_that_a_sheet_states_does_not_count(book: Path) -> None:
    cells = '<row r="1"><c r="A1"><v>1</v></c></row>'
    assert read_sheet(change(book, sheet_of(cells, '<dimension ref="A1:XFD1048576"/>'))) == [[1.0]]


def test_damaged_bytes_give_cells_or_one_line(book: Path) -> None:
    whole, rng = book.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = int(rng.integers(256))
        book.write_bytes(bytes(damaged))
        try:
            assert isinstance(read_sheet(book), list)
        except UsageError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="99999999999"><c r="A99999999999"><v>1</v></c></row>',
        '<row r="1"><c r="ZZZZZZ1"><v>1</v></c></row>',
        "<row r='1'><c r='XFE1'><v>1</v></c></row>",
        '<row r="1"><c r = "&#65;1"><v>1</v></c></row>',
        '<row r="1048577"><c><v>1</v></c></row>',
    ],
)
def test_a_place_outside_every_sheet_takes_no_memory(book: Path, rows: str) -> None:
    refused(change(book, sheet_of(rows)), "is no place in a sheet")


def test_the_last_column_of_excel_is_read(book: Path) -> None:
    (row,) = read_sheet(change(book, sheet_of('<row r="1"><c r="XFD1"><v>1</v></c></row>')))
    assert len(row) == 16_384 and row[-1] == 1.0


def test_entities_are_refused(book: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    refused(change(book, bomb + sheet_of('<row r="1"><c r="A1"><v>1</v></c></row>')), "defines entities")


@pytest.mark.parametrize("damage", ["deflate", "encrypted", "ole"])
def test_a_damaged_or_encrypted_workbook_is_one_line(book: Path, damage: str) -> None:
    content = bytearray(book.read_bytes())
    with zipfile.ZipFile(book) as parts:
        place = parts.getinfo(SHEET)
    if damage == "deflate":
        start = place.header_offset + 30 + len(place.filename)
        content[start : start + 20] = b"\xff" * 20
    elif damage == "encrypted":
        for sign in (b"PK\x03\x04", b"PK\x01\x02"):
            at = content.find(sign)
            while at >= 0:
                content[at + (6 if sign[2] == 3 else 8)] |= 1
                at = content.find(sign, at + 4)
    else:
        content[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
        content = content[:100]
    book.write_bytes(content)
    refused(book, "not readable as an Excel workbook")
