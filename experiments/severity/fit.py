"""Fit the severity curves: `python -m experiments.severity.fit --photos FOLDER --out distortion_engine/severity.json`.

Every distortion is applied to crops of training photographs at its ladder and between; conventional metrics judge
the results, each metric is put on the quantile scale of that pool, and the median of their mean over photographs,
made monotone, is the severity of an amount. No human score is used.
"""

import argparse
import csv
import datetime
import functools
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.isotonic import IsotonicRegression

import distortion_engine
from distortion_engine.catalog import DISTORTIONS, Distortion
from distortion_engine.errors import UsageError
from distortion_engine.image_io import load_image
from distortion_engine.photos import list_photos
from distortion_engine.severity import CONSENSUS_FAST, CONSENSUS_MAX, CONSENSUS_METRICS, LEVELS
from relational_iqa.conventional import METRICS

CROP_PX = 192
MIN_LUMA_STD = 0.06  # a crop with less has nothing for half of the distortions to act on
# Mean severity that the strongest amounts of the KADID-10k types get: its level 5 is "very annoying", just short of 1.
KADID_TOP_SEVERITY = 0.95
# Where on a ladder the curves are measured: 1.5 is half way between levels 1 and 2. Dense where damage sets in.
LADDER_POSITIONS = (0.2, 0.5, 1.0, 1.5, 2.25, 3.0, 4.0, 5.0)
# The pool behind the quantile scale has all ladder positions equally often, not as often as they are measured.
POOL_POSITIONS = tuple(0.25 * i for i in range(1, 21))
# Denser at the ends, where quality changes fastest and where a table would otherwise cut off.
QUANTILES = (0.005, 0.01, 0.02, 0.035, *(round(0.05 * i, 2) for i in range(1, 20)), 0.97, 0.985, 0.995, 1.0)
MIN_RISE = 1e-3  # knots of a curve that rise less are merged, so that severity -> amount has one answer


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


def measure_photo(photo: Path) -> np.ndarray:
    """Metric values (distortions, amounts, metrics) of one photograph; a type has one seed for all its amounts."""
    torch.set_num_threads(1)
    patch = crop(photo)
    rows = []
    for name, distortion in DISTORTIONS.items():
        amounts = torch.tensor(measured_amounts(distortion))
        seed = _hash(f"{photo.name}:{name}")
        drawn = distortion.sample_params(np.random.default_rng(seed))
        params = {key: torch.full((len(amounts),), value) for key, value in drawn.items()}
        generators = [torch.Generator().manual_seed(seed) for _ in amounts]
        reference = patch.expand(len(amounts), -1, -1, -1)
        with torch.inference_mode():
            test = distortion.apply(reference, amounts, params, generators)
            values = [METRICS[metric].function(test, reference).numpy() for metric in CONSENSUS_METRICS]
        rows.append(np.stack(values, axis=-1))
    return np.stack(rows)


def measure(photos: Sequence[Path], processes: int) -> np.ndarray:
    """Values (photographs, distortions, amounts, metrics), with a line of progress a photograph."""
    start, measured = time.monotonic(), []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for values in pool.imap(measure_photo, photos):
            measured.append(values)
            print(f"{len(measured)}/{len(photos)} photographs, {time.monotonic() - start:.0f} s", file=sys.stderr)
    return np.stack(measured).astype(np.float64)


def quantile_tables(damage: np.ndarray) -> dict[str, dict[str, Any]]:
    """Per metric the damage at each of QUANTILES over the pool of all images, from (0, 0), strictly rising.

    damage: (photographs, distortions, amounts, metrics), interpolated between amounts to POOL_POSITIONS.
    """
    positions = np.array([0.0, *LADDER_POSITIONS])
    padded = np.concatenate([np.zeros_like(damage[:, :, :1]), damage], axis=2)
    upper = np.clip(np.searchsorted(positions, POOL_POSITIONS), 1, len(positions) - 1)
    share = (np.array(POOL_POSITIONS) - positions[upper - 1]) / (positions[upper] - positions[upper - 1])
    damage = padded[:, :, upper - 1] + (padded[:, :, upper] - padded[:, :, upper - 1]) * share[:, None]
    tables: dict[str, dict[str, Any]] = {}
    for index, name in enumerate(CONSENSUS_METRICS):
        pool = damage[..., index].ravel()
        pool = pool[pool > 1e-6]  # saturation of a grey photograph changes nothing and says nothing
        knots = {0.0: 0.0}  # damage -> quantile
        for quantile, value in zip(QUANTILES, np.quantile(pool, QUANTILES), strict=True):
            if value > max(knots) * 1.0001:
                knots[float(f"{value:.6g}")] = quantile
        tables[name] = {
            "identical": METRICS[name].identical,
            "damage": list(knots),
            "quantile": list(knots.values()),
        }
    return tables


def quantiles_of(damage: np.ndarray, tables: dict[str, dict[str, Any]]) -> np.ndarray:
    """Damage (..., metrics) on the common quantile scale of the tables, 0 to 1."""
    columns = [
        np.interp(damage[..., i], tables[name]["damage"], tables[name]["quantile"])
        for i, name in enumerate(CONSENSUS_METRICS)
    ]
    return np.stack(columns, axis=-1)


