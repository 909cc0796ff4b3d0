"""The table of docs/image-files.md: what becomes of every kind of file that cases.json has.

python -m experiments.image_files.table
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from experiments.image_files.workshop import ROOT

PAGE = ROOT / "docs" / "image-files.md"
CASES = ROOT / "tests" / "distortion_engine" / "reading" / "files" / "cases.json"
BEGIN, END = "<!-- files: begin -->\n", "<!-- files: end -->\n"
_FORMATS = {
    "jpg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
    "avif": "AVIF",
    "jxl": "JPEG XL",
    "jp2": "JPEG 2000",
    "j2k": "JPEG 2000",
    "tif": "TIFF",
    "bmp": "BMP",
    "gif": "GIF",
    "ppm": "PPM, PGM, PBM",
    "pgm": "PPM, PGM, PBM",
    "pbm": "PPM, PGM, PBM",
}
_HEAD = "| format | bits | alpha | colours | orientation | what happens |\n| --- | --- | --- | --- | --- | --- |\n"


def table(cases: Sequence[dict[str, Any]]) -> str:
    """A row for every format, alpha, colours and outcome, with all depths and orientations of it."""
    rows: dict[tuple[str, ...], tuple[dict[str, None], dict[str, None], list[float]]] = {}
    for case in cases:
        refused = case["refused"]
        said = "read" if refused is None else f'refused: "{refused}"'
        name = _FORMATS.get(Path(case["file"]).suffix[1:], "others")
        depths, turns, tolerances = rows.setdefault((name, case["alpha"], case["colour"], said), ({}, {}, []))
        depths[case["depth"]], turns[case["orientation"]] = None, None
        tolerances += [] if refused else [case["tolerance"]]
    lines = []
    order = list(dict.fromkeys(_FORMATS.values()))
    for (name, alpha, colour, said), (depths, turns, tolerances) in sorted(
        rows.items(), key=lambda row: (order.index(row[0][0]) if row[0][0] in order else 99, row[0][3] != "read")
    ):
        if tolerances:
            low, high = min(tolerances), max(tolerances)
            said += f" (within {low:g})" if low == high else f" (within {low:g} to {high:g})"
        lines.append(f"| {name} | {_listed(depths)} | {alpha} | {colour} | {_listed(turns)} | {said} |\n")
    return _HEAD + "".join(lines)


def _listed(words: Iterable[str]) -> str:
    """Numbers in order, then the rest."""
    return "; ".join(sorted(words, key=lambda word: (not word.isdigit(), word.zfill(3))))


def with_table(page: str) -> str:
    """The page with the table of today."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + table(json.loads(CASES.read_text())) + END + rest.split(END)[1]


def main() -> None:
    """Writes the table into the page."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    PAGE.write_text(with_table(PAGE.read_text()))


if __name__ == "__main__":
    main()
