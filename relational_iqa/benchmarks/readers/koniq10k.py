"""KonIQ-10k: 10,073 authentic photographs (Hosu, Lin, Sziranyi, Saupe, TIP 29, 2020)."""

from __future__ import annotations

import os

from relational_iqa.benchmarks.readers.files import Collector, Files, number, table
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion

Z_SCORES = Opinion("MOS (MOS_zscore)", 0, 100, higher_is_better=True)
STARS = Opinion("MOS", 1, 5, higher_is_better=True)
COUNT = 10073
TABLES = ("koniq10k_scores_and_distributions.csv", "koniq10k_distributions_sets.csv", "koniq10k_scores.csv")
IMAGES = ("1024x768", "512x384", "images")


def read(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """`koniq10k_scores_and_distributions.csv` and the folder `1024x768/` (or `512x384/`); no references.

    The scores are the column MOS_zscore (0 to 100), which the literature reports. The author's later table
    `koniq10k_distributions_sets.csv` has the same scale in its column MOS; a table with stars alone keeps 1 to 5.
    """
    files = Files(root, "KonIQ-10k folder, with its CSV and 1024x768/")
    path = files.need(*TABLES, remedy="fetch koniq10k_scores_and_distributions.zip and unpack it here")
    images = files.need(*IMAGES, remedy="fetch koniq10k_1024x768.zip and unpack it here")
    rows = table(path, ("image_name", "MOS"), "a score table of KonIQ-10k")
    with_z = bool(rows) and "MOS_zscore" in rows[0][1]
    column = "MOS_zscore" if with_z else "MOS"
    stars = not with_z and all(number(row["MOS"], where) <= 5 for where, row in rows)
    collector = Collector("KonIQ-10k", files, STARS if stars else Z_SCORES, partial)
    for where, row in rows:
        collector.add(images / row["image_name"], None, row[column], where, distortion="authentic")
    return collector.done((COUNT,), notes=(f"images of {images.name}/, scores of {path.name}, column {column}",))
