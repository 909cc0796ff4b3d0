"""Pictures that need the model: quality against severity, and example maps beside their truth, failures too."""

from __future__ import annotations

import csv
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distortion_engine.catalog import AXES, AXIS_INDEX, DISTORTIONS
from distortion_engine.errors import UsageError
from experiments.pixel_perfect.map_accuracy import HIGH_SEVERITY
from experiments.pixel_perfect.measures import Model, severity_seen
from experiments.pixel_perfect.single_pairs import SinglePair, single_pairs
from relational_iqa.benchmarks.correlation import srcc

SEED = 31337  # not a seed of the table
EXAMPLES = {"best": 2, "typical": 2, "worst": 3}
_ALL_SEVERITIES = (0.05, 1.0)
_COLUMNS = 5


@dataclass(frozen=True)
class Example:
    """A pair with its predicted maps.

    Args:
        pair: images and truth.
        predicted: (K, H, W), relation maps.
        error: absolute error summed over all maps, mean over pixels, relative to the mean true intensity.
        right: share of the claimed pixels whose strongest predicted axis is the true one.
    """

    pair: SinglePair
    predicted: Tensor
    error: float
    right: float


def quality_chart(model: Model, photos: Sequence[Path], repetitions: int, size_px: int = 192) -> Any:
    """Figure: predicted quality against the consensus of the conventional metrics on whole-image single distortions."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    points: dict[str, list[tuple[float, float]]] = {}
    with torch.inference_mode():
        for number, name in enumerate(name for name, spec in DISTORTIONS.items() if spec.trained):
            # Asked for one at a time, the first pair of a distortion covers the whole image.
            for turn in range(repetitions):
                for pair in single_pairs(photos, _ALL_SEVERITIES, 1, size_px, SEED + 97 * number + turn, [name]):
                    test, reference = pair.test[None], pair.reference[None]
                    point = float(severity_seen(test, reference)), float(model.quality_batch(test, reference)[0])
                    points.setdefault(DISTORTIONS[name].axis, []).append(point)
    seen, quality = (np.array(values) for values in zip(*sum(points.values(), []), strict=True))
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.add_subplot()
    for name, listed in sorted(points.items(), key=lambda item: AXIS_INDEX[item[0]]):
        color, marker = colormaps["tab20"](AXIS_INDEX[name]), "os^D"[AXIS_INDEX[name] % 4]
        across, up = zip(*listed, strict=True)
        axes.scatter(across, up, s=16, marker=marker, color=color, label=name)
    axes.set(xlabel="severity that the consensus of conventional metrics sees", ylabel="quality in levels, 0 = equal")
    axes.set_title(f"{len(seen)} single distortions of held-out photographs, SRCC {abs(srcc(seen, quality)):.3f}")
    figure.legend(loc="outside right upper", title="axis", fontsize="small")
    return figure


def example_sheet(model: Model, photos: Sequence[Path], repetitions: int, size_px: int = 192) -> Any:
    """Figure: reference, test, true map, predicted map of the true axis, and the loudest predicted map, for the best,
    typical and worst of the pairs."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    credits = photo_credits(photos[0].parent)
    chosen = choose(judged(model, single_pairs(photos, HIGH_SEVERITY, repetitions, size_px, SEED)))
    figure = Figure(figsize=(10, 2.15 * len(chosen) + 0.9), layout="compressed")
    grid = figure.subplots(len(chosen), _COLUMNS, squeeze=False)
    scale = ScalarMappable(Normalize(-1, 1), "RdBu_r")
    for row, (label, example) in zip(grid, chosen, strict=True):
        pair, predicted = example.pair, example.predicted
        axis = int(pair.field.abs().amax((1, 2)).argmax())
        loudest = int((predicted.abs() * pair.valid).mean((1, 2)).argmax())
        # Signs as they are: -1 blue, +1 red, on one scale in all rows.
        for axes, values, title in (
            (row[0], pair.reference, credits.get(pair.photo, "reference")),
            (row[1], pair.test, f"{pair.distortion}, {pair.severity:.2f}, {pair.mask}"),
            (row[2], pair.field[axis], f"true: {AXES[axis].name}"),
            (row[3], predicted[axis], f"predicted: {AXES[axis].name}"),
            (row[4], predicted[loudest], f"loudest predicted: {AXES[loudest].name}"),
        ):
            axes.set(xticks=[], yticks=[])
            axes.set_title(title, fontsize=7)
            if values.ndim == 3:
                axes.imshow(values.permute(1, 2, 0).numpy())
            else:
                axes.imshow(values.numpy(), cmap=scale.cmap, norm=scale.norm)
        row[0].set_ylabel(f"{label}\naxis right {100 * example.right:.0f} %\nerror {example.error:.2f}", fontsize=8)
    note = "maps: blue -1 (less), white 0, red +1 (more); error: summed over maps, in times of the true intensity"
    bar = figure.colorbar(scale, ax=grid, orientation="horizontal", shrink=0.5, aspect=50, pad=0.01)
    bar.set_label(note, fontsize=8)
    return figure


def photo_credits(folder: Path) -> dict[str, str]:
    """Author and licence by file name, from the manifest.csv of a folder of photographs; empty where there is none."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        return {}
    with manifest.open(newline="", encoding="utf-8") as lines:
        return {row["file"]: _credit(row["author"], row["licence"]) for row in csv.DictReader(lines)}


def _credit(author: str, licence: str) -> str:
    """Two short lines for a title: without mail addresses and years."""
    name = re.sub(r"\s*<[^>]*>|^[\d ,-]+", "", author).strip()
    return f"reference: {textwrap.shorten(name, 30, placeholder='...')}\n{licence}" if name else f"reference\n{licence}"


def judged(model: Model, pairs: Any) -> list[Example]:
    """The pairs (an iterable of SinglePair) with what the model says; those that claim nothing are left out."""
    examples = []
    with torch.inference_mode():
        for pair in pairs:
            claimed = pair.valid[0] & (pair.field.abs().sum(0) > 0.5 * pair.severity)
            if not bool(claimed.any()):
                continue
            predicted = model.relate_batch(pair.reference[None], pair.test[None])[0].cpu()
            loudness, axis = predicted.abs().max(0)
            right = ((axis == pair.field.abs().argmax(0)) & (loudness > 0))[claimed].float().mean()
            off = ((predicted - pair.field).abs().sum(0) * pair.valid[0]).sum()
            truth = (pair.field.abs().sum(0) * pair.valid[0]).sum()
            examples.append(Example(pair, predicted, float(off / truth), float(right)))
    return examples


def choose(examples: Sequence[Example]) -> list[tuple[str, Example]]:
    """The best, those in the middle and the worst by error, best first, each once and under its label; of one
    distortion at most one under a label. Raises UsageError without examples."""
    if not examples:
        raise UsageError("no pair to show: 0 examples; give --pairs 1 or more and larger crops")
    ranked = sorted(examples, key=lambda example: example.error)
    middle = sorted(range(len(ranked)), key=lambda i: (abs(i - (len(ranked) - 1) / 2), i))
    orders = {"best": range(len(ranked)), "worst": range(len(ranked) - 1, -1, -1), "typical": middle}
    taken: dict[int, str] = {}
    for label, order in orders.items():
        names: set[str] = set()
        for i in order:
            if len(names) < EXAMPLES[label] and i not in taken and ranked[i].pair.distortion not in names:
                taken[i] = label
                names.add(ranked[i].pair.distortion)
    return [(taken[i], ranked[i]) for i in sorted(taken)]
