"""The table of what the pMOS weights can do: `python -m experiments.pmos.evaluate`.

Measured on held-out photographs with fixed seeds. `--people` adds agreement with people before and after fitting,
beside a linear head and the ablations. Every look at people is written down in experiments/NOTES.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from distortion_engine import ENGINE_VERSION
from distortion_engine.reading.image_io import load_image, save_image
from distortion_engine.reading.photos import list_photos
from distortion_engine.severity import provenance_hash
from experiments.evaluation import Log, Outcome, evaluation_parser, outcome_of_rows, positive, run_evaluation
from experiments.pixel_perfect.table import Row
from experiments.pmos.maps import map_rows, set_rows
from experiments.pmos.named import named_rows
from experiments.pmos.people import people_rows
from relational_iqa.commands.config_file import read_config
from relational_iqa.systems.pmos import PMOS, load
from relational_iqa.training.pmos.fit_mos_config import parse_fit_config

SEED = 20261
SPEED_SIZE = (384, 512)  # height, width
COMMAND_SIZE = (3000, 4000)
_RUNS = 5


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Args:
        strong: images of every distortion at severity 0.4 to 1.
        weak: images of every distortion at severity 0.1 to 0.4.
        sets: ranked sets.
        crop_px: side of the crops.
    """

    strong: int = 4
    weak: int = 2
    sets: int = 80
    crop_px: int = 192


def evaluate(
    model: PMOS, photos: Sequence[Path], sizes: Sizes = Sizes(), seed: int = SEED,
    log: Callable[[str], None] = lambda text: None,
) -> list[Row]:  # fmt: skip
    """Every row that needs no people."""
    with torch.inference_mode():
        rows = map_rows(model, photos, sizes.strong, sizes.weak, sizes.crop_px, seed, log)
        rows += set_rows(model, photos, sizes.sets, sizes.crop_px, seed + 100, log)
        rows += named_rows(model, photos, sizes.strong, sizes.weak, sizes.crop_px, seed + 200, log)
    return [*rows, *exactness_rows(model, photos[0]), speed_row(model, photos[0])]


def exactness_rows(model: PMOS, photo: Path) -> list[Row]:
    """The image MOS against the mean of the returned maps, and tiles against the whole image."""
    image = F.interpolate(load_image(photo)[None], (720, 960), mode="bilinear", antialias=True)[0].clamp(0, 1)
    before, whole = model.tile_px, model.score(image)
    try:
        model.tile_px = 256
        tiled = model.score(image)
    finally:
        model.tile_px = before
    mean = np.average(tiled.pmos.astype(np.float64), weights=tiled.roi.astype(np.float64))
    gap = max(float(np.abs(whole.pmos - tiled.pmos).max()), float(np.abs(whole.roi / tiled.roi - 1).max()))
    return [
        Row("image MOS minus the weighted mean of the maps", abs(tiled.mos - float(mean)), "960 x 720, must be 0"),
        Row("largest difference of tiles to the whole image", gap, "tiles of 256 px, must be <= 1e-4", part=True),
    ]


def speed_row(model: PMOS, photo: Path) -> Row:
    """Median seconds of `_RUNS` runs after one to warm up."""
    image = F.interpolate(load_image(photo)[None], SPEED_SIZE, mode="bilinear", antialias=True)[0].clamp(0, 1)
    model.score(image)
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        model.score(image)
        times.append(time.perf_counter() - start)
    return Row("time to score 512 x 384", median(times), f"{torch.get_num_threads()} threads", unit="seconds")


def command_row(photo: Path, weights: str | None) -> Row:
    """Seconds of `riqa score` for one photograph of COMMAND_SIZE, from the start of Python to the sentence."""
    image = F.interpolate(load_image(photo)[None], COMMAND_SIZE, mode="bilinear", antialias=True)[0].clamp(0, 1)
    height, width = COMMAND_SIZE
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photo.png"
        save_image(image, file)
        asked = ["--quiet", *(["--weights", weights] if weights else [])]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "relational_iqa.cli", "score", str(file), *asked], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        seconds = time.perf_counter() - start
    return Row(f"time of `riqa score`, {width} x {height}", seconds, "one run, threads as by default", unit="seconds")


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and writes it; exit code 0, or 2 with one line for bad input."""
    return run_evaluation(_parser(), _run, arguments)


def _run(options: argparse.Namespace, log: Log) -> Outcome:
    photos = list_photos(options.photos, "held_out")
    sizes = Sizes(sets=options.sets)
    model = load(options.weights, device=options.device)
    log(f"{len(photos)} held-out photographs, weights {model.meta['name']}")
    rows = [*evaluate(model, photos, sizes, log=log), command_row(photos[0], options.weights)]
    details: dict[str, Any] = {}
    if options.people:
        config = parse_fit_config(read_config(options.fit, options.overrides))
        people, details["people"] = people_rows(model, config, log)
        rows += people
    about = {
        "weights": {key: model.meta[key] for key in ("name", "sha256", "opinions")},
        "photos": [photo.name for photo in photos],
        "seed": SEED,
        "sizes": asdict(sizes),
        "engine": ENGINE_VERSION,
        "severity": provenance_hash(),
    }
    return outcome_of_rows(rows, about=about, details=details)


def _parser() -> argparse.ArgumentParser:
    parser = evaluation_parser("pmos", __doc__)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="replace single values of the fit's file")
    parser.add_argument("--people", action="store_true", help="also SRCC with people, before and after fitting")
    parser.add_argument("--fit", default="experiments/pmos/mmp2k.yaml", metavar="C", help="YAML file of the fit")
    parser.add_argument("--sets", type=positive, default=Sizes.sets, metavar="N", help="ranked sets")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser


if __name__ == "__main__":
    sys.exit(main())
