"""SPAQ: 11,125 photographs of 66 smartphones (Fang, Zhu, Zeng, Ma, Wang, CVPR 2020)."""

from __future__ import annotations

import os

from relational_iqa.benchmarks.readers.files import Collector, Files
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion
from relational_iqa.benchmarks.readers.xlsx import as_name, records

OPINION = Opinion("MOS", 0, 100, higher_is_better=True)
COUNT = 11125
TABLE = "MOS and Image attribute scores.xlsx"


def read(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """`Annotations/MOS and Image attribute scores.xlsx` (Image name, MOS, ...) and `TestImage/00001.jpg`; no
    references. Photographs of several thousand pixels a side: the literature scores them at a shorter side of 512."""
    files = Files(root, "SPAQ folder, with Annotations/ and TestImage/")
    path = files.need(f"Annotations/{TABLE}", TABLE, remedy="it is in the archive of the annotations; unpack it here")
    images = files.need("TestImage", "Test Images", remedy="it is in TestImage.zip; unpack it here")
    collector = Collector("SPAQ", files, OPINION, partial)
    for where, row in records(path, ["Image name", "MOS"]):
        collector.add(images / as_name(row["Image name"]), None, row["MOS"], where, distortion="authentic")
    return collector.done((COUNT,))
