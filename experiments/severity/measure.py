"""Measure what distortions do: values of the conventional metrics over photographs, types and amounts."""

import csv
import functools
import hashlib
import multiprocessing
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import distortion_engine
from distortion_engine.catalog import DISTORTIONS, Distortion
from distortion_engine.reading.image_io import load_image
from distortion_engine.reading.photos import list_photos
from distortion_engine.severity import CONSENSUS_METRICS, VIEWING_SCALES, at_viewing_scales
from relational_iqa.conventional import METRICS

CROP_PX = 144  # the size of training images
MIN_LUMA_STD = 0.06  # a crop with less has nothing for half of the distortions to act on
# Where on a ladder the curves are measured: 1.5 is half way between levels 1 and 2. Dense where damage sets in; the
# first is next to nothing and shows which types jump (a codec has a cost of entry).
LADDER_POSITIONS = (0.02, 0.25, 0.75, 1.5, 2.25, 3.0, 4.0, 5.0)


def measured_amounts(distortion: Distortion) -> list[float]:
    """The positive native amounts of LADDER_POSITIONS."""
    ladder = (0.0, *distortion.ladder)
    return [float(np.interp(position, range(len(ladder)), ladder)) for position in LADDER_POSITIONS]


def choose_photos(folder: Path, count: int) -> list[Path]:
    """`count` training photographs, taking turns over the categories of manifest.csv (or the prefixes of the names)."""
    manifest = folder / "manifest.csv"
    category: dict[str, str] = {}
    if manifest.is_file():
        with manifest.open(newline="", encoding="utf-8") as lines:
            category = {row["file"]: row["category"] for row in csv.DictReader(lines)}
    groups: dict[str, list[Path]] = {}
    for path in sorted(list_photos(folder, "train"), key=lambda path: _hash(path.name)):
        groups.setdefault(category.get(path.name, path.name.split("__")[0]), []).append(path)
    turns = max(len(group) for group in groups.values())
    ordered = [group[turn] for turn in range(turns) for _, group in sorted(groups.items()) if turn < len(group)]
    return ordered[:count]


def crop(photo: Path) -> torch.Tensor:
    """A CROP_PX square of the photograph, (3, CROP_PX, CROP_PX), the first of up to 20 draws that is not flat."""
    image = load_image(photo)
    rng = np.random.default_rng(_hash(photo.name))
    height, width = image.shape[-2:]
    for _ in range(20):
        top, left = rng.integers(height - CROP_PX + 1), rng.integers(width - CROP_PX + 1)
        patch = image[:, top : top + CROP_PX, left : left + CROP_PX].contiguous()
        if patch.mean(dim=0).std() >= MIN_LUMA_STD:
            break
    return patch


def measure_photo(photo: Path, names: Sequence[str] = ()) -> np.ndarray:
    """Metric values (distortions, amounts, metrics) of one photograph, for all distortions when `names` is empty; a
    type has one seed for all its amounts."""
    torch.set_num_threads(1)
    patch = crop(photo)
    rows = []
    for name in names or DISTORTIONS:
        distortion = DISTORTIONS[name]
        amounts = measured_amounts(distortion)
        seed = _hash(f"{photo.name}:{name}")
        params = distortion.sample_params(np.random.default_rng(seed))
        reference = patch.expand(len(amounts), -1, -1, -1)
        with torch.inference_mode():
            test = torch.stack(
                [distortion.apply(patch, amount, torch.Generator().manual_seed(seed), **params) for amount in amounts]
            )
            values = [
                at_viewing_scales(metric, METRICS[metric].function, test, reference).numpy()
                for metric in CONSENSUS_METRICS
            ]
        rows.append(np.stack(values, axis=-1))
    return np.stack(rows)


def measure(photos: Sequence[Path], processes: int, names: Sequence[str] = ()) -> np.ndarray:
    """Values (photographs, distortions, amounts, metrics), with a line of progress a photograph. names: as above."""
    start, measured = time.monotonic(), []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for values in pool.imap(functools.partial(measure_photo, names=names), photos):
            measured.append(values)
            print(f"{len(measured)}/{len(photos)} photographs, {time.monotonic() - start:.0f} s", file=sys.stderr)
    return np.stack(measured).astype(np.float64)


def settings(photos: Sequence[Path]) -> dict[str, Any]:
    """What curves must share to lie on one scale, as the provenance has it."""
    return {
        "metrics": list(CONSENSUS_METRICS),
        "viewing_scales": {name: list(VIEWING_SCALES[name]) for name in CONSENSUS_METRICS},
        "photographs": [photo.name for photo in photos],
        "crop_px": CROP_PX,
        "ladder_positions": list(LADDER_POSITIONS),
    }


def engine_sha256() -> str:
    """Hash of the catalogue and the distortion sources, to tell which engine a fit belongs to."""
    root = Path(next(iter(distortion_engine.__path__)))
    digest = hashlib.sha256()
    tables = [root / name for name in ("axes.py", "catalog.py")]
    for path in [*tables, *sorted((root / "distortions").glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def _hash(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)
