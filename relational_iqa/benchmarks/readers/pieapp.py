"""PieAPP: pairwise preferences of 40 people a pair, and scores estimated from them (Prashnani et al., CVPR 2018)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.files import Collector, Files, number
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion

SCORES = Opinion("dissimilarity", None, None, higher_is_better=False)
SHARES = Opinion("share of people for the second image", 0, 1, higher_is_better=True)
TEST_IMAGES = 40 * 15
TEST_PAIRS = (4200, 4800)
"""Of the 15 versions of 40 references: without and with the reference itself among the compared images."""
PARTS = ("test", "val", "train")


def read_scores(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """The 600 test images: `labels/test/ref_1_per_image_score.csv` (reference, image, score; a reference has 0, worse
    images more), `reference_images/test/ref_1.png`, `distorted_images/test/ref_1/distort_1_....png`."""
    files = _files(root)
    collector = Collector("PieAPP", files, SCORES, partial)
    for path in _tables(files, "test", "_per_image_score.csv"):
        for where, (reference, image, value) in _rows(path, 3):
            if not image.startswith("ref"):
                collector.add(*_place("test", reference, image), value, where, Path(reference).stem, _distortion(image))
    return collector.done((TEST_IMAGES,), aligned=True)


def read_pairs(root: str | os.PathLike[str], partial: bool = False, part: str = "test") -> Benchmark:
    """The judged pairs: `labels/test/ref_1_pairwise_labels.csv` (reference, image A, image B, share for A, and, in
    train and val, the share estimated for all pairs, which is used where a pair was not shown to people).

    part: "test", "val" or "train".
    """
    if part not in PARTS:
        raise UsageError(f"part {part!r}: expected {', '.join(PARTS)}")
    files = _files(root)
    collector = Collector("PieAPP pairs", files, SHARES, partial)
    for path in _tables(files, part, "_pairwise_labels.csv"):
        for where, row in _rows(path, 4):
            reference, first, second, shown = row[:4]
            prefer_first = number(shown if shown else (row[4] if len(row) > 4 else ""), where)
            ref = _place(part, reference, reference)[1]
            kinds = {_distortion(name) for name in (first, second)}
            collector.add_pair(
                _place(part, reference, first)[0], _place(part, reference, second)[0], ref, 1 - prefer_first,
                Path(reference).stem, kinds.pop() if len(kinds) == 1 else "between types",
            )  # fmt: skip
    return collector.done(TEST_PAIRS if part == "test" else (), notes=(f"the {part} part",))


def _files(root: str | os.PathLike[str]) -> Files:
    return Files(root, "PieAPP_dataset_CVPR_2018 folder, with labels/, reference_images/ and distorted_images/")


def _tables(files: Files, part: str, ending: str) -> list[Path]:
    folder = files.need(f"labels/{part}", remedy="give the folder that holds labels/, usually PieAPP_dataset_CVPR_2018")
    found = sorted(folder.glob(f"ref_*{ending}"))
    if not found:
        raise UsageError(f"{folder}: no file ref_*{ending}; unpack the set again")
    return found


def _rows(path: Path, columns: int) -> list[tuple[str, list[str]]]:
    """Rows below the header, by position: the headings differ between the parts."""
    rows = []
    for index, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines()[1:], 2):
        cells = [cell.strip() for cell in line.split(",")]
        if any(cells):
            if len(cells) < columns:
                raise UsageError(
                    f"{path}, line {index}: {len(cells)} columns, expected {columns}; unpack the set again"
                )
            rows.append((f"{path}, line {index}", cells if columns == 4 else cells[:columns]))
    return rows


def _place(part: str, reference: str, image: str) -> tuple[str, str]:
    """Paths of an image and of its reference; the reference itself may stand among the compared images."""
    pristine = f"reference_images/{part}/{reference}"
    if image.startswith("ref"):
        return pristine, pristine
    return f"distorted_images/{part}/{Path(reference).stem}/{image}", pristine


def _distortion(image: str) -> str:
    """distort_<number>_<distortion type>_<inter or intra>_<identifier>.png -> distortion type."""
    match = re.match(r"distort_\d+_(.+?)_(inter|intra)", image)
    return match.group(1) if match else "reference" if image.startswith("ref") else ""
