"""How often the judge sees the order that a set has by construction: `python -m experiments.severity.certainty`.

The certainty of extent sets, by axis and direction, and of cross-type sets, by the gap in damage between neighbours,
in `distortion_engine.sampling` are the shares printed here. No human score is used.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.recipe import RankedSet
from distortion_engine.render import render
from distortion_engine.sampling import SamplingConfig, damage_of, sample_set
from distortion_engine.severity import CONSENSUS_METRICS, at_viewing_scales, consensus
from experiments.severity.measure import choose_photos, crop
from relational_iqa.conventional import METRICS

NOTICEABLE = 0.02  # differences of consensus below this are no verdict; they count as half
CROP_PX = 128
GAPS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 1.0)  # edges of the classes of gaps


def judged(photo: Tensor, ranked: RankedSet) -> np.ndarray:
    """Consensus (members,) of the fast metrics for the members of a set made of `photo` (3, H, W)."""
    test = torch.stack([render(photo, member).image for member in ranked.members])
    reference = photo.expand_as(test)
    values = {name: at_viewing_scales(name, METRICS[name].function, test, reference) for name in CONSENSUS_METRICS}
    return consensus(values).numpy()


def agreement(damage: np.ndarray) -> np.ndarray:
    """Per neighbouring pair 1 where the later member is seen as worse, 0 as better, 0.5 for no verdict."""
    rise = np.diff(damage)
    return np.where(rise > NOTICEABLE, 1.0, np.where(rise < -NOTICEABLE, 0.0, 0.5))


def extent_table(photos: list[Tensor], sets: int) -> dict[tuple[str, int], list[float]]:
    """Agreements of neighbours in extent sets, `sets` a distortion, by axis and sign; the distortions are printed."""
    table: dict[tuple[str, int], list[float]] = defaultdict(list)
    for number, (name, spec) in enumerate(DISTORTIONS.items()):
        own: list[float] = []
        for turn in range(sets):
            rng = np.random.default_rng([number, turn])
            ranked = sample_set(rng, SamplingConfig(distortions=(name,)), "extent")
            own += agreement(judged(photos[(number + turn) % len(photos)], ranked)).tolist()
        table[spec.axis, spec.sign] += own
        print(f"extent {name:22} {spec.axis:14} {np.mean(own):.3f}", flush=True)
    return table


def cross_type_table(photos: list[Tensor], sets: int) -> np.ndarray:
    """Columns gap, agreement: neighbours of `sets` cross-type sets."""
    pairs = []
    for turn in range(sets):
        ranked = sample_set(np.random.default_rng([99, turn]), SamplingConfig(), "cross_type")
        damage = np.array([damage_of(member) for member in ranked.members])
        pairs.append(np.stack([np.diff(damage), agreement(judged(photos[turn % len(photos)], ranked))], axis=1))
    return np.concatenate(pairs)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of pristine photographs")
    parser.add_argument("--sets", type=int, default=12, help="extent sets a distortion")
    parser.add_argument("--cross", type=int, default=400, help="cross-type sets")
    options = parser.parse_args()
    torch.set_num_threads(1)
    photos = [crop(path)[:, :CROP_PX, :CROP_PX].contiguous() for path in choose_photos(options.photos, 24)]
    with torch.inference_mode():
        for (axis, sign), seen in sorted(extent_table(photos, options.sets).items()):
            print(f"axis {axis:14} {sign:+d} {np.mean(seen):.3f} of {len(seen)}")
        pairs = cross_type_table(photos, options.cross)
    for low, high in zip(GAPS, GAPS[1:], strict=False):
        inside = pairs[(pairs[:, 0] >= low) & (pairs[:, 0] < high)]
        if len(inside):
            print(f"gap {low:.2f} to {high:.2f}: {inside[:, 1].mean():.3f} of {len(inside)}")


if __name__ == "__main__":
    main()
