"""TID2013 (25 references, 24 distortions, 5 levels) and TID2008 (17 distortions, 4 levels) by Ponomarenko et al."""

from __future__ import annotations

import os

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.files import Collector, Files, words
from relational_iqa.benchmarks.readers.items import Benchmark, Opinion

OPINION = Opinion("MOS", 0, 9, higher_is_better=True)
DISTORTIONS = (
    "additive Gaussian noise", "color noise", "spatially correlated noise", "masked noise", "high frequency noise",
    "impulse noise", "quantization noise", "Gaussian blur", "image denoising", "JPEG", "JPEG2000",
    "JPEG transmission errors", "JPEG2000 transmission errors", "non eccentricity pattern noise",
    "local block-wise distortions", "mean shift", "contrast change", "change of color saturation",
    "multiplicative Gaussian noise", "comfort noise", "compression of noisy images", "color quantization with dither",
    "chromatic aberrations", "sparse sampling",
)  # fmt: skip
"""In the order of their numbers; TID2008 has the first 17."""


def read_tid2013(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """`mos_with_names.txt` (MOS name, 3,000 lines), where it is there `mos_std.txt` (a deviation a line),
    `distorted_images/I01_01_1.bmp`, `reference_images/I01.BMP`."""
    return _read(root, partial, "TID2013", 24, 5)


def read_tid2008(root: str | os.PathLike[str], partial: bool = False) -> Benchmark:
    """The same layout with 1,700 lines."""
    return _read(root, partial, "TID2008", 17, 4)


def _read(root: str | os.PathLike[str], partial: bool, name: str, types: int, levels: int) -> Benchmark:
    files = Files(root, f"{name} folder, with mos_with_names.txt, distorted_images/ and reference_images/")
    path = files.need("mos_with_names.txt", remedy=f"give the folder that holds it, usually {name.lower()}/")
    collector = Collector(name, files, OPINION, partial)
    rows = words(path, 2, f"a MOS and a file name, the mos_with_names.txt of {name}")
    spreads = _deviations(files, len(rows))
    for (where, (value, image)), spread in zip(rows, spreads, strict=True):
        parts = image.split(".")[0].split("_")
        if len(parts) != 3 or not parts[1].isdigit() or not 1 <= int(parts[1]) <= types:
            raise UsageError(f"{where}: {image!r} is no name of {name}; expected for example I01_01_1.bmp")
        scene = parts[0].upper()
        collector.add(
            f"distorted_images/{image}", f"reference_images/{scene}.BMP", value, where,
            scene, f"{parts[1]} {DISTORTIONS[int(parts[1]) - 1]}", parts[2], spread,
        )  # fmt: skip
    return collector.done((25 * types * levels,), aligned=True)


def _deviations(files: Files, count: int) -> list[str | None]:
    """The lines of `mos_std.txt`, which are in the order of the scores; None for each where there is no such file."""
    path = files.find("mos_std.txt")
    if path is None:
        return [None] * count
    rows = words(path, 1, "one deviation a line")
    if len(rows) != count:
        raise UsageError(f"{path}: {len(rows)} deviations for {count} scores; unpack the set again")
    return [cells[0] for _, cells in rows]
