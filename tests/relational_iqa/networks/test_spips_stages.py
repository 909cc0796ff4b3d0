"""SPIPS on a frozen backbone: exact zeros, streams made of the right stages, shares, and what may never rise."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from relational_iqa.networks.spips_quality import STREAMS
from relational_iqa.networks.spips_stages import StageSpips, StageSpipsArchitecture
from tests.relational_iqa.networks.small_stages import SMALL, small_stage_spips


@pytest.fixture(scope="module")
def network(versions: list[Tensor]) -> StageSpips:
    return small_stage_spips(versions)


def test_an_image_equal_to_its_reference_has_quality_0_and_others_less(
    network: StageSpips, versions: list[Tensor]
) -> None:
    batch = torch.stack(versions)
    with torch.inference_mode():
        found = network(batch, versions[0].expand_as(batch))
    assert found[0] == 0 and (found[1:] < 0).all()


def test_shares_sum_to_1_and_a_map_is_the_mean_of_its_components(network: StageSpips, versions: list[Tensor]) -> None:
    test, reference = versions[1][None], versions[0][None]
    with torch.inference_mode():
        local = network.local(test, reference)
        seen = network.see(test, reference)[1]
        shares = network.shares(seen)
    torch.testing.assert_close(local.fusion.sum(1), torch.ones_like(local.fusion[:, 0]))
    torch.testing.assert_close(local.fused, (seen.components * shares).sum(1, keepdim=True))
    own = [number for number, stream in enumerate(network.of_stream) if STREAMS[stream] == "semantic"]
    semantic = (seen.components * shares)[:, own].sum(1) / shares[:, own].sum(1)
    torch.testing.assert_close(local.maps[:, STREAMS.index("semantic")], semantic)
    assert local.maps.min() >= 0 and local.maps.max() <= 1


def test_early_stages_are_perceptual_and_late_ones_semantic(network: StageSpips) -> None:
    of_stage = [STREAMS[stream] for stream in network.of_stream]
    # Stages of stride 2 and 4 at full size, then 2, 4, 8 and 16 at half size; structure, then mean.
    deep = ["perceptual"] * 5 + ["semantic"]
    assert of_stage == ["psnr", "ssim", "ms_ssim", *deep, *deep]


@pytest.mark.parametrize("left_out", ["semantic", "perceptual", "psnr"])
def test_a_stream_that_is_left_out_does_not_count(left_out: str, versions: list[Tensor]) -> None:
    streams = tuple(name for name in STREAMS if name != left_out)
    network = small_stage_spips(versions, replace(SMALL, streams=streams))
    _, seen = network.see(versions[1][None], versions[0][None])
    gone = [number for number in range(seen.components.shape[1]) if number not in network.used]
    changed = seen.components.clone()
    changed[:, gone] = 0.9
    with torch.inference_mode():
        assert torch.equal(network.quality_of(seen), network.quality_of(seen._replace(components=changed)))
        assert network.local(versions[1][None], versions[0][None]).maps.shape[1] == 4
    assert len(gone) == {"semantic": 2, "perceptual": 10, "psnr": 1}[left_out]


def test_with_shares_from_the_reference_more_of_any_component_is_never_better(versions: list[Tensor]) -> None:
    network = small_stage_spips(versions, replace(SMALL, shares_from="reference"))
    with torch.inference_mode():
        _, seen = network.see(torch.stack(versions[1:]), versions[0][None])
        before = network.quality_of(seen)
        for number in range(seen.components.shape[1]):
            more = seen.components.clone()
            more[:, number, 1:3] += 0.1
            assert (network.quality_of(seen._replace(components=more)) < before).all()


def test_the_pair_decides_the_shares_unless_the_reference_alone_does(versions: list[Tensor]) -> None:
    for source, differ in (("pair", True), ("reference", False)):
        network = small_stage_spips(versions, replace(SMALL, shares_from=source))
        with torch.inference_mode():
            first, second = (network.local(test[None], versions[0][None]).fusion for test in versions[1:3])
        assert torch.equal(first, second) is not differ


def test_what_is_seen_gives_the_quality_of_the_images(network: StageSpips, versions: list[Tensor]) -> None:
    test, reference = torch.stack(versions[1:]), versions[0][None]
    with torch.inference_mode():
        torch.testing.assert_close(network.quality_of(network.see(test, reference)[1]), network(test, reference))


def test_gradients_reach_the_image_and_are_finite_where_nothing_differs(
    network: StageSpips, versions: list[Tensor]
) -> None:
    for start in (versions[1], versions[0]):
        test = start[None].clone().requires_grad_(True)
        network(test, versions[0][None]).sum().backward()
        assert test.grad is not None and test.grad.isfinite().all()
    assert all(parameter.grad is None for parameter in network.comparison.parameters())


def test_calibration_brings_every_pooled_value_to_one_scale(network: StageSpips, versions: list[Tensor]) -> None:
    with torch.inference_mode():
        seen = network.see(torch.stack(versions[1:]), versions[0][None])[1]
        pooled = network._pooled(network._sums(seen)) * network.gain
    torch.testing.assert_close(pooled.square().mean(0).sqrt(), torch.full_like(pooled[0], 0.15), rtol=0.02, atol=0)


def test_an_architecture_survives_being_written_down() -> None:
    facts = SMALL.to_dict()
    assert StageSpipsArchitecture.from_dict({**facts, "streams": list(facts["streams"])}) == SMALL


@pytest.mark.parametrize("wrong", [{"streams": ()}, {"streams": ("depth",)}, {"shares_from": "test"}, {"hidden": 0}])
def test_parts_that_are_not_there_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        replace(SMALL, **wrong)  # type: ignore[arg-type]