def monotone_curve(amounts: Sequence[float], severities: np.ndarray) -> tuple[list[float], list[float]]:
    """Knots (amount, severity) from (0, 0), strictly rising: isotonic regression of the medians over photographs
    (photographs, amounts), flat stretches reduced to their start."""
    fitted = IsotonicRegression(y_min=0.0).fit_transform(np.asarray(amounts), np.median(severities, axis=0))
    knots = [(0.0, 0.0)]
    for amount, severity in zip(amounts, fitted, strict=True):
        if severity >= knots[-1][1] + MIN_RISE:
            knots.append((round(float(amount), 6), round(float(severity), 5)))
    return [amount for amount, _ in knots], [severity for _, severity in knots]


def fit(values: np.ndarray) -> dict[str, Any]:
    """Tables, scales and curves from metric values (photographs, distortions, amounts, metrics)."""
    damage = np.abs(values - np.array([METRICS[name].identical for name in CONSENSUS_METRICS]))
    tables = quantile_tables(damage)
    quantiles = quantiles_of(damage, tables)
    mean = quantiles.mean(axis=-1)
    kadid = [i for i, distortion in enumerate(DISTORTIONS.values()) if "KADID" in distortion.source]
    scale = KADID_TOP_SEVERITY / float(np.median(mean[:, kadid, -1], axis=0).mean())
    severity = np.clip(mean * scale, 0.0, CONSENSUS_MAX)
    fast = quantiles[..., [CONSENSUS_METRICS.index(name) for name in CONSENSUS_FAST]].mean(axis=-1)
    scales = {
        "+".join(sorted(CONSENSUS_METRICS)): round(scale, 5),
        "+".join(sorted(CONSENSUS_FAST)): round(float((fast * severity).sum() / (fast * fast).sum()), 5),
    }
    curves = {}
    for index, (name, distortion) in enumerate(DISTORTIONS.items()):
        amounts = measured_amounts(distortion)
        knots, rising = monotone_curve(amounts, severity[:, index])
        low, high = np.quantile(severity[:, index], (0.1, 0.9), axis=0).round(4).tolist()
        at = [0.0, *(round(amount, 6) for amount in amounts)]
        measured = {"amounts": at, "p10": [0.0, *low], "p90": [0.0, *high]}
        curves[name] = {"unit": distortion.unit, "amounts": knots, "severity": rising, "measured": measured}
    return {"quantiles": tables, "scales": scales, "curves": curves}


def report(fitted: dict[str, Any]) -> str:
    """A line a distortion: amounts at the five levels and the largest severity."""
    lines = [f"{'distortion':22}" + "".join(f"{level:>9}" for level in LEVELS) + "      max"]
    for name, curve in fitted["curves"].items():
        top = curve["severity"][-1]
        at = [np.interp(level, curve["severity"], curve["amounts"]) if level <= top else np.nan for level in LEVELS]
        lines.append(f"{name:22}" + "".join(f"{amount:9.3g}" for amount in at) + f"{top:9.3f}")
    return "\n".join(lines)


def main() -> None:
    """Measure, fit, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of pristine photographs")
    parser.add_argument("--out", type=Path, default=Path("distortion_engine/severity.json"))
    parser.add_argument("--limit", type=int, default=24, help="photographs used")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--measurements", type=Path, help=".npz of metric values: read if it exists, else written")
    options = parser.parse_args()
    photos = choose_photos(options.photos, options.limit)
    if options.measurements and options.measurements.is_file():
        values = np.load(options.measurements)["values"]
        if values.shape != (len(photos), len(DISTORTIONS), len(LADDER_POSITIONS), len(CONSENSUS_METRICS)):
            raise UsageError(f"{options.measurements} has shape {values.shape}, of another fit: delete it")
    else:
        values = measure(photos, options.processes)
        if options.measurements:
            np.savez_compressed(options.measurements, values=values)
    fitted = fit(values)
    used = f"--photos {options.photos} --out {options.out} --limit {options.limit}"
    fitted["provenance"] = {
        "command": f"python -m experiments.severity.fit {used}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "engine_sha256": engine_sha256(),
        "metrics": list(CONSENSUS_METRICS),
        "metrics_fast": list(CONSENSUS_FAST),
        "photographs": [photo.name for photo in photos],
        "crop_px": CROP_PX,
        "ladder_positions": list(LADDER_POSITIONS),
        "images": int(np.prod(values.shape[:3])),
        "kadid_top_severity": KADID_TOP_SEVERITY,
        "spread": "p10 and p90 over photographs at each measured amount",
    }
    print(report(fitted))
    partial = options.out.with_suffix(".partial")
    partial.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, options.out)


def engine_sha256() -> str:
    """Hash of the catalogue and the distortion sources, to tell which engine a fit belongs to."""
    root = Path(next(iter(distortion_engine.__path__)))
    digest = hashlib.sha256()
    for path in [root / "catalog.py", *sorted((root / "distortions").glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def _hash(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


if __name__ == "__main__":
    main()
