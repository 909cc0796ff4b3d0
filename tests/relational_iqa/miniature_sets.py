"""Miniature copies of rated sets with real file names, for several files of tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def pieapp(root: Path) -> None:
    write(root, "labels/test/ref_27_per_image_score.csv",
          "ref image, distorted image, score for distorted image\nref_27.png,ref_27.png,0\n"
          "ref_27.png,distort_27_gaussian_blur_inter_1.png,2.5\n"
          "ref_27.png,distort_27_jpeg_intra_2.png,1.25\n")  # fmt: skip
    write(root, "labels/test/ref_27_pairwise_labels.csv",
          " ref image, distorted image A, distorted image B, preference for A\n"
          "ref_27.png,distort_27_gaussian_blur_inter_1.png,distort_27_jpeg_intra_2.png,0.25\n"
          "ref_27.png,ref_27.png,distort_27_jpeg_intra_2.png,0.975\n")  # fmt: skip
    touch(root, "reference_images/test/ref_27.png", "distorted_images/test/ref_27/distort_27_jpeg_intra_2.png",
          "distorted_images/test/ref_27/distort_27_gaussian_blur_inter_1.png")  # fmt: skip


def workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[str | float | None]]], first_column: int = 0) -> None:
    """An Excel workbook with these sheets of rows, the cells beginning at a column (0 is A)."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for line, row in enumerate(rows, 1):
            for column, value in enumerate(row, first_column + 1):
                sheet.cell(line, column, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
