"""Rows 3 to 7: do the maps show the right axis, direction, strength and place?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distortion_engine.catalog import AXES, DISTORTIONS
from distortion_engine.dataset import RankedSetDataset
from experiments.pixel_perfect.measures import Model, PearsonSums
from experiments.pixel_perfect.single_pairs import SinglePair, out_of_reach, single_pairs
from experiments.pixel_perfect.table import Row

HIGH_SEVERITY, LOW_SEVERITY = (0.4, 1.0), (0.1, 0.4)
MUST_AXIS, MUST_SIGN, MUST_INTENSITY, MUST_IOU = 0.94, 0.99, 0.90, 0.78
# Weaker differences between two damaged images claim no axis.
_LEAST_DIFFERENCE = 0.2
_SILENT = 1e-6  # below this the prediction names no axis at all
_BATCH = 8
BINS = 20  # of the reliability diagram, over predicted total intensity 0 to 1; more is counted in the last


@dataclass
class MapScores:
    """Sums over pixels of relation maps against their truth, for K axes.

    Args:
        confusion: (K, K + 1), pixels by true axis and predicted axis; the last column is no axis.
        sign_right: (K,), pixels by true axis whose direction on that axis is right.
        both_right: (K,), pixels by true axis whose axis and direction are right.
        pairs: by label, share of right pixels of each pair.
        whole: total intensity, predicted and true, of pairs without a mask.
        masked: total intensity, predicted and true, of masked pairs.
        iou: of each masked pair (kind of mask, whether the distortion acts on scattered spots only, IoU).
        reliability: (3, BINS), pixels of masked pairs by predicted total intensity: their number, the sum of the
            predicted and the sum of the true total intensity.
    """

    confusion: np.ndarray = field(default_factory=lambda: np.zeros((len(AXES), len(AXES) + 1)))
    sign_right: np.ndarray = field(default_factory=lambda: np.zeros(len(AXES)))
    both_right: np.ndarray = field(default_factory=lambda: np.zeros(len(AXES)))
    pairs: dict[str, list[float]] = field(default_factory=dict)
    whole: PearsonSums = field(default_factory=PearsonSums)
    masked: PearsonSums = field(default_factory=PearsonSums)
    iou: list[tuple[str, bool, float]] = field(default_factory=list)
    reliability: np.ndarray = field(default_factory=lambda: np.zeros((3, BINS)))

    def add(self, predicted: Tensor, truth: Tensor, valid: Tensor, label: str, masked: bool) -> None:
        """One pair: maps and field (K, H, W), valid (1, H, W) bool."""
        total = predicted.abs().sum(0)[valid[0]]
        wanted = truth.abs().sum(0)[valid[0]]
        (self.masked if masked else self.whole).add(total, wanted)
        if masked:
            cell = (total * BINS).long().clamp(0, BINS - 1)
            for sums, weight in zip(self.reliability, (torch.ones_like(total), total, wanted), strict=True):
                sums += torch.bincount(cell, weight.double(), minlength=BINS).numpy()
        strength, axis = truth.abs().max(0)
        inside = valid[0] & (strength >= 0.5 * strength.max()) & (strength > 0)
        if not bool(inside.any()):
            return
        loudest, chosen = predicted.abs().max(0)
        chosen = torch.where(loudest > _SILENT, chosen, torch.full_like(chosen, len(AXES)))[inside]
        true_axis = axis[inside]
        own = predicted.gather(0, axis[None])[0][inside]
        sign = (own * truth.gather(0, axis[None])[0][inside] > 0).double()
        right = (chosen == true_axis).double()
        cells = torch.bincount(true_axis * (len(AXES) + 1) + chosen, minlength=self.confusion.size)
        self.confusion += cells.view(self.confusion.shape).numpy()
        self.sign_right += torch.bincount(true_axis, sign, minlength=len(AXES)).numpy()
        self.both_right += torch.bincount(true_axis, sign * right, minlength=len(AXES)).numpy()
        self.pairs.setdefault(label, []).append(float(right.mean()))

    @property
    def pixels(self) -> int:
        """Pixels on which an axis was asked."""
        return int(self.confusion.sum())

    @property
    def pair_count(self) -> int:
        """Pairs on which an axis was asked."""
        return sum(len(values) for values in self.pairs.values())

    @property
    def axis(self) -> float:
        """Share of pixels whose loudest channel is the true axis."""
        return _ratio(np.trace(self.confusion[:, :-1]), self.confusion.sum())

    @property
    def sign(self) -> float:
        """Of the pixels whose axis is right, the share with the right direction."""
        return _ratio(self.both_right.sum(), np.trace(self.confusion[:, :-1]))

    @property
    def overlap(self) -> float:
        """Mean IoU over masked pairs but those of kinds that hit scattered spots; NaN without any."""
        return _mean([value for _, spots, value in self.iou if not spots])

    def to_json(self) -> dict[str, Any]:
        """The tables by axis and by distortion, the confusion in pixels, and the bins of the reliability diagram."""
        totals, right = self.confusion.sum(1), np.diag(self.confusion[:, :-1])
        names = [axis.name for axis in AXES]
        return {
            "axes": {
                name: {"pixels": int(totals[k]), "axis_right": _ratio(right[k], totals[k]),
                       "sign_right": _ratio(self.sign_right[k], totals[k])}
                for k, name in enumerate(names)
            },
            "pairs": {name: {"pairs": len(values), "axis_right": float(np.mean(values))}
                      for name, values in self.pairs.items()},
            "reliability": dict(zip(("pixels", "predicted", "true"), self.reliability.tolist(), strict=True)),
            "confusion": {"rows": names, "columns": [*names, "none"], "pixels": self.confusion.astype(int).tolist()},
        }  # fmt: skip


def score_single_pairs(model: Model, pairs: Iterable[SinglePair]) -> MapScores:
    """Scores of pairs (reference, test), the true field being that of the test image."""
    scores = MapScores()
    for batch in _batched(pairs):
        maps = model.relate_batch(torch.stack([p.reference for p in batch]), torch.stack([p.test for p in batch])).cpu()
        for pair, predicted in zip(batch, maps, strict=True):
            masked = pair.mask != "whole"
            scores.add(predicted, pair.field, pair.valid, pair.distortion, masked)
            if masked:
                truth = pair.field.abs().sum(0) > 0.5 * pair.severity
                overlap = iou(predicted, truth, pair.valid[0])
                spec = DISTORTIONS.get(pair.distortion)  # None for a foreign implementation
                scattered = spec is not None and spec.support is not None
                scores.iou += [] if overlap is None else [(pair.mask, scattered, overlap)]
    return scores


def score_member_pairs(model: Model, photos: Sequence[Path], sets: int, size_px: int = 192, seed: int = 0) -> MapScores:
    """Scores of pairs of two damaged members of one set (all kinds of sets): the truth is field(b) - field(a)."""
    scores = MapScores()
    dataset = RankedSetDataset(photos, size_px, seed, sets)
    for index in range(sets):
        item = dataset[index]
        i, j = (int(n) + 1 for n in np.random.default_rng([seed, index]).permutation(len(item.images) - 1)[:2])
        images = item.images.float() / 255
        truth = item.fields[j] - item.fields[i]
        valid = (item.validity[i] * item.validity[j]) > 0.5
        if float(truth.abs().max()) >= _LEAST_DIFFERENCE:
            predicted = model.relate_batch(images[i : i + 1], images[j : j + 1])[0].cpu()
            scores.add(predicted, truth.clamp(-1, 1), valid, item.set.kind, masked=True)
    return scores


def iou(predicted: Tensor, truth: Tensor, valid: Tensor) -> float | None:
    """Intersection over union of the thresholded intensity of maps (K, H, W) with a mask (H, W) over valid pixels.

    The threshold is half of the 95th percentile of the prediction: no truth in it. None where the mask is empty.
    """
    total = predicted.abs().sum(0)
    shown = (total > 0.5 * torch.quantile(total.flatten(), 0.95)) & valid
    wanted = truth & valid
    return float((shown & wanted).sum() / (shown | wanted).sum()) if bool(wanted.any()) else None


def measure_maps(
    model: Model,
    photos: Sequence[Path],
    high: int,
    low: int,
    member_sets: int,
    size_px: int = 192,
    seed: int = 0,
    log: Callable[[str], None] = lambda text: None,
) -> tuple[list[Row], dict[str, Any], MapScores]:
    """Rows, details for the JSON, and the scores of the strong pairs.

    Args:
        model: what is measured.
        photos: held-out photographs.
        high: pairs of every distortion at severity 0.4 to 1.
        low: pairs of every distortion at severity 0.1 to 0.4.
        member_sets: ranked sets whose members are paired.
        size_px: side of the images.
        seed: decides what is drawn.
        log: receives lines of progress.
    """
    strong = score_single_pairs(model, single_pairs(photos, HIGH_SEVERITY, high, size_px, seed))
    log(f"maps: {strong.pair_count} pairs at severity .4 and more")
    weak = score_single_pairs(model, single_pairs(photos, LOW_SEVERITY, low, size_px, seed + 1))
    members = score_member_pairs(model, photos, member_sets, size_px, seed + 2)
    log(f"maps: {weak.pair_count} weak pairs, {members.pair_count} pairs of two damaged images")
    details = {"severity_0.4_to_1": strong.to_json(), "severity_0.1_to_0.4": weak.to_json(),
               "two_damaged": members.to_json()}  # fmt: skip
    return map_rows(strong, weak, members), details, strong


def map_rows(strong: MapScores, weak: MapScores, members: MapScores) -> list[Row]:
    """Required rows from strong single distortions (intensity: strong and weak), the rest reported."""
    per_pair = [value for values in strong.pairs.values() for value in values]
    whole, masked = strong.whole + weak.whole, strong.masked + weak.masked
    absent = out_of_reach(HIGH_SEVERITY[0])
    named = [("soft blobs", "blobs"), ("polygons", "polygon")]
    rows = [
        _row("dominant axis of single distortions (severity >= .4), inside the mask", strong.axis, _of(strong),
             MUST_AXIS, "share", f"never so severe, left out: {', '.join(absent)}" if absent else ""),
        _row("mean over pairs", _mean(per_pair), f"{len(per_pair)} pairs", unit="share", part=True),
        _row("sign of that axis", strong.sign, "pixels whose axis is right", MUST_SIGN, "share"),
        _row("of the true axis, whatever axis is loudest", _ratio(strong.sign_right.sum(), strong.pixels), _of(strong),
             unit="share", part=True),
        _row("correlation of predicted and true intensity, whole image", whole.value,
             f"{_millions(whole.count)}, severity .1 to 1", MUST_INTENSITY),
        _row("correlation of predicted and true intensity, masked", masked.value,
             f"{_millions(masked.count)}, severity .1 to 1", MUST_INTENSITY),
        _row("severity >= .4 only", strong.masked.value, _millions(strong.masked.count), part=True),
        _row("IoU of thresholded intensity with the mask", *_iou(strong, [kind for _, kind in named]), MUST_IOU,
             note="above half of the 95th percentile of the predicted map; kinds that hit scattered spots left out"),
        *(_row(name, *_iou(strong, [kind]), part=True) for name, kind in named),
        _row("with the kinds that hit scattered spots", *_iou(strong, [kind for _, kind in named], True), part=True),
        _row("severity .1 to .4: dominant axis", weak.axis, _of(weak), unit="share"),
        _row("sign of that axis", weak.sign, unit="share", part=True),
        _row("IoU", *_iou(weak, [kind for _, kind in named]), part=True),
        _row("two damaged images: dominant axis of their difference", members.axis, _of(members), unit="share"),
        _row("sign of that axis", members.sign, unit="share", part=True),
        _row("correlation of intensity", members.masked.value, _millions(members.masked.count), part=True),
    ]  # fmt: skip
    return rows


def _row(name: str, value: float, samples: str = "", must: float | None = None, unit: Any = "number",
         note: str = "", part: bool = False) -> Row:  # fmt: skip
    return Row(name, value if np.isfinite(value) else None, samples, must, unit, None, note, part)


def _iou(scores: MapScores, kinds: Sequence[str], scattered: bool = False) -> tuple[float, str]:
    values = [value for kind, spots, value in scores.iou if kind in kinds and (scattered or not spots)]
    return _mean(values), f"{len(values)} pairs"


def _of(scores: MapScores) -> str:
    return f"{_millions(scores.pixels)} of {scores.pair_count} pairs"


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M pixels"


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _batched(pairs: Iterable[SinglePair]) -> Iterable[list[SinglePair]]:
    batch: list[SinglePair] = []
    for pair in pairs:
        batch.append(pair)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
