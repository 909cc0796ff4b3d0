"""Rows on outputs of algorithms: sets are functions of their numbers, truth is unanimous, right is counted as right."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from experiments.pixel_perfect.measures import severity_seen
from experiments.pixel_perfect.real_outputs import (
    OUTPUTS,
    RealOutputs,
    damage_seen,
    measure_real_outputs,
    output_set,
    real_output_rows,
)
from relational_iqa.conventional import METRICS
from relational_iqa.networks.joint_margin import PairVerdict

SIDE = 64


class Consensus:
    """Judges by the consensus with the reference, and without it by `sign` times what it saw with it."""

    def __init__(self, sign: int) -> None:
        self.sign, self.known = sign, {}

    def quality_batch(self, tests: Tensor, references: Tensor) -> Tensor:
        quality = -severity_seen(tests, references)
        self.known |= {image.numpy().tobytes(): float(value) for image, value in zip(tests, quality, strict=True)}
        return quality

    def margin_batch(self, a: Tensor, b: Tensor) -> Tensor:
        first, second = ([self.known[image.numpy().tobytes()] for image in side] for side in (a, b))
        return self.sign * (torch.tensor(first) - torch.tensor(second))

    def verdict_batch(self, a: Tensor, b: Tensor) -> PairVerdict:
        margin = self.margin_batch(a, b)
        return PairVerdict(margin, torch.full_like(margin, 0.75), None)


def test_a_set_is_a_function_of_its_number_and_holds_the_input_and_outputs_of_eight_bits(held_out: list[Path]):
    one, again, other = (output_set(held_out, index, SIDE, seed=3) for index in (4, 4, 5))
    assert torch.equal(one.images, again.images) and one.outputs == again.outputs
    assert not torch.equal(one.images, other.images)
    assert one.images.shape == (OUTPUTS + 2, 3, SIDE, SIDE) and one.outputs[0].family == "input"
    assert torch.equal((one.images * 255).round() / 255, one.images)


def test_families_that_are_left_out_are_never_there(held_out: list[Path]):
    out = ("bm3d", "total_variation", "neural", "richardson_lucy")
    for index in range(12):
        assert not set(out) & {output.family for output in output_set(held_out, index, 48, 1, out).outputs}


def test_every_metric_and_the_stages_have_a_say_and_see_nothing_in_equal_images(photos: list[Tensor]):
    image = photos[0][None, :, :SIDE, :SIDE]
    noisy = (image + 0.2 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    same, damaged = damage_seen(image, image), damage_seen(noisy, image)
    assert set(same) == {*METRICS, "stages: structure", "stages: means"}
    assert all(float(damaged[name]) > float(same[name]) for name in same)


@pytest.mark.parametrize(("sign", "share"), [(1, 1.0), (-1, 0.0)])
def test_a_model_that_is_the_consensus_is_right_and_one_that_turns_it_round_is_wrong(
    held_out: list[Path], sign: int, share: float
):
    result = measure_real_outputs(Consensus(sign), held_out, 3, SIDE, seed=2)  # type: ignore[arg-type]
    first, second, *parts = real_output_rows(result)
    assert (first.value, second.value) == (1.0, share) and (first.must, second.must) == (0.99, 0.92)
    assert result.asked == 3 * (OUTPUTS + 1) * OUTPUTS // 2
    assert (first.aim, second.aim) == (0.995, 0.96)
    told = [answer for answers in result.answers for answer in answers]
    assert len(told) == sum(map(len, result.alone)) and {answer.confidence for answer in told} == {0.75}
    assert {answer.right for answer in told} == {sign == 1}
    assert all(row.part and row.value == share for row in parts)
    assert {row.name for row in parts} >= {"input"} and len(result.alone) == 3


def test_of_one_family_only_pairs_count_of_which_it_made_at_least_one(held_out: list[Path]):
    asked: list[tuple[Tensor, Tensor]] = []

    class Watched(Consensus):
        def verdict_batch(self, a: Tensor, b: Tensor) -> PairVerdict:
            asked.extend(zip(a, b, strict=True))
            return super().verdict_batch(a, b)

    result = measure_real_outputs(Watched(1), held_out, 2, SIDE, seed=2, family="richardson_lucy")  # type: ignore[arg-type]
    drawn = [output_set(held_out, index, SIDE, seed=2) for index in range(60)]
    blurred = [one for one in drawn if any("richardson_lucy" == output.family for output in one.outputs)][:2]
    pairs = 0
    for one in blurred:
        made = [output.family == "richardson_lucy" for output in one.outputs]
        members = len(made)
        for i in range(members):
            for j in range(i):
                pair = one.images[1 + i], one.images[1 + j]
                there = any(torch.equal(pair[0], a) and torch.equal(pair[1], b) for a, b in asked)
                assert there == (made[i] or made[j])
                pairs += made[i] or made[j]
    assert result.asked == len(asked) == pairs and len(result.alone) == 2
    with pytest.raises(UsageError, match="'bm4d' is unknown"):
        measure_real_outputs(Watched(1), held_out, 1, SIDE, family="bm4d")  # type: ignore[arg-type]


def test_without_any_pair_nothing_is_claimed():
    assert [row.value for row in real_output_rows(RealOutputs())] == [None, None]
