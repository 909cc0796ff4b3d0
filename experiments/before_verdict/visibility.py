"""What counts as visible, by kind and strength: `python -m experiments.before_verdict.visibility [--count N]`.

Training photographs are changed by Pillow, OpenCV and NumPy, and the visible difference of
`relational_iqa.viewing.visibility` is taken of original and change. No network takes part.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from experiments.before_verdict.photographs import as_tensor, coded, crops, rounded
from experiments.evaluation import Log, Outcome, evaluation_parser, positive, run_evaluation
from relational_iqa.tiling.tile_geometry import pad_to_grid
from relational_iqa.viewing.visibility import THRESHOLD_DELTA_E, delta_e_map

SEED = 20281
Expected = Literal["below", "above", ""]
Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Change:
    """A change of a photograph.

    Args:
        name: kind and strength.
        expected: on which side of the threshold it should lie; "" where that depends on the photograph.
        pair: pixels and generator -> the two images that are compared.
    """

    name: str
    expected: Expected
    pair: Callable[[np.ndarray, np.random.Generator], Pair]


def _edit(name: str, expected: Expected, edit: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Change:
    return Change(name, expected, lambda pixels, rng: (pixels, edit(pixels, rng)))


def _jpeg(quality: int, subsampled: bool, expected: Expected) -> Change:
    name = f"JPEG {quality}, 4:{'2:0' if subsampled else '4:4'}"
    return _edit(
        name, expected, lambda p, r: coded(p, "JPEG", quality=quality, subsampling="4:2:0" if subsampled else "4:4:4")
    )


def _between(pixels: np.ndarray) -> np.ndarray:
    """16 bit pixels whose values lie between those of 8 bit."""
    return np.clip(np.rint(cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 0.6) * 257), 0, 65535).astype(np.uint16)


def _rounding(pixels: np.ndarray, rng: np.random.Generator) -> Pair:
    deep = _between(pixels)
    return deep, rounded(deep / 257)


def _dithering(pixels: np.ndarray, rng: np.random.Generator) -> Pair:
    deep = _between(pixels)
    return deep, rounded(deep / 257 + rng.uniform(-0.5, 0.5, deep.shape))


def _pixel(pixels: np.ndarray, rng: np.random.Generator, step: int) -> np.ndarray:
    edited = pixels.copy()
    y, x = (int(rng.integers(side)) for side in pixels.shape[:2])
    edited[y, x] = np.where(edited[y, x] > 127, edited[y, x] - step, edited[y, x] + step)
    return edited


def _scratch(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A line of one pixel, a quarter of the height long, 40 code values brighter or darker."""
    edited = pixels.astype(np.float64)
    height, width = pixels.shape[:2]
    x, rows = int(rng.integers(width)), slice(height // 4, height // 2)
    edited[rows, x] += 40 if edited[rows, x].mean() < 128 else -40
    return rounded(edited)


def _patch(pixels: np.ndarray, rng: np.random.Generator, step: int) -> np.ndarray:
    """A square of 16 px, some code values brighter or darker."""
    edited = pixels.astype(np.float64)
    y, x = (int(rng.integers(side - 16)) for side in pixels.shape[:2])
    part = edited[y : y + 16, x : x + 16]
    part += step if part.mean() < 128 else -step
    return rounded(edited)


def _noise(sigma: float, expected: Expected) -> Change:
    return _edit(f"noise, sigma {sigma:g}", expected, lambda p, r: rounded(p + r.normal(0, sigma, p.shape)))


def _blur(sigma: float, expected: Expected) -> Change:
    return _edit(f"blur, sigma {sigma:g} px", expected, lambda p, r: cv2.GaussianBlur(p, (0, 0), sigma))


def _brighter(step: int, expected: Expected) -> Change:
    return _edit(f"brighter by {step}", expected, lambda p, r: rounded(p.astype(np.int64) + step))


CHANGES: tuple[Change, ...] = (
    _edit("saved as PNG", "below", lambda p, r: coded(p, "PNG")),
    Change("16 bit rounded to 8", "below", _rounding),
    Change("16 bit dithered to 8", "below", _dithering),
    _edit("-1, 0 or 1 a sample", "below", lambda p, r: rounded(p + r.integers(-1, 2, p.shape))),
    _brighter(1, "below"),
    _brighter(2, ""),
    _brighter(4, "above"),
    *(_jpeg(quality, False, "below") for quality in (99, 98)),
    *(_jpeg(quality, False, "") for quality in (97, 95)),
    *(_jpeg(quality, False, "above") for quality in (92, 90)),
    *(_jpeg(quality, True, "") for quality in (99, 98)),
    _jpeg(92, True, "above"),
    _noise(1, "below"),
    _noise(2, ""),
    _noise(3, "above"),
    _blur(0.4, ""),
    _blur(0.6, "above"),
    _edit("one pixel by 10", "below", lambda p, r: _pixel(p, r, 10)),
    _edit("one pixel by 30", "", lambda p, r: _pixel(p, r, 30)),
    _edit("one pixel by 60", "above", lambda p, r: _pixel(p, r, 60)),
    _edit("scratch of 1 px", "above", _scratch),
    _edit("16 px patch by 4", "", lambda p, r: _patch(p, r, 4)),
    _edit("16 px patch by 8", "above", lambda p, r: _patch(p, r, 8)),
)


def measure(folder: Path, count: int, side_px: int, log: Log) -> dict[str, list[float]]:
    """Name of a change -> largest visible difference of every photograph, units of CIE94."""
    found: dict[str, list[float]] = {change.name: [] for change in CHANGES}
    for name, pixels, rng in crops(folder, "train", count, side_px, SEED):
        log(name)
        for change in CHANGES:
            a, b = (pad_to_grid(as_tensor(image)[None]) for image in change.pair(pixels, rng))
            found[change.name].append(float(delta_e_map(a, b).max()))
    return found


def table(found: dict[str, list[float]]) -> str:
    """Markdown: how often each change is visible, and the spread of its largest difference."""
    lines = [
        "| change | visible in | should be | largest difference: 10 %, median, 90 % |",
        "| --- | ---: | --- | --- |",
    ]
    for change in CHANGES:
        values = np.array(found[change.name])
        visible = f"{100 * float((values >= THRESHOLD_DELTA_E).mean()):.0f} %"
        spread = ", ".join(f"{value:.2f}" for value in np.percentile(values, (10, 50, 90)))
        wanted = {"below": "never", "above": "always", "": "depends"}[change.expected]
        lines.append(f"| {change.name} | {visible} | {wanted} | {spread} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and writes it; exit code 0, or 2 with one line for bad input."""
    return run_evaluation(_parser(), _run, arguments)


def _run(options: argparse.Namespace, log: Log) -> Outcome:
    found = measure(options.photos, options.count, options.crop, log)
    return Outcome(table(found), {"photos": options.count, "crop_px": options.crop, "seed": SEED, "delta_e": found})


def _parser() -> argparse.ArgumentParser:
    parser = evaluation_parser("before_verdict", __doc__)
    parser.prog = "python -m experiments.before_verdict.visibility"
    parser.set_defaults(out=Path("out/before_verdict/visibility"))
    parser.add_argument("--count", type=positive, default=40, metavar="N", help="photographs")
    parser.add_argument("--crop", type=positive, default=384, metavar="PX", help="longest side of the crops")
    return parser


if __name__ == "__main__":
    sys.exit(main())
