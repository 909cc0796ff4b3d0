"""CSIQ: 30 references, 6 distortions, 866 images (Larson, Chandler, Journal of Electronic Imaging 19(1), 2010)."""

from __future__ import annotations

import os

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.files import Collector, Files
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion
from relational_iqa.benchmarks.readers.xlsx import as_name, records

OPINION = Opinion("DMOS", 0, 1, higher_is_better=False)
COUNT = 866
SHEET = "all_by_image"
# The workbook's name of a distortion -> its folder, and the word in its file names.
DISTORTIONS = {
    "noise": ("awgn", "AWGN"),
    "blur": ("blur", "BLUR"),
    "contrast": ("contrast", "contrast"),
    "fnoise": ("fnoise", "fnoise"),
    "jpeg": ("jpeg", "JPEG"),
    "jpeg 2000": ("jpeg2000", "jpeg2000"),
}


def read(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """`csiq.DMOS.xlsx` (sheet all_by_image), `src_imgs/1600.png`, `dst_imgs/awgn/1600.AWGN.1.png` (or all in one
    folder `dst_imgs/`); the workbook is read as it is, nothing has to be exported."""
    files = Files(root, "CSIQ folder, with csiq.DMOS.xlsx, src_imgs/ and dst_imgs/")
    path = files.need("csiq.DMOS.xlsx", remedy="it is distributed beside src_imgs.zip and dst_imgs.zip; put it here")
    collector = Collector("CSIQ", files, OPINION, partial)
    for where, row in records(path, ["image", "dst_type", "dst_lev", "dmos"], SHEET, ("dmos_std",)):
        scene, kind, level = as_name(row["image"]), as_name(row["dst_type"]).lower(), as_name(row["dst_lev"])
        if not scene:
            continue  # a remark below the table
        if kind not in DISTORTIONS:
            raise UsageError(f"{where}: distortion {kind!r}; expected one of {', '.join(DISTORTIONS)}")
        folder, word = DISTORTIONS[kind]
        name = f"{scene}.{word}.{level}.png"
        image = f"dst_imgs/{folder}/{name}"
        if files.find(image) is None and files.find("dst_imgs", name) is not None:
            image = f"dst_imgs/{name}"
        collector.add(image, f"src_imgs/{scene}.png", row["dmos"], where, scene, kind, level, row.get("dmos_std"))
    return collector.done((COUNT,), aligned=True)
