"""How sure the order of restoration outputs is: `python -m experiments.restoration.certainty --photos PHOTOS`.

For every form of set that `distortion_engine.restoration.ranked` orders by construction, and every family of algorithms
in it: the share of neighbours that the squared error sees in this order, and the share that the judge sees so (half a
count where it sees next to no difference) or the other way round. No human score is used.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distortion_engine.recipe import RankedSet
from distortion_engine.render import render
from distortion_engine.restoration.ranked import sample_rising_damage, sample_rising_strength
from experiments.severity.certainty import NOTICEABLE, agreement, judged
from experiments.severity.measure import choose_photos, crop

FORMS: Mapping[str, Callable[[np.random.Generator, int], RankedSet]] = {
    "rising damage": sample_rising_damage,
    "rising strength": sample_rising_strength,
}
MEMBERS = 4


@dataclass(frozen=True)
class Neighbours:
    """Neighbouring members of sets, better first.

    Args:
        by_error: share with the smaller squared error first.
        by_judge: share that the judge sees in this order.
        contradicted: share that it sees the other way round.
        pairs: how many there are.
    """

    by_error: float
    by_judge: float
    contradicted: float
    pairs: int


def family_of(ranked: RankedSet) -> str:
    """The algorithm of an ordered set: the operations that do not rise damage, by name."""
    damage = ("camera", "white_noise", "correlated_noise", "blur", "shrink", "jpeg")
    return " ".join(o.name for o in ranked.members[0].operations if o.name not in damage) or "none"


def measure(photos: Sequence[Tensor], form: str, sets: int) -> dict[str, Neighbours]:
    """By algorithm, and for "all", over `sets` sets of a form on photographs (3, H, W) in turn."""
    seen: dict[str, list[tuple[bool, float, bool]]] = defaultdict(list)
    for turn in range(sets):
        ranked = FORMS[form](np.random.default_rng([17, turn]), MEMBERS)
        photo = photos[turn % len(photos)]
        errors = np.array([float(((render(photo, m).image - photo) ** 2).mean()) for m in ranked.members])
        damage = judged(photo, ranked)
        rows = zip(np.diff(errors) > 0, agreement(damage), np.diff(damage) < -NOTICEABLE, strict=True)
        for row in rows:
            for name in ("all", family_of(ranked)):
                seen[name].append(row)
    return {name: Neighbours(*np.mean(rows, axis=0).tolist(), len(rows)) for name, rows in sorted(seen.items())}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of pristine photographs")
    parser.add_argument("--sets", type=int, default=200, help="sets of each form")
    options = parser.parse_args()
    torch.set_num_threads(1)
    photos = [crop(path) for path in choose_photos(options.photos, 48)]
    with torch.inference_mode():
        for form in FORMS:
            for family, found in measure(photos, form, options.sets).items():
                print(
                    f"{form:16} {family:36} error {found.by_error:.3f}  judge {found.by_judge:.3f}, against "
                    f"{found.contradicted:.3f}  of {found.pairs}"
                )


if __name__ == "__main__":
    main()
