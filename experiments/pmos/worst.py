"""How often pMOS names a worst region, and whether it is the damage:
`python -m experiments.pmos.worst [--photos PHOTOS] [--count N] [--size PX] [--out DIR]`.

Each photograph is scored as it is and with one distortion of the engine in a mask. The region is right where at least
half of its pixels are damaged at half of the severity or more. Writes table.md, result.json and sentences.csv.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from distortion_engine.augment import random_crop
from distortion_engine.dataset import read_photo
from distortion_engine.masks import MaskSpec
from distortion_engine.reading.photos import list_photos
from distortion_engine.recipe import Recipe, Step
from distortion_engine.render import render
from distortion_engine.severity import amount_for, max_severity
from experiments.evaluation import Log, Outcome, evaluation_parser, outcome_of_rows, positive, run_evaluation, write
from experiments.pixel_perfect.table import Row
from relational_iqa.results.mos_score import MosScore
from relational_iqa.systems import pmos

SEED = 4
DAMAGE = ("gaussian_blur", "white_noise", "jpeg", "jpeg2000", "impulse_noise", "pixelate", "lens_blur", "webp")
SEVERITIES, EXTENTS, MASKS = (0.4, 0.6, 0.9), (0.05, 0.15, 0.3), ("ellipse", "blobs", "polygon", "ramp")
SEEN = 0.3
"""Grades by which the map has to fall in the mask: where it does not, pMOS does not see the damage at all."""


@dataclass(frozen=True)
class Case:
    """One photograph.

    Args:
        photo: name of its file.
        damage: what was done, in words.
        mask: (H, W) bool, where the damage has half of its severity or more.
        untouched: the score of the photograph.
        damaged: the score with the damage.
    """

    photo: str
    damage: str
    mask: np.ndarray
    untouched: MosScore
    damaged: MosScore

    @property
    def seen(self) -> bool:
        """Whether the map falls in the mask by SEEN or more."""
        return float((self.untouched.pmos - self.damaged.pmos)[self.mask].mean()) >= SEEN

    @property
    def right(self) -> bool | None:
        """Whether the named region is damaged on at least half of its pixels; None where none is named."""
        worst = self.damaged.worst
        return bool(self.mask[worst].mean() >= 0.5) if worst.any() else None


def cases(model: pmos.PMOS, photos: Sequence[Path], count: int, size_px: int) -> Iterator[Case]:
    """`count` photographs, each with its damage; a function of the arguments alone."""
    order = np.random.default_rng(SEED).permutation(len(photos))
    for number in range(count):
        photo = photos[int(order[number % len(photos)])]
        pixels = read_photo(photo)
        pixels = random_crop(pixels, min(size_px, *pixels.shape[:2]), number, min_scale=0.7)
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255
        name, extent = DAMAGE[number % len(DAMAGE)], EXTENTS[(number // 3) % len(EXTENTS)]
        severity = min(SEVERITIES[number % len(SEVERITIES)], max_severity(name))
        mask = MaskSpec(MASKS[number % len(MASKS)], extent, softness=0.1, seed=number)
        made = render(image, Recipe((Step(name, severity, amount_for(name, severity), mask=mask, seed=number),)))
        strength = np.abs(made.field.numpy()).max(0)
        damage = f"{name} of severity {severity:.2g}, {mask.kind} of {100 * extent:.0f} %"
        where = strength >= 0.5 * severity
        yield Case(
            photo.name, damage, where, model.score(image, name="untouched"), model.score(made.image, name="damaged")
        )


def worst_rows(found: Sequence[Case]) -> list[Row]:
    """The rows of the table."""
    seen = [case for case in found if case.seen]
    named = [case for case in found if case.right is not None]
    named_of_seen = [case for case in seen if case.right is not None]
    return [
        _row("a region is named, damaged photographs", named, found),
        _row("of those whose map falls in the damage", named_of_seen, seen, part=True),
        _row("the named region is the damage", [case for case in named if case.right], named),
        _row("of those whose map falls in the damage", [c for c in named_of_seen if c.right], named_of_seen, part=True),
        _row("a region is named, untouched photographs", [c for c in found if c.untouched.worst_region], found),
    ]


def _row(name: str, some: Sequence[Case], of: Sequence[Case], part: bool = False) -> Row:
    value = len(some) / len(of) if of else None
    return Row(name, value, f"{len(some)} of {len(of)} photographs", None, "share", part=part)


def _sentences(found: Sequence[Case]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("photo", "damage", "seen", "right", "untouched", "damaged"))
    for case in found:
        sentences = case.untouched.summary(), case.damaged.summary()
        writer.writerow((case.photo, case.damage, case.seen, case.right, *sentences))
    return stream.getvalue()


def _run(options: argparse.Namespace, log: Log) -> Outcome:
    photos = list_photos(options.photos, "held_out")
    model = pmos.load(options.weights)
    found = []
    for case in cases(model, photos, options.count, options.size):
        found.append(case)
        log(f"{len(found)} of {options.count}: {case.damage}")
    write(options.out / "sentences.csv", _sentences(found))
    about = {
        "weights": {key: model.meta.get(key) for key in ("name", "sha256")},
        "count": options.count,
        "size_px": options.size,
        "seed": SEED,
    }
    return outcome_of_rows(worst_rows(found), about=about)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and writes everything; exit code 0, or 2 with one line for bad input."""
    parser = evaluation_parser("pmos", __doc__)
    parser.prog = "python -m experiments.pmos.worst"
    parser.set_defaults(out=Path("out/pmos_worst"), photos=Path("../shared/photos"))
    parser.add_argument("--count", type=positive, default=40, metavar="N", help="photographs")
    parser.add_argument("--size", type=positive, default=384, metavar="PX", help="side of the crops")
    return run_evaluation(parser, _run, arguments)


if __name__ == "__main__":
    sys.exit(main())
