"""Rows 1 and 2: does the pMOS map fall where the engine did damage, and by as much?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.dataset import RankedSetDataset
from distortion_engine.recipe import Recipe
from experiments.pixel_perfect.map_accuracy import HIGH_SEVERITY, LOW_SEVERITY
from experiments.pixel_perfect.measures import PearsonSums
from experiments.pixel_perfect.order import LEVEL, levels_apart
from experiments.pixel_perfect.single_pairs import SinglePair, single_pairs
from experiments.pixel_perfect.table import Row
from relational_iqa.benchmarks.correlation import srcc
from relational_iqa.networks.pmos_head import MOS_MAX
from relational_iqa.systems.pmos import PMOS
from relational_iqa.training.data.judge import metric_judge
from relational_iqa.training.pmos.calibration import COVERAGE
from relational_iqa.training.pmos.mos_labels import mos_of, severity_of

MUST_CORRELATION, MUST_IOU = 0.6, 0.5
_NAMED_MASKS = ("blobs", "polygon")  # as in the table of the core system: regions one can point at
# Photographs differ in these by nature: a picture alone does not say whether somebody turned it warmer or flatter.
_NATURAL_AXES = ("brightness", "contrast", "saturation", "color_cast", "tint", "hue", "haze")
_BATCH = 8


@dataclass
class MapScores:
    """Loss of MOS (5 - pMOS) against true severity, pixel by pixel.

    Args:
        whole: of images without a mask.
        masked: of masked images.
        unnatural: of all images whose axis is not in `_NATURAL_AXES`.
        iou: of each masked image (kind of mask, whether the distortion acts on scattered spots only, IoU of the worst
            region with the mask).
        within: correlation within each masked image.
    """

    whole: PearsonSums = field(default_factory=PearsonSums)
    masked: PearsonSums = field(default_factory=PearsonSums)
    unnatural: PearsonSums = field(default_factory=PearsonSums)
    iou: list[tuple[str, bool, float]] = field(default_factory=list)
    within: list[float] = field(default_factory=list)

    def add(self, pmos: Tensor, pair: SinglePair) -> None:
        """One damaged image: map (H, W), and the pair it comes from."""
        severity, valid = severity_of(pair.field)[0], pair.valid[0]
        masked = pair.mask != "whole"
        (self.masked if masked else self.whole).add((MOS_MAX - pmos)[valid], severity[valid])
        if DISTORTIONS[pair.distortion].axis not in _NATURAL_AXES:
            self.unnatural.add((MOS_MAX - pmos)[valid], severity[valid])
        wanted = (severity > 0.5 * pair.severity) & valid
        if masked and bool(wanted.any()):
            own = PearsonSums()
            own.add((MOS_MAX - pmos)[valid], severity[valid])
            if np.isfinite(own.value):
                self.within.append(own.value)
            if pair.severity >= HIGH_SEVERITY[0]:
                shown = torch.from_numpy(below_the_middle(pmos.numpy())) & valid
                overlap = float((shown & wanted).sum() / (shown | wanted).sum())
                self.iou.append((pair.mask, DISTORTIONS[pair.distortion].support is not None, overlap))


def score_pairs(model: PMOS, pairs: Iterable[SinglePair]) -> MapScores:
    """Scores of single distortions; only the damaged image is shown to the model."""
    scores = MapScores()
    batch: list[SinglePair] = []

    def flush() -> None:
        maps, _ = model.maps_batch(torch.stack([pair.test for pair in batch]))
        for pair, pmos in zip(batch, maps.mos[:, 0].cpu(), strict=True):
            scores.add(pmos, pair)
        batch.clear()

    for pair in pairs:
        batch.append(pair)
        if len(batch) == _BATCH:
            flush()
    if batch:
        flush()
    return scores


def map_rows(
    model: PMOS, photos: Sequence[Path], high: int, low: int, size_px: int, seed: int,
    log: Callable[[str], None] = lambda text: None,
) -> list[Row]:  # fmt: skip
    """Rows about the maps of single distortions.

    Args:
        model: what is measured.
        photos: held-out photographs.
        high: images of every distortion at severity 0.4 to 1.
        low: images of every distortion at severity 0.1 to 0.4.
        size_px: side of the images.
        seed: decides what is drawn.
        log: receives lines of progress.
    """
    strong = score_pairs(model, single_pairs(photos, HIGH_SEVERITY, high, size_px, seed))
    weak = score_pairs(model, single_pairs(photos, LOW_SEVERITY, low, size_px, seed + 1))
    log(f"maps: {len(strong.iou)} strong masked images, {len(weak.within)} weak ones")
    everything = strong.whole + strong.masked + weak.whole + weak.masked
    rows = [
        _row("correlation of pMOS with true severity, pixel by pixel", everything.value,
             f"{everything.count / 1e6:.2f} M pixels, severity .1 to 1", MUST_CORRELATION),
        _row("masked images", (strong.masked + weak.masked).value, part=True),
        _row("whole images", (strong.whole + weak.whole).value, part=True),
        _row("without brightness, contrast, saturation, colour cast, haze", (strong.unnatural + weak.unnatural).value,
             "photographs differ in these by nature", part=True),
        _row("severity >= .4 only", (strong.whole + strong.masked).value, part=True),
        _row("within a masked image, median", _median(strong.within), f"{len(strong.within)} images, severity >= .4",
             part=True),
        _row("IoU of the worst region with the mask", *_iou(strong, _NAMED_MASKS), MUST_IOU,
             "below the middle of the map's 5 % and 95 % quantiles; kinds that hit scattered spots left out"),
        *(_row(kind, *_iou(strong, (kind,)), part=True) for kind in _NAMED_MASKS),
    ]  # fmt: skip
    return rows


def set_rows(
    model: PMOS, photos: Sequence[Path], sets: int, size_px: int, seed: int,
    log: Callable[[str], None] = lambda text: None,
) -> list[Row]:  # fmt: skip
    """Ranked sets of all kinds: maps of compositions, order within sets, image MOS and doubt against the consensus."""
    dataset = RankedSetDataset(photos, size_px, seed, sets, judge=metric_judge)
    sums, ahead, mos, consensus, pristine = PearsonSums(), [], [], [], []
    within: list[bool] = []
    doubts: list[float] = []
    level, near, apart_for_metrics = ([] for _ in range(3))
    for index in range(sets):
        item = dataset[index]
        scores = [model.score(image.float() / 255) for image in item.images]
        maps = torch.from_numpy(np.stack([score.pmos for score in scores]))[:, None]
        valid = item.validity > 0.5
        sums.add((MOS_MAX - maps)[valid], severity_of(item.fields)[valid])
        values, ranks, truth = np.array([score.mos for score in scores]), item.ranks.numpy(), item.labels.mean(1)
        pristine.append(float(values[0]))
        mos += values[1:].tolist()
        consensus += truth[1:].tolist()
        for score, wanted in zip(scores, mos_of(truth).tolist(), strict=True):
            doubts.append(score.doubt or 0.0)
            within.append(abs(score.mos - wanted) <= doubts[-1])
        higher = values[:, None] > values[None, :]
        apart_for_metrics += higher[(truth[None, :] - truth[:, None] >= LEVEL).numpy()].tolist()
        if item.certainty >= 0.8:
            better = ranks[:, None] < ranks[None, :]
            ahead += higher[better].tolist()
            recipes = (Recipe(), *item.set.members)
            for i, j in np.argwhere(better):
                apart = max(levels_apart(item.set.kind, recipes[i], recipes[j]))
                if apart >= 1:
                    level.append(bool(higher[i, j]))
                if 1 <= apart < 2:
                    near.append(bool(higher[i, j]))
    log(f"ranked sets: {sets}")
    return [
        _row("correlation of pMOS with severity, ranked sets", sums.value, f"{sums.count / 1e6:.2f} M pixels of {sets} "
             "sets, references and compositions included"),
        _row("SRCC of image MOS with the consensus of metrics, across photographs",
             -srcc(mos, consensus) if len(mos) > 2 else float("nan"), f"{len(mos)} damaged images"),
        _share("pairs of a set in the right order, without a reference", ahead, "pairs"),
        _share("order one level apart, by score alone", level, "pairs one level or more apart as they were built"),
        _share("less than two levels apart", near, "pairs", part=True),
        _share("one level or more apart for the consensus of metrics", apart_for_metrics, "pairs", part=True),
        _share("the MOS is within its doubt of the consensus of metrics", within, "images, references included",
               note=f"should be near {COVERAGE:.0%}; mean doubt {float(np.mean(doubts)):.2f} grades"),
        _row("mean MOS of untouched photographs", float(np.mean(pristine)), f"{sets} crops; should be near 5"),
    ]  # fmt: skip


def _row(name: str, value: float, samples: str = "", must: float | None = None, note: str = "",
         part: bool = False) -> Row:  # fmt: skip
    return Row(name, value if np.isfinite(value) else None, samples, must, "number", None, note, part)


def _share(name: str, right: Sequence[bool], what: str, part: bool = False, note: str = "") -> Row:
    value = float(np.mean(right)) if right else None
    return Row(name, value, f"{len(right)} {what}", None, "share", None, note, part)


def _iou(scores: MapScores, kinds: Sequence[str]) -> tuple[float, str]:
    values = [value for kind, scattered, value in scores.iou if kind in kinds and not scattered]
    return (float(np.mean(values)) if values else float("nan")), f"{len(values)} images, severity >= .4"


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else float("nan")


def below_the_middle(pmos: np.ndarray) -> np.ndarray:
    """The pixels (H, W) of a map that lie below the middle of its 5 % and 95 % quantiles; none of a flat map. The
    threshold depends on the map alone, so the truth does not influence it."""
    low, high = (float(x) for x in np.quantile(pmos, (0.05, 0.95)))
    below: np.ndarray = pmos < (low + high) / 2 if high - low > 1e-4 else np.zeros(pmos.shape, dtype=bool)
    return below
