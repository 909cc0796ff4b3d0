"""Rows on what algorithms make of damaged photographs, two by two, with and without the reference: the material that
users bring. Truth: pairs on which all conventional metrics and the distances of the backbone's stages agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distortion_engine.augment import random_crop
from distortion_engine.dataset import read_photo
from distortion_engine.errors import UsageError
from distortion_engine.restoration.operations import apply
from distortion_engine.restoration.sampling import Output, check_families, families_used, sample_damage, sample_outputs
from distortion_engine.severity import CONSENSUS_METRICS, at_viewing_scales, metric_quantile
from experiments.pixel_perfect.confidence import Answer
from experiments.pixel_perfect.cross_type import unanimous
from experiments.pixel_perfect.measures import Model, share, verdicts
from experiments.pixel_perfect.table import Row
from relational_iqa.conventional import METRICS
from relational_iqa.networks.backbone import EfficientNetLite
from relational_iqa.networks.stage_distances import stage_distances
from relational_iqa.storage.backbone_weights import load_backbone_weights

MUST_WITH, AIM_WITH = 0.99, 0.995
MUST_ALONE, AIM_ALONE = 0.92, 0.96
OUTPUTS = 5
_MOST_DRAWS = 100  # for each set that is asked for
BORDER_PX = 8  # cut off: algorithms disagree about what lies beyond the photograph


@dataclass
class RealOutputs:
    """Answers by set, on pairs with a truth.

    Args:
        with_reference: whether the verdict with the reference is right.
        alone: whether the verdict without it is.
        answers: the latter with their confidence.
        alone_by_damage: `alone` by what was done to the photograph before.
        alone_by_family: `alone` by the families of the algorithms of the pair.
        asked: pairs that were drawn, those without a truth included.
    """

    with_reference: list[list[bool]] = field(default_factory=list)
    alone: list[list[bool]] = field(default_factory=list)
    answers: list[list[Answer]] = field(default_factory=list)
    alone_by_damage: dict[str, list[list[bool]]] = field(default_factory=lambda: defaultdict(list))
    alone_by_family: dict[str, list[list[bool]]] = field(default_factory=lambda: defaultdict(list))
    asked: int = 0


@dataclass(frozen=True)
class OutputSet:
    """One damaged photograph. images: (n + 1, 3, S, S) in [0, 1] of 8 bits, the reference first. outputs: what was done
    to make the others. damage: kind of the damage."""

    images: Tensor
    outputs: tuple[Output, ...]
    damage: str


@dataclass(frozen=True)
class _Draw:
    """What a set is made of: the photograph, the seed of its crop, the outputs, and the kind of the damage."""

    photo: Path
    crop_seed: int
    outputs: tuple[Output, ...]
    damage: str


def output_set(photos: Sequence[Path], index: int, size_px: int, seed: int, without: Sequence[str] = ()) -> OutputSet:
    """Set `index`: a function of the arguments alone. without: families of algorithms that are left out."""
    return _rendered(_draw(photos, index, seed, without), size_px)


def _draw(photos: Sequence[Path], index: int, seed: int, without: Sequence[str] = ()) -> _Draw:
    rng = np.random.default_rng([seed, index, 6])
    photo, crop_seed = photos[int(rng.integers(len(photos)))], int(rng.integers(2**31 - 1))
    damaged = sample_damage(rng)
    return _Draw(photo, crop_seed, sample_outputs(rng, damaged, OUTPUTS, without), damaged.kind)


def _rendered(draw: _Draw, size_px: int) -> OutputSet:
    pixels = random_crop(read_photo(draw.photo), size_px + 2 * BORDER_PX, draw.crop_seed)
    reference = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float() / 255
    inside = (..., slice(BORDER_PX, BORDER_PX + size_px), slice(BORDER_PX, BORDER_PX + size_px))
    images = [reference, *(apply(reference, output.operations, whole=True) for output in draw.outputs)]
    eight_bits = torch.stack([(image[inside].clamp(0, 1) * 255).round() / 255 for image in images])
    return OutputSet(eight_bits, draw.outputs, draw.damage)


def measure_real_outputs(
    model: Model,
    photos: Sequence[Path],
    sets: int,
    size_px: int = 224,
    seed: int = 0,
    log: Callable[[str], None] = lambda text: None,
    family: str = "",
) -> RealOutputs:
    """All pairs of the outputs of `sets` damaged photographs and of the damaged photographs themselves.

    Args:
        model: answers.
        photos: held-out photographs.
        sets: how many damaged photographs.
        size_px: side of the crops.
        seed: decides what is drawn.
        log: is told what was measured.
        family: of algorithms: only pairs of which it made at least one, of the first `sets` photographs that have any.

    Raises:
        UsageError: for an unknown family, and one that is hardly ever drawn.
    """
    check_families([family] if family else [])
    result, found = RealOutputs(), 0
    for index in range(sets * _MOST_DRAWS):
        draw = _draw(photos, index, seed)
        if not family or any(_made_by(output, family) for output in draw.outputs):
            _ask(model, _rendered(draw, size_px), result, family)
            found += 1
        if found == sets:
            log(f"outputs of {family or 'algorithms'}: {result.asked} pairs of {sets} photographs")
            return result
    raise UsageError(f"{family} is in {found} of {sets * _MOST_DRAWS} drawn sets: too few to measure {sets}")


def _made_by(output: Output, family: str) -> bool:
    return family in families_used(output.operations)


def _ask(model: Model, drawn: OutputSet, result: RealOutputs, family: str = "") -> None:
    tests, outputs = drawn.images[1:], drawn.outputs
    damage = damage_seen(tests, drawn.images[:1].expand_as(tests))
    pairs = [
        (i, j)
        for i in range(len(tests))
        for j in range(i)
        if not family or _made_by(outputs[i], family) or _made_by(outputs[j], family)
    ]
    first, second = (torch.tensor(side) for side in zip(*pairs, strict=True))
    quality = model.quality_batch(tests, drawn.images[:1].expand_as(tests)).cpu()
    right, answers = [], []
    by_family: dict[str, list[bool]] = defaultdict(list)
    for (i, j), (margin, confidence) in zip(pairs, verdicts(model, tests[first], tests[second]), strict=True):
        better = unanimous({name: float(values[j] - values[i]) for name, values in damage.items()})
        if better:
            right.append(float(quality[i] - quality[j]) * better > 0)
            answers.append(Answer(margin * better > 0, confidence))
            for name in {outputs[i].family, outputs[j].family}:
                by_family[name].append(answers[-1].right)
    alone = [answer.right for answer in answers]
    result.with_reference.append(right)
    result.answers.append(answers)
    result.alone.append(alone)
    result.alone_by_damage[drawn.damage].append(alone)
    for name, of_family in by_family.items():
        result.alone_by_family[name].append(of_family)
    result.asked += len(pairs)


def damage_seen(tests: Tensor, references: Tensor) -> dict[str, Tensor]:
    """Loss of quality (B,) as every judge sees it: the conventional metrics, and the stages of the backbone."""
    seen = {}
    for name, metric in METRICS.items():
        if name in CONSENSUS_METRICS:
            seen[name] = metric_quantile(name, at_viewing_scales(name, metric.function, tests, references))
        else:
            value = metric.function(tests, references)
            seen[name] = -value if metric.higher_is_better else value
    with torch.inference_mode():
        distances = stage_distances(tests, references, _backbone())
    return {**seen, "stages: structure": distances.structure, "stages: means": distances.mean}


def real_output_rows(result: RealOutputs) -> list[Row]:
    """The two required rows with their parts."""
    samples = f"of {result.asked} pairs those on which all metrics and the stages agree"
    name = "outputs of algorithms two by two"
    rows = [
        _row(f"{name}, with reference", result.with_reference, samples, MUST_WITH, AIM_WITH),
        _row(f"{name}, without reference", result.alone, samples, MUST_ALONE, AIM_ALONE),
    ]
    for parts in (result.alone_by_damage, result.alone_by_family):
        rows += [_row(part, answers, part=True) for part, answers in sorted(parts.items())]
    return rows


def _row(
    name: str,
    groups: list[list[bool]],
    samples: str = "",
    must: float | None = None,
    aim: float | None = None,
    part: bool = False,
) -> Row:
    found = share(groups)
    value = found.value if found.answers else None
    said = f"{found.answers} pairs" + (f"; {samples}" if samples else "")
    return Row(name, value, said, must, "share", found.spread if found.answers else None, part=part, aim=aim)


@cache
def _backbone() -> EfficientNetLite:
    return load_backbone_weights()[0]
