"""Fit the severity curves: `python -m experiments.severity.fit --photos FOLDER --out distortion_engine/severity.json`.

Every distortion is applied to crops of training photographs at its ladder and between; conventional metrics judge
the results, each metric is put on the quantile scale of that pool, and the median of their mean over photographs,
made monotone, is the severity of an amount. No human score is used.

`--only NAME ...` measures these distortions again and replaces their curves in `--out`, on the quantile tables and the
scale that it holds, so that all other curves and all labels keep their meaning.
"""

import argparse
import datetime
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distortion_engine import ENGINE_VERSION
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.severity import CONSENSUS_MAX, CONSENSUS_METRICS, LEVELS
from experiments.severity.measure import (
    LADDER_POSITIONS,
    choose_photos,
    engine_sha256,
    measure,
    measured_amounts,
    settings,
)
from relational_iqa.conventional import METRICS

# Mean severity that the strongest amounts of the KADID-10k types get: its level 5 is "very annoying", just short of 1.
KADID_TOP_SEVERITY = 0.95
# The pool behind the quantile scale has all ladder positions equally often, not as often as they are measured.
POOL_POSITIONS = tuple(0.25 * i for i in range(1, 21))
# Denser at the ends, where quality changes fastest and where a table would otherwise cut off.
QUANTILES = (0.005, 0.01, 0.02, 0.035, *(round(0.05 * i, 2) for i in range(1, 20)), 0.97, 0.985, 0.995, 1.0)
ONSET_VISIBLE = 0.05  # a quarter of a level
MIN_RISE = 1e-3  # knots of a curve that rise less are merged, so that severity -> amount has one answer


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


def isotonic(values: np.ndarray) -> np.ndarray:
    """The nearest non-decreasing sequence in the sense of least squares, by pooling adjacent violators."""
    blocks: list[list[float]] = []  # sum, count
    for value in values:
        blocks.append([float(value), 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    return np.concatenate([np.full(int(count), total / count) for total, count in blocks])


def monotone_curve(amounts: Sequence[float], severities: np.ndarray) -> tuple[list[float], list[float]]:
    """Knots (amount, severity) from (0, 0), strictly rising: isotonic regression of the medians over photographs
    (photographs, amounts), flat stretches reduced to their start."""
    fitted = isotonic(np.median(severities, axis=0))
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
    # The least-squares scale: a little less than `scale`, because severities stop at CONSENSUS_MAX.
    scales = {"+".join(sorted(CONSENSUS_METRICS)): round(float((mean * severity).sum() / (mean * mean).sum()), 5)}
    curves = {name: curve(name, severity[:, index]) for index, name in enumerate(DISTORTIONS)}
    return {"quantiles": tables, "scales": scales, "curves": curves}


def curve(name: str, severity: np.ndarray) -> dict[str, Any]:
    """The curve of distortion `name` as severity.json holds it, from severities (photographs, amounts)."""
    distortion = DISTORTIONS[name]
    amounts = measured_amounts(distortion)
    knots, rising = monotone_curve(amounts, severity)
    low, high = np.quantile(severity, (0.1, 0.9), axis=0).round(4).tolist()
    at = [0.0, *(round(amount, 6) for amount in amounts)]
    # What the least amount already does; below ONSET_VISIBLE the curve counts as starting at 0.
    onset = float(np.median(severity[:, 0]))
    return {
        "unit": distortion.unit,
        "amounts": knots,
        "severity": rising,
        "onset": round(onset, 4) if onset >= ONSET_VISIBLE else 0.0,
        "measured": {"amounts": at, "p10": [0.0, *low], "p90": [0.0, *high]},
    }


def refit(fitted: Mapping[str, Any], values: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """`fitted` with the curves of `names` made anew on its tables and its scale; nothing else differs.

    values: metric values (photographs, names, amounts, metrics).
    """
    damage = np.abs(values - np.array([METRICS[name].identical for name in CONSENSUS_METRICS]))
    mean = quantiles_of(damage, fitted["quantiles"]).mean(axis=-1)
    severity = np.clip(mean * fitted["scales"]["+".join(sorted(CONSENSUS_METRICS))], 0.0, CONSENSUS_MAX)
    fresh = {name: curve(name, severity[:, index]) for index, name in enumerate(names)}
    curves = {name: fresh.get(name, fitted["curves"].get(name)) for name in DISTORTIONS}
    return {**fitted, "curves": {name: one for name, one in curves.items() if one is not None}}


def refit_file(out: Path, photos: Sequence[Path], names: Sequence[str], processes: int, command: str) -> dict[str, Any]:
    """What `out` becomes when `names` are measured again; its provenance says which, when and by which engine.

    Raises UsageError for an unknown name, and where the photographs or settings are not those that `out` was made with.
    """
    unknown = sorted(set(names) - set(DISTORTIONS))
    if unknown:
        raise UsageError(f"--only {', '.join(unknown)}: no such distortion; expected some of {', '.join(DISTORTIONS)}")
    start, fitted = time.monotonic(), json.loads(out.read_text(encoding="utf-8"))
    origin, now = fitted["provenance"], settings(photos)
    differing = [key for key, value in now.items() if origin.get(key) != value]
    if differing:
        raise UsageError(f"{out} was made with other {', '.join(differing)}; use the same or fit all distortions")
    engine = engine_sha256()
    refitted = refit(fitted, measure(photos, processes, names), names)
    note = {
        "distortions": list(names),
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "engine_version": ENGINE_VERSION,
        "engine_sha256": engine,
        "seconds": round(time.monotonic() - start),
    }
    refitted["provenance"] = {**origin, "refitted": [*origin.get("refitted", []), note]}
    return refitted


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
    parser.add_argument("--only", nargs="+", metavar="NAME", help="new curves for these distortions alone")
    options = parser.parse_args()
    start = time.monotonic()
    photos = choose_photos(options.photos, options.limit)
    used = f"--photos {options.photos} --out {options.out} --limit {options.limit}"
    command = f"python -m experiments.severity.fit {used}"
    if options.only:
        command = f"{command} --only {' '.join(options.only)}"
        _write(refit_file(options.out, photos, options.only, options.processes, command), options.out)
        return
    if options.measurements and options.measurements.is_file():
        stored = np.load(options.measurements)
        values, engine = stored["values"], str(stored["engine"])
        if values.shape != (len(photos), len(DISTORTIONS), len(LADDER_POSITIONS), len(CONSENSUS_METRICS)):
            raise UsageError(f"{options.measurements} has shape {values.shape}, of another fit: delete it")
    else:
        engine = engine_sha256()  # before, for a fit takes minutes
        values = measure(photos, options.processes)
        if options.measurements:
            np.savez_compressed(options.measurements, values=values, engine=engine)
    fitted = fit(values)
    seconds = round(time.monotonic() - start)
    fitted["provenance"] = {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "engine_version": ENGINE_VERSION,
        "engine_sha256": engine,
        **settings(photos),
        "seconds": seconds,
        "images": int(np.prod(values.shape[:3])),
        "kadid_top_severity": KADID_TOP_SEVERITY,
        "spread": "p10 and p90 over photographs at each measured amount",
    }
    _write(fitted, options.out)


def _write(fitted: dict[str, Any], out: Path) -> None:
    print(report(fitted))
    partial = out.with_suffix(".partial")
    partial.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, out)


if __name__ == "__main__":
    main()
