"""Rows 1 and 2: does the model order the members of ranked sets as they were built?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from distortion_engine.dataset import Judge, RankedItem, RankedSetDataset
from distortion_engine.recipe import Recipe
from distortion_engine.sampling import SamplingConfig
from experiments.pixel_perfect.confidence import Answer
from experiments.pixel_perfect.measures import Model, Share, share, verdicts
from experiments.pixel_perfect.table import Row

REQUIRED_KINDS = ("ladder", "dominance", "extent", "restoration")
KINDS = REQUIRED_KINDS
MUST_WITH_REFERENCE, AIM_WITH_REFERENCE = 0.993, 0.996
MUST_WITHOUT_REFERENCE, AIM_WITHOUT_REFERENCE = 0.97, 0.985
LEVEL = 0.2  # of severity
CERTAIN = 0.8  # share of neighbours that the judge sees as built, from which on training takes a set's order as true
_BATCH = 8


@dataclass(frozen=True)
class Pair:
    """One pair of a set, the better image first by construction.

    Args:
        pristine: whether the better image is the reference itself.
        levels_apart: difference of the damage in levels.
        over_area: the same, each step weighted by the share of the image that it covers.
        right: whether the verdict with the reference is right.
        right_alone: whether the verdict without the reference is right; None where it was not asked.
        certain: whether the engine is sure of the order of the set.
        confidence: of the verdict without the reference; None where it was not asked or the weights tell none.
    """

    pristine: bool
    levels_apart: float
    over_area: float
    right: bool
    right_alone: bool | None
    certain: bool = True
    confidence: float | None = None


@dataclass(frozen=True)
class OrderResult:
    """Judged pairs of every set, by kind of set.

    Args:
        kept: of the sets that the judge does not contradict.
        every: of all sets as they were drawn.
        dropped: number of sets that were dropped because the judge contradicts them.
    """

    kept: dict[str, list[list[Pair]]]
    every: dict[str, list[list[Pair]]]
    dropped: dict[str, int]


def measure_order(
    model: Model,
    photos: Sequence[Path],
    judge: Judge,
    sets_per_kind: int,
    size_px: int = 192,
    seed: int = 0,
    log: Callable[[str], None] = lambda text: None,
) -> OrderResult:
    """Draws `sets_per_kind` sets of each kind from `photos` and judges all their pairs, the reference included."""
    kept: dict[str, list[list[Pair]]] = {}
    every: dict[str, list[list[Pair]]] = {}
    dropped: dict[str, int] = {}
    for number, kind in enumerate(KINDS):
        sampling = SamplingConfig(kinds={kind: 1.0})
        judged, plain = (
            RankedSetDataset(photos, size_px, seed + number, sets_per_kind, sampling, judge=one)
            for one in (judge, None)
        )
        kept[kind], every[kind], dropped[kind] = [], [], 0
        for index in range(sets_per_kind):
            item = judged[index]
            kept[kind].append(_pairs(model, item))
            dropped[kind] += item.dropped
            # The set that was drawn first is the kept one unless something was dropped.
            every[kind].append(_pairs(model, plain[index]) if item.dropped else kept[kind][-1])
        log(f"{kind}: {sets_per_kind} sets, {dropped[kind]} dropped")
    return OrderResult(kept, every, dropped)


def order_rows(result: OrderResult) -> list[Row]:
    """The two required rows, each with its parts."""
    kept, dropped = result.kept, sum(result.dropped[kind] for kind in REQUIRED_KINDS)
    drawn = dropped + sum(len(kept[kind]) for kind in REQUIRED_KINDS)
    required, unfiltered = _join(kept, REQUIRED_KINDS), _join(result.every, REQUIRED_KINDS)
    note = (
        "sets whose order the engine is at least 80 % sure of; "
        f"{dropped} of {drawn} drawn sets contradicted by metrics and dropped"
    )
    certain = share(_with(required, lambda pair: pair.certain))
    rows = [_row("order with reference, all kinds of sets", certain, MUST_WITH_REFERENCE, AIM_WITH_REFERENCE, note)]
    rows += [_row(kind, share(_with(kept[kind])), part=True) for kind in KINDS]
    rows += [
        _row("pairs of two damaged images only", share(_with(required, lambda pair: not pair.pristine)), part=True),
        _row("sets of uncertain order too", share(_with(required)), part=True,
             note="with extent sets of tone and haze, of which the engine is 55 to 79 % sure"),
        _row("nothing dropped", share(_with(unfiltered)), part=True),
        _row("order without reference, one level or more apart", share(_alone(required)),
             MUST_WITHOUT_REFERENCE, AIM_WITHOUT_REFERENCE),
    ]  # fmt: skip
    rows += [_row(kind, share(_alone(kept[kind])), part=True) for kind in KINDS]
    rows += [
        _row("pairs of two damaged images only", share(_alone(required, _both_damaged)), part=True),
        _row("one level over the whole image", share(_alone(required, lambda pair: pair.over_area >= 1)), part=True,
             note="severity times covered area at least .2 apart"),
        _row("nothing dropped", share(_alone(unfiltered)), part=True),
    ]  # fmt: skip
    return rows


def order_answers(result: OrderResult) -> list[list[Answer]]:
    """The verdicts without a reference that the row of the order counts, by set, of sets whose order the engine is sure
    of."""
    return [
        [
            Answer(pair.right_alone, pair.confidence)
            for pair in pairs
            if pair.right_alone is not None and pair.levels_apart >= 1 and pair.certain
        ]
        for pairs in _join(result.kept, REQUIRED_KINDS)
    ]


def levels_apart(kind: str, first: Recipe, second: Recipe) -> tuple[float, float]:
    """How many levels of damage two members of a set of `kind` are apart, and the same weighted with covered area.

    Damage is the sum of the severities of the steps; in extent sets, where severity is equal, only area tells.
    """
    over_area = abs(_damage(first, True) - _damage(second, True)) / LEVEL
    if kind == "extent":
        return over_area, over_area
    return abs(_damage(first, False) - _damage(second, False)) / LEVEL, over_area


def _damage(recipe: Recipe, with_area: bool) -> float:
    return sum(step.severity * (step.mask.extent if with_area else 1.0) for step in recipe.steps)


def _pairs(model: Model, item: RankedItem) -> list[Pair]:
    images = item.images.float() / 255
    ranked = item.set
    ranks: list[int] = item.ranks.tolist()
    recipes = (Recipe(), *ranked.members)
    reference = images[:1].expand(len(images) - 1, -1, -1, -1)
    quality = [0.0, *model.quality_batch(images[1:], reference).cpu().tolist()]
    ordered = [(i, j) for i in range(len(ranks)) for j in range(len(ranks)) if ranks[i] < ranks[j]]
    apart = {(i, j): levels_apart(ranked.kind, recipes[i], recipes[j]) for i, j in ordered}
    asked = [pair for pair in ordered if max(apart[pair]) >= 1]
    alone = dict(zip(asked, _verdicts(model, images, asked), strict=True))
    pairs = []
    for i, j in ordered:
        margin, confidence = alone.get((i, j), (None, None))
        right_alone = None if margin is None else margin > 0
        certain = ranked.certainty >= CERTAIN
        pairs.append(Pair(i == 0, *apart[i, j], quality[i] > quality[j], right_alone, certain, confidence))
    return pairs


def _verdicts(model: Model, images: Tensor, pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[float, float | None]]:
    for start in range(0, len(pairs), _BATCH):
        first, second = (torch.tensor(side) for side in zip(*pairs[start : start + _BATCH], strict=True))
        yield from verdicts(model, images[first], images[second])


def _join(sets: dict[str, list[list[Pair]]], kinds: Sequence[str]) -> list[list[Pair]]:
    return [pairs for kind in kinds for pairs in sets[kind]]


def _with(sets: list[list[Pair]], keep: Callable[[Pair], bool] = lambda pair: True) -> list[list[bool]]:
    return [[pair.right for pair in pairs if keep(pair)] for pairs in sets]


def _alone(
    sets: list[list[Pair]], keep: Callable[[Pair], bool] = lambda pair: pair.levels_apart >= 1
) -> list[list[bool]]:
    return [[pair.right_alone for pair in pairs if pair.right_alone is not None and keep(pair)] for pairs in sets]


def _both_damaged(pair: Pair) -> bool:
    return not pair.pristine and pair.levels_apart >= 1


def _row(
    name: str,
    result: Share,
    must: float | None = None,
    aim: float | None = None,
    note: str = "",
    part: bool = False,
) -> Row:
    samples = f"{result.answers} pairs of {result.groups} sets"
    value = result.value if result.answers else None
    spread = result.spread if result.answers else None
    return Row(name, value, samples, must, "share", spread, note, part, aim=aim)
