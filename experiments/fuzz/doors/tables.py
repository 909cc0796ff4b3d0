"""Tables of opinions, read by `riqa evaluate`: CSV, Excel workbooks and MATLAB files."""

from __future__ import annotations

import random
import zipfile
from functools import cache
from io import BytesIO

from experiments.fuzz.door import Case, Door
from experiments.fuzz.doors.inputs import damaged_bytes, images

_EVALUATE = ["--metric", "psnr", "--bootstrap", "0", "--partial"]
_CELLS = (
    "", " ", "nan", "inf", "1e999", "-", "=1+1", "../../../etc/passwd", "/dev/null", "a\0b", "\udcff", "9" * 5000,
    "x" * 200_000, '"', "'", "a.png", "\u202e", "\r", ".", "..", "/", "1,2", "0x10", "1_000", "\u0661",
)  # fmt: skip
_PLACES = ("row", "99999999999", "A0", "ZZZZZZ1", "-1", "A1", "XFD1048576", "XFD1", "A1048577", "\u0661", "a1", "")
_SHEET = "xl/worksheets/sheet1.xml"


def _csv(rows: list[list[str]]) -> bytes:
    return "".join(",".join(row) + "\n" for row in rows).encode("utf-8", "surrogateescape")


def _rows() -> list[list[str]]:
    return [["image", "reference", "score", "scene", "distortion", "level"], ["a.png", "b.png", "1", "s", "d", "1"],
            ["b.png", "a.png", "2", "s", "d", "2"], ["c.png", "a.png", "3", "t", "d", "3"]]  # fmt: skip


def _csv_case(kind: str, data: bytes) -> Case:
    files = {**images(), "c.png": images()["a.png"] + b"\0", "t.csv": data}
    return Case(f"csv: {kind}", files, ["evaluate", "csv", "t.csv", *_EVALUATE])


@cache
def workbook() -> bytes:
    """The workbook of CSIQ, of two images."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "all_by_image"
    for row in (
        ["image", "dst_type", "dst_lev", "dmos"],
        ["x", "noise", 1, 0.1],
        ["x", "blur", 2, 0.3],
        ["x", "jpeg", 2, 0.4],
    ):
        sheet.append(row)
    content = BytesIO()
    book.save(content)
    return content.getvalue()


def _workbook_case(kind: str, data: bytes) -> Case:
    a, b = images().values()
    names = {
        "src_imgs/x.png": a,
        "dst_imgs/awgn/x.AWGN.1.png": b,
        "dst_imgs/blur/x.BLUR.2.png": b,
        "dst_imgs/jpeg/x.JPEG.2.png": a,
    }
    files = {**{f"set/{name}": content for name, content in names.items()}, "set/csiq.DMOS.xlsx": data}
    return Case(f"xlsx: {kind}", files, ["evaluate", "csiq", "set", *_EVALUATE])


@cache
def matlab() -> dict[str, bytes]:
    """The two MATLAB files of LIVE In the Wild, of three images after the seven that are left out."""
    import numpy as np
    from scipy.io import savemat

    names = np.array([f"{n}.png" for n in range(7)] + ["a.png", "b.png", "c.png"], dtype=object)[:, None]
    found = {}
    for key, value in (("AllImages_release", names), ("AllMOS_release", np.arange(10.0)[None] + 20)):
        content = BytesIO()
        savemat(content, {key: value}, do_compression=False)
        found[f"set/Data/{key}.mat"] = content.getvalue()
    return found


def _matlab_case(kind: str, files: dict[str, bytes]) -> Case:
    pictures = {f"set/Images/{name}": data for name, data in {**images(), "c.png": images()["a.png"]}.items()}
    arguments = ["evaluate", "live-wild", "set", "--metric", "pmos", "--bootstrap", "0", "--partial"]
    return Case(f"mat: {kind}", {**pictures, **files}, arguments)


def _whole() -> Case:
    return _workbook_case("whole", workbook())


def _make(rng: random.Random) -> Case:
    return rng.choices((_damaged_csv, _damaged_workbook, _damaged_matlab), (4, 4, 2))[0](rng)


def _damaged_csv(rng: random.Random) -> Case:
    rows = _rows()
    if rng.random() < 0.3:
        return _csv_case(*damaged_bytes(rng, _csv(rows)))
    kinds = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        row = rng.randrange(len(rows))
        column, value = rng.randrange(len(rows[row])), rng.choice(_CELLS)
        rows[row][column] = value
        kinds.append(f"{value[:20]!r} at {row},{column}")
    if rng.random() < 0.2:
        rows[rng.randrange(len(rows))] *= rng.choice((0, 2, 500))
        kinds.append("a row of another length")
    data = _csv(rows)
    return _csv_case(
        ", ".join(kinds), rng.choice((data, data, data, b"\xef\xbb\xbf" + data, data.replace(b"\n", b"\r")))
    )


def _damaged_workbook(rng: random.Random) -> Case:
    if rng.random() < 0.3:
        return _workbook_case(*damaged_bytes(rng, workbook()))
    with zipfile.ZipFile(BytesIO(workbook())) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    name = _SHEET if rng.random() < 0.6 else rng.choice(list(parts))
    kind = rng.choice(("bytes", "place", "loss", "text", "method", "encrypted"))
    if kind == "bytes":
        told, parts[name] = damaged_bytes(rng, parts[name])
        kind += f" {told}"
    elif kind == "place":
        place, old = rng.choice(_PLACES), rng.choice((b'r="B2"', b'r="2"', b'r="A1"', b'r="4"', b'ref="A1:D4"'))
        parts[_SHEET] = parts[_SHEET].replace(old, old.split(b'"')[0] + f'"{place}"'.encode())
        kind += f" {place}"
    elif kind == "loss":
        del parts[name]
    elif kind == "text":
        value = rng.choice(_CELLS).encode("utf-8", "surrogateescape")
        old = rng.choice((b"<v>0.1</v>", b"<v>1</v>", b"noise", b"<t>", b'"n"', b"all_by_image", b"UTF-8", b't="s"'))
        parts = {each: content.replace(old, value) for each, content in parts.items()}
        kind += f" {value[:20]!r} for {old!r}"
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as book:
        for each, data in parts.items():
            book.writestr(each, data)
    data = content.getvalue()
    if kind in ("method", "encrypted"):  # in the headers of all parts: how they are packed; that they are encrypted
        flag = kind == "encrypted"
        for mark, place in ((b"PK\3\4", 6 if flag else 8), (b"PK\1\2", 8 if flag else 10)):
            changed = bytearray(data)
            at = data.find(mark)
            while at >= 0:
                changed[at + place] = 1 if flag else rng.choice((1, 9, 12, 14, 93, 99))
                at = data.find(mark, at + 1)
            data = bytes(changed)
    return _workbook_case(f"{name}: {kind}", data)


def _damaged_matlab(rng: random.Random) -> Case:
    files = dict(matlab())
    name = rng.choice(list(files))
    start = 128 if rng.random() < 0.8 else 0  # bytes of text at the beginning
    kind, rest = damaged_bytes(rng, files[name][start:])
    files[name] = files[name][:start] + rest
    return _matlab_case(f"{name}: {kind}", files)


DOOR = Door("tables", _whole, _make, progress=("failed: ",))
