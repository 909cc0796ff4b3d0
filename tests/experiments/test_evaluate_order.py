"""Order in ranked sets: every pair is counted once, and what is dropped is told."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from distortion_engine.masks import MaskSpec
from distortion_engine.recipe import Recipe, Step
from experiments.pixel_perfect.order import KINDS, OrderResult, Pair, levels_apart, measure_order, order_rows


def recipe(severity: float, extent: float = 1.0, steps: int = 1) -> Recipe:
    mask = MaskSpec("ramp", extent) if extent < 1 else MaskSpec()
    return Recipe(tuple(Step("gaussian_blur", severity, 1.0, mask=mask) for _ in range(steps)))


def test_a_level_is_a_fifth_of_severity_summed_over_steps_and_in_extent_sets_of_severity_times_area() -> None:
    assert levels_apart("ladder", recipe(0.3, 0.5), recipe(0.5, 0.5)) == pytest.approx((1.0, 0.5))
    assert levels_apart("dominance", recipe(0.3, steps=2), recipe(0.5, steps=2)) == pytest.approx((2.0, 2.0))
    assert levels_apart("extent", recipe(0.8, 0.25), recipe(0.8, 0.5)) == pytest.approx((1.0, 1.0))
    assert levels_apart("ladder", Recipe(), recipe(0.4)) == pytest.approx((2.0, 2.0))


def test_order_counts_every_pair_of_every_set_and_a_model_that_says_nothing_is_never_right(
    error_model: Any, held_out: list[Path], no_judge: Any, by_name: Any
) -> None:
    result = measure_order(error_model, held_out, no_judge, sets_per_kind=2, size_px=48)
    assert set(result.kept) == set(KINDS) and not any(result.dropped.values())
    assert all(len(pairs) == 10 for sets in result.kept.values() for pairs in sets)  # of a reference and four members
    rows = by_name(order_rows(result))
    extent = [pair for pairs in result.kept["extent"] for pair in pairs]
    assert all(pair.right for pair in extent)  # error grows with the damaged area, strictly
    assert sum(pair.pristine for pair in extent) == 8
    assert rows["order without reference, one level or more apart"].value == 0.0
    assert rows["sets of uncertain order too"].samples == "80 pairs of 8 sets"
    certain = sum(pair.certain for sets in result.kept.values() for pairs in sets for pair in pairs)
    assert rows["order with reference, all kinds of sets"].samples.startswith(f"{certain} pairs of ")


def test_sets_that_the_judge_contradicts_are_counted_and_still_reported_undropped(
    error_model: Any, held_out: list[Path]
) -> None:
    class Contrary:
        calls = 0

        def __call__(self, test: Tensor, reference: Tensor) -> Tensor:
            """The first set of every index is contradicted: its better members look worse."""
            self.calls += 1
            return torch.linspace(1, 0, len(test))[:, None] * (self.calls % 2)

    result = measure_order(error_model, held_out, Contrary(), sets_per_kind=2, size_px=48, seed=9)
    # The order of some extent sets is less than certain, and then nobody is asked to contradict it.
    assert result.dropped == {**dict.fromkeys(KINDS, 2), "extent": result.dropped["extent"]}
    assert result.dropped["extent"] in (0, 1, 2)
    assert all(len(result.kept[kind]) == len(result.every[kind]) == 2 for kind in KINDS)
    (row,) = [row for row in order_rows(result) if row.must == 0.993]
    dropped = sum(result.dropped.values())
    assert f"{dropped} of {dropped + 8} drawn sets" in row.note


def test_sets_that_the_engine_is_not_sure_of_are_left_out_and_reported(by_name: Any) -> None:
    def pairs(right: bool, certain: bool) -> list[Pair]:
        return [Pair(False, 1.0, 1.0, right, right, certain)]

    sets = {kind: [pairs(True, True)] for kind in KINDS} | {"extent": [pairs(True, True), pairs(False, False)]}
    rows = by_name(order_rows(OrderResult(sets, sets, dict.fromkeys(KINDS, 0))))
    assert rows["order with reference, all kinds of sets"].value == 1.0
    assert rows["sets of uncertain order too"].value == 0.8
