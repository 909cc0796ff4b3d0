"""Shifts, scales and scenes: `python -m experiments.before_verdict.registration [--count N] [--split train]`.

How often and how exactly a motion is found, how often damage is taken for one, and how often damage and other scenes
are warned of as other scenes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from experiments.before_verdict.damage import DAMAGES
from experiments.before_verdict.photographs import crops
from experiments.evaluation import Log, Outcome, evaluation_parser, positive, run_evaluation
from relational_iqa.tiling.stored_image import open_image
from relational_iqa.viewing.registration import find_motion, preview
from relational_iqa.viewing.scene import SAME_SCENE, scene_correlation

SEED = 20282
MOTIONS: dict[str, dict[str, float]] = {
    "shift of 0.5 px": {"x": 0.5},
    "shift of 1 px": {"x": 1.0},
    "shift of 3.3, -2.2 px": {"x": 3.3, "y": -2.2},
    "shift of 40, -30.5 px": {"x": 40.0, "y": -30.5},
    "scale of 0.9": {"scale": 0.9},
    "scale of 0.95": {"scale": 0.95},
    "scale of 0.97": {"scale": 0.97},
    "scale of 0.995": {"scale": 0.995},
    "scale of 1.02, shift of 5 px": {"scale": 1.02, "x": 5.0},
    "scale of 1.1": {"scale": 1.1},
    "turned by 1 degree": {"angle": 1.0},
}


def moved(
    pixels: np.ndarray, x: float = 0.0, y: float = 0.0, scale: float = 1.0, angle: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels after a motion, bicubic, and the matrix of places (x, y, 1) that says where they are now."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -angle, scale)
    matrix[:, 2] += (x, y)
    border = cv2.BORDER_REFLECT_101
    return cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=border), matrix


def measure(folder: Path, split: str, count: int, side_px: int, log: Log) -> dict[str, Any]:
    """Errors of motions, alarms of damage, correlations of scenes."""
    motions: dict[str, list[float | None]] = {name: [] for name in MOTIONS}
    alarms: dict[str, list[bool]] = {name: [] for name in DAMAGES}
    same: dict[str, list[float]] = {name: [] for name in DAMAGES}
    seconds, small = [], []
    for name, pixels, rng in crops(folder, split, count, side_px, SEED):
        log(name)
        original = open_image(pixels)
        small.append(preview(original, -(-max(pixels.shape) // 256)))
        corners = np.array([[x, y, 1] for x in (0, pixels.shape[1] - 1) for y in (0, pixels.shape[0] - 1)])
        for key, motion in MOTIONS.items():
            other, matrix = moved(pixels, **motion)
            start = time.process_time()
            found = find_motion(original, open_image(other))
            seconds.append(time.process_time() - start)
            right = None if found is None else float(np.linalg.norm(corners @ (found.matrix - matrix).T, axis=1).max())
            motions[key].append(right)
        for key, damage in DAMAGES.items():
            other = damage(pixels, rng)
            found = find_motion(original, open_image(other))
            alarms[key].append(found is not None and not found.is_none)
            known = found is not None
            correlation = scene_correlation(small[-1], preview(open_image(other), -(-max(pixels.shape) // 256)))
            same[key].append(1.0 if known or correlation is None else correlation)
    others = [scene_correlation(a, b) for k, a in enumerate(small) for b in small[:k]]
    return {
        "motions": motions, "alarms": alarms, "same": same, "seconds": float(np.mean(seconds)),
        "others": [value for value in others if value is not None],
    }  # fmt: skip


def table(found: dict[str, Any]) -> str:
    """Markdown: motions, then damage, then other scenes."""
    lines = ["| motion | found | error of the worst corner, px: median, largest |", "| --- | ---: | --- |"]
    for name, errors in found["motions"].items():
        known = [error for error in errors if error is not None and error < 1]
        said = f"{np.median(known):.3f}, {max(known):.3f}" if known else ""
        lines.append(f"| {name} | {len(known)} of {len(errors)} | {said} |")
    lines += [
        "",
        "| damage | said to be moved | said to be another scene | least correlation |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, alarms in found["alarms"].items():
        values = np.array(found["same"][name])
        wrong = int((values < SAME_SCENE).sum())
        lines.append(f"| {name} | {sum(alarms)} of {len(alarms)} | {wrong} of {len(values)} | {values.min():.2f} |")
    others = np.array(found["others"])
    if len(others):
        warned = 100 * float((others < SAME_SCENE).mean())
        lines.append(f"| another photograph |  | {warned:.1f} % of {len(others)} pairs | largest {others.max():.2f} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables and writes them; exit code 0, or 2 with one line for bad input."""
    return run_evaluation(_parser(), _run, arguments)


def _run(options: argparse.Namespace, log: Log) -> Outcome:
    found = measure(options.photos, options.split, options.count, options.crop, log)
    return Outcome(table(found), {"photos": options.count, "crop_px": options.crop, "seed": SEED, **found})


def _parser() -> argparse.ArgumentParser:
    parser = evaluation_parser("before_verdict", __doc__)
    parser.prog = "python -m experiments.before_verdict.registration"
    parser.set_defaults(out=Path("out/before_verdict/registration"))
    parser.add_argument("--count", type=positive, default=30, metavar="N", help="photographs")
    parser.add_argument("--crop", type=positive, default=512, metavar="PX", help="longest side of the crops")
    parser.add_argument("--split", choices=("train", "held_out"), default="train", help="which photographs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
