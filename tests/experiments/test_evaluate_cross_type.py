"""Rows across types and of compositions, on models and maps whose answers are known."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from distortion_engine.catalog import AXES
from experiments.pixel_perfect.compositions import found_axes, measure_compositions
from experiments.pixel_perfect.cross_type import (
    AGREEMENT_MARGIN,
    CrossTypeResult,
    cross_type_rows,
    measure_cross_type,
    unanimous,
)
from experiments.pixel_perfect.measures import severity_seen
from relational_iqa.conventional import METRICS

HIGHER = {name: 0.5 for name in METRICS}


def test_metrics_are_of_one_mind_only_if_every_one_sees_a_clear_difference() -> None:
    assert unanimous(HIGHER) == 1 and unanimous({name: -value for name, value in HIGHER.items()}) == -1
    assert unanimous(HIGHER | {"psnr": -0.001}) == 0
    assert unanimous(HIGHER | {"psnr": 0.001}) == 1  # no common scale, so any amount
    assert unanimous(HIGHER | {"mdsi": AGREEMENT_MARGIN / 2}) == 0


class ByReference:
    """Judges by the consensus itself; pairs: `sign` times the verdict by distance to the reference it is told."""

    def __init__(self, sign: int, stretch: float = 10.0) -> None:
        self.sign, self.stretch, self.known = sign, stretch, {}

    def quality_batch(self, tests: Tensor, references: Tensor) -> Tensor:
        quality = -self.stretch * severity_seen(tests, references)
        self.known |= {image.numpy().tobytes(): float(value) for image, value in zip(tests, quality, strict=True)}
        return quality

    def margin_batch(self, a: Tensor, b: Tensor) -> Tensor:
        known = [[self.known[image.numpy().tobytes()] for image in side] for side in (a, b)]
        return self.sign * (torch.tensor(known[0]) - torch.tensor(known[1]))


@pytest.mark.parametrize(("sign", "alone"), [(1, 1.0), (-1, 0.0)])
def test_a_model_that_is_the_consensus_agrees_with_metrics_of_one_mind(
    held_out: list[Path], sign: int, alone: float
) -> None:
    result = measure_cross_type(ByReference(sign), held_out, groups=2, size_px=48, seed=1)
    agreed, without, verdict, far = cross_type_rows(result)
    assert result.asked == 12 and sum(map(len, result.agreed)) > 3
    assert agreed.value == 1.0 and agreed.must == 0.97 and agreed.samples.endswith("of 12 pairs, 2 photographs")
    assert without.value == alone and verdict.value == far.value == alone
    assert (verdict.must, verdict.aim) == (0.95, 0.97)


def test_verdicts_are_asked_only_where_the_reference_mode_sees_a_level(held_out: list[Path]) -> None:
    quiet, loud = (measure_cross_type(ByReference(1, by), held_out, 2, 48) for by in (0.1, 1000.0))
    assert not any(quiet.verdict) and sum(map(len, loud.verdict)) >= sum(map(len, loud.verdict_far)) > 0
    assert quiet.agreed == loud.agreed
    assert cross_type_rows(quiet)[2].value is None and cross_type_rows(quiet)[2].holds is None


def test_an_error_model_mostly_agrees_and_its_silence_without_reference_is_never_right(
    error_model: Any, held_out: list[Path]
) -> None:
    agreed, without, *_ = cross_type_rows(measure_cross_type(error_model, held_out, 2, 48))
    assert agreed.value is not None and agreed.value > 0.5 and without.value == 0.0


def test_shares_are_over_all_pairs_of_all_photographs() -> None:
    result = CrossTypeResult([[True, True], [False]], [[False]], [[True]], [], 12)
    agreed, without, verdict, far = cross_type_rows(result)
    assert agreed.value == pytest.approx(2 / 3) and agreed.samples == "3 of 12 pairs, 2 photographs"
    assert (without.value, verdict.value, far.value) == (0.0, 1.0, None)


def maps(**pixels: list[float]) -> Tensor:
    """(K, 1, n) with the given channels by name of axis, 0 elsewhere."""
    names = [axis.name for axis in AXES]
    result = torch.zeros(len(AXES), 1, len(next(iter(pixels.values()))))
    for name, values in pixels.items():
        result[names.index(name), 0] = torch.tensor(values)
    return result


def test_true_axes_are_looked_for_among_as_many_of_the_loudest() -> None:
    #            found both | one of two | none | one true axis: not asked
    truth = maps(noise=[0.5, 0.5, 0.5, 0.5], sharpness=[-0.3, -0.3, -0.3, 0.05])
    said = maps(noise=[0.2, 0.9, 0.1, 0.0], sharpness=[-0.9, 0.1, 0.1, 0.0], haze=[0.1, 0.5, 0.5, 0.9],
                impulse=[0.0, 0.0, 0.4, 0.0])  # fmt: skip
    everywhere = torch.ones(1, 4, dtype=torch.bool)
    assert found_axes(said, truth, everywhere) == {2: (3.0, 6.0)}
    assert found_axes(truth, truth, everywhere) == {2: (6.0, 6.0)}
    assert found_axes(torch.zeros_like(truth), truth, everywhere) == {2: (0.0, 6.0)}


def test_three_axes_are_counted_apart_and_pixels_without_evidence_are_not() -> None:
    truth = maps(noise=[0.5, 0.5, 0.5], sharpness=[-0.3, -0.3, -0.3], haze=[0.0, 0.2, 0.2])
    valid = torch.tensor([[True, True, False]])
    assert found_axes(truth, truth, valid) == {2: (2.0, 2.0), 3: (3.0, 3.0)}
    assert found_axes(truth, truth, torch.zeros(1, 3, dtype=torch.bool)) == {}


def test_compositions_ask_for_the_worst_member_and_a_noise_only_model_finds_a_share(
    error_model: Any, held_out: list[Path]
) -> None:
    required, two, three = measure_compositions(error_model, held_out, sets=4, size_px=48)
    assert (required.must, required.aim) == (0.82, 0.90) and "of 4 sets" in required.samples
    assert two.name == "2 axes" and three.name == "3 axes or more"
    # It names one axis at most, so half of two and a third of three.
    assert two.value is None or two.value <= 0.5
    assert three.value is None or three.value <= 1 / 3 + 1e-9
    assert required.value is not None and not math.isnan(required.value)
