"""Rows across types: does the model order different distortions as all conventional metrics do, and does the mode
without a reference say what the mode with it says?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.severity import CONSENSUS_METRICS, at_viewing_scales, metric_quantile
from experiments.pixel_perfect.measures import Model, Share, share
from experiments.pixel_perfect.single_pairs import SinglePair, single_pairs
from experiments.pixel_perfect.table import Row
from relational_iqa.conventional import METRICS

MUST_AGREED = 0.97
MUST_VERDICT, AIM_VERDICT = 0.95, 0.97
SEVERITIES = (0.1, 1.0)
# A metric with a quantile scale sees a pair apart by more than a tenth of a level; the others by any amount.
AGREEMENT_MARGIN = 0.02
LEVEL = 1.0
_SHAPES = 4  # different distortions of one photograph that are compared with one another
_PAIRS = [(i, j) for i in range(_SHAPES) for j in range(i)]


@dataclass(frozen=True)
class CrossTypeResult:
    """Answers by photograph, True where they are right.

    Args:
        agreed: order with the reference of pairs on which all metrics agree.
        agreed_alone: order without the reference of the same pairs.
        verdict: whether the modes without and with a reference agree, on pairs that the latter sees one level apart or
            more.
        verdict_far: the same on pairs that it sees two levels apart or more.
        asked: pairs that were drawn.
    """

    agreed: list[list[bool]]
    agreed_alone: list[list[bool]]
    verdict: list[list[bool]]
    verdict_far: list[list[bool]]
    asked: int


def measure_cross_type(
    model: Model,
    photos: Sequence[Path],
    groups: int,
    size_px: int = 192,
    seed: int = 0,
    log: Callable[[str], None] = lambda text: None,
) -> CrossTypeResult:
    """`groups` photographs, `_SHAPES` different distortions of the same crop of each, all pairs of them."""
    names = [name for name, spec in DISTORTIONS.items() if spec.trained]
    result = CrossTypeResult([], [], [], [], groups * len(_PAIRS))
    for group in range(groups):
        rng = np.random.default_rng([seed, group, 5])
        chosen = [names[int(i)] for i in rng.choice(len(names), _SHAPES, replace=False)]
        tests = _same_crop(photos[int(rng.integers(len(photos)))], chosen, size_px, seed + group)
        images = torch.stack([pair.test for pair in tests])
        reference = tests[0].reference[None].expand_as(images)
        _ask(model, images, reference, result)
    log(f"cross-type: {result.asked} pairs of {groups} photographs")
    return result


def _ask(model: Model, images: Tensor, reference: Tensor, result: CrossTypeResult) -> None:
    """Adds the answers on all pairs of images (_SHAPES, 3, S, S) of one reference."""
    damage = {name: _damage(name, images, reference) for name in METRICS}
    quality = model.quality_batch(images, reference).cpu()
    first, second = (torch.tensor(side) for side in zip(*_PAIRS, strict=True))
    margins = model.margin_batch(images[first], images[second]).cpu().tolist()
    agreed, alone, verdict, far = [], [], [], []
    for (i, j), margin in zip(_PAIRS, margins, strict=True):
        apart = float(quality[i] - quality[j])
        better = unanimous({name: float(values[j] - values[i]) for name, values in damage.items()})
        if better:
            agreed.append(apart * better > 0)
            alone.append(margin * better > 0)
        if abs(apart) >= LEVEL:
            verdict.append(margin * apart > 0)
        if abs(apart) >= 2 * LEVEL:
            far.append(margin * apart > 0)
    for answers, given in ((result.agreed, agreed), (result.agreed_alone, alone),
                           (result.verdict, verdict), (result.verdict_far, far)):  # fmt: skip
        answers.append(given)


def cross_type_rows(result: CrossTypeResult) -> list[Row]:
    """The two required rows with their parts."""
    row = partial(_row, asked=result.asked)
    return [
        row("different distortions on which all conventional metrics agree, with reference", share(result.agreed),
            must=MUST_AGREED),
        row("without reference", share(result.agreed_alone), part=True),
        row("without reference: the verdict of the mode with it, one level or more apart", share(result.verdict),
            must=MUST_VERDICT, aim=AIM_VERDICT),
        row("two levels or more apart", share(result.verdict_far), part=True),
    ]  # fmt: skip


def _same_crop(photo: Path, names: Sequence[str], size_px: int, seed: int) -> list[SinglePair]:
    """Each of `names` once, over the whole of one crop of one photograph."""
    return [next(iter(single_pairs([photo], SEVERITIES, 1, size_px, seed, [name], same_crop=True))) for name in names]


def _damage(name: str, test: Tensor, reference: Tensor) -> Tensor:
    """Loss of quality (B,) as metric `name` sees it: on the common quantile scale where it has one."""
    metric = METRICS[name]
    if name in CONSENSUS_METRICS:
        return metric_quantile(name, at_viewing_scales(name, metric.function, test, reference))
    value = metric.function(test, reference)
    return -value if metric.higher_is_better else value


def unanimous(apart: dict[str, float]) -> int:
    """1 where every metric sees the first as better, -1 where every one sees it as worse, else 0. apart: by metric, how
    much more damage it sees in the second."""
    for sign in (1, -1):
        if all(sign * value > _least(name) for name, value in apart.items()):
            return sign
    return 0


def _least(name: str) -> float:
    return AGREEMENT_MARGIN if name in CONSENSUS_METRICS else 0.0


def _row(
    name: str, result: Share, asked: int, must: float | None = None, part: bool = False, aim: float | None = None
) -> Row:
    samples = f"{result.answers} of {asked} pairs, {result.groups} photographs"
    value = result.value if result.answers else None
    return Row(name, value, samples, must, "share", result.spread if result.answers else None, "", part, aim=aim)
