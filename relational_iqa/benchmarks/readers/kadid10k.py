"""KADID-10k: 81 references, 25 distortions, 5 levels (Lin, Hosu, Saupe, QoMEX 2019)."""

from __future__ import annotations

import os

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.files import Collector, Files, spread_of, table
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion

# The column is named dmos, yet 5 is imperceptible and 1 very annoying: higher is better.
OPINION = Opinion("DCR scores (column dmos)", 1, 5, higher_is_better=True)
COUNT = 81 * 25 * 5
DISTORTIONS = (
    "Gaussian blur", "lens blur", "motion blur", "color diffusion", "color shift", "color quantization",
    "color saturation 1", "color saturation 2", "JPEG2000", "JPEG", "white noise", "white noise in color component",
    "impulse noise", "multiplicative noise", "denoise", "brighten", "darken", "mean shift", "jitter",
    "non-eccentricity patch", "pixelate", "quantization", "color block", "high sharpen", "contrast change",
)  # fmt: skip


def read(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """`dmos.csv` (dist_img,ref_img,dmos,var; var is the variance of the single scores) beside `images/` with
    I01.png and I01_01_01.png (image_type_level)."""
    files = Files(root, "kadid10k folder, with dmos.csv and images/")
    path = files.need("dmos.csv", remedy="give the folder that holds it, usually kadid10k/")
    collector = Collector("KADID-10k", files, OPINION, partial)
    for where, row in table(path, ("dist_img", "ref_img", "dmos"), "the dmos.csv of KADID-10k"):
        parts = row["dist_img"].split(".")[0].split("_")
        if len(parts) != 3 or not parts[1].isdigit() or not 1 <= int(parts[1]) <= len(DISTORTIONS):
            raise UsageError(
                f"{where}: {row['dist_img']!r} is no name of KADID-10k; expected for example I01_01_01.png"
            )
        variance = spread_of(row.get("var"), where)
        collector.add(
            f"images/{row['dist_img']}", f"images/{row['ref_img']}", row["dmos"], where,
            parts[0], f"{parts[1]} {DISTORTIONS[int(parts[1]) - 1]}", str(int(parts[2])) if parts[2].isdigit() else "",
            None if variance is None else variance**0.5,
        )  # fmt: skip
    return collector.done((COUNT,), aligned=True)
