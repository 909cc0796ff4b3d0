"""Rows of compositions: where two or three distortions lie on one another, are their axes all among the predicted?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from distortion_engine.dataset import RankedSetDataset
from distortion_engine.sampling import SamplingConfig
from experiments.pixel_perfect.measures import Model
from experiments.pixel_perfect.table import Row

MUST_FOUND, AIM_FOUND = 0.82, 0.90
LEAST = 0.1  # a weaker field claims no axis


def measure_compositions(
    model: Model,
    photos: Sequence[Path],
    sets: int,
    size_px: int = 192,
    seed: int = 0,
    log: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """The worst member of dominance sets against its reference: every pixel with two true axes or more."""
    dataset = RankedSetDataset(photos, size_px, seed, sets, SamplingConfig(kinds={"dominance": 1.0}))
    counts: dict[int, list[float]] = {2: [0.0, 0.0], 3: [0.0, 0.0]}
    for index in range(sets):
        item = dataset[index]
        images = item.images.float() / 255
        predicted = model.relate_batch(images[:1], images[-1:])[0].cpu()
        valid = item.validity[-1][0] > 0.5
        for number, (found, asked) in found_axes(predicted, item.fields[-1].float(), valid).items():
            counts[min(number, 3)][0] += found
            counts[min(number, 3)][1] += asked
    log(f"compositions: {sets} sets")
    found, asked = (sum(counts[number][i] for number in counts) for i in (0, 1))
    rows = [Row("compositions: true axes among as many predicted ones", found / asked if asked else None,
                f"{asked / 1e6:.2f} M pixel axes of {sets} sets", MUST_FOUND, "share",
                note="pixels with two true axes of severity .1 or more", aim=AIM_FOUND)]  # fmt: skip
    for number, (hits, total) in counts.items():
        name = f"{number} axes" if number == 2 else f"{number} axes or more"
        rows.append(Row(name, hits / total if total else None, f"{total / 1e6:.2f} M", unit="share", part=True))
    return rows


def found_axes(predicted: Tensor, truth: Tensor, valid: Tensor) -> dict[int, tuple[float, float]]:
    """By number n of true axes of a pixel (n >= 2): how many of them are among the n loudest predicted ones, and how
    many there are. predicted, truth (K, H, W); valid (H, W) bool."""
    strength, loudness = truth.abs(), predicted.abs()
    present = strength >= LEAST
    number = present.sum(0)
    order = loudness.argsort(0, descending=True)
    rank = order.argsort(0)  # 0 for the loudest axis
    result: dict[int, tuple[float, float]] = {}
    for n in range(2, int(number.max()) + 1 if number.numel() else 0):
        chosen = (number == n) & valid
        if bool(chosen.any()):
            hits = (present & (rank < n) & (loudness > 0))[:, chosen].sum()
            result[n] = (float(hits), float(n * int(chosen.sum())))
    return result
