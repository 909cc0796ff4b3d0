"""Where the networks run and in which precision: what is refused, and how far 16 bits are from float32."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import relational_iqa
from distortion_engine.errors import UsageError
from relational_iqa import cli
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.results.comparison import Comparison
from relational_iqa.systems.devices import DEVICES, PRECISIONS, available_devices
from relational_iqa.systems.network_inference import whole_float32
from relational_iqa.systems.pixel_perfect import RelationalIQA

PHOTO = str(Path(__file__).parents[2] / "images" / "photo_1.png")
HALVES = ("bfloat16", "float16")
# Levels; what the help, the README and `load` promise of 16 bits. Seen on photographs: 0.003.
TOLERANCE = 0.03


def test_what_can_be_used_here_is_named() -> None:
    there = available_devices()
    assert there[0] == "cpu" and {name.split(":")[0] for name in there} <= set(DEVICES)
    assert relational_iqa.load(device="cpu").device == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "cuda:77", "", "cpu:1"])
def test_a_device_that_is_not_there_is_refused_naming_what_there_is(name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}' is not available here; there is cpu"):
        relational_iqa.load(device=name)


def test_a_precision_that_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match="'int8': expected one of float32, bfloat16, float16"):
        relational_iqa.load(precision="int8")


@pytest.mark.parametrize(
    "argv",
    [
        ["compare", PHOTO, PHOTO, "--device", "tpu"],
        ["rank", PHOTO, PHOTO, "--device", "tpu"],
        ["score", PHOTO, "--reference", PHOTO, "--device", "tpu"],
        ["compare", PHOTO, PHOTO, "--precision", "int8"],
        ["score", PHOTO, "--device", "cpu"],
    ],
)
def test_on_the_command_line_it_is_one_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("riqa: ") and said.err.count("\n") == 1
    assert "there is cpu" in said.err or "float32" in said.err or "--reference" in said.err


@pytest.fixture(scope="module", params=HALVES)
def half_model(request: pytest.FixtureRequest, random_networks: Networks) -> RelationalIQA:
    dtype = getattr(torch, request.param)
    return RelationalIQA(copy.deepcopy(random_networks), {}, dtype=dtype)


def test_sixteen_bits_keep_the_symmetry_and_the_zero(half_model: RelationalIQA, versions: list[Tensor]) -> None:
    for reference in (None, versions[0]):
        forward = half_model.compare(versions[1], versions[2], reference)
        backward = half_model.compare(versions[2], versions[1], reference)
        assert forward.margin == -backward.margin != 0
        assert np.array_equal(forward.local_margin, -backward.local_margin)
        assert all(np.array_equal(values, -backward.maps[name]) for name, values in forward.maps.items())
        assert half_model.compare(versions[3], versions[3].clone(), reference).identical
    assert half_model.score(versions[0], versions[0].clone()).quality == 0


def all_pairs(model: RelationalIQA, versions: list[Tensor]) -> list[Comparison]:
    return [
        model.compare(a, b, reference) for a, b in zip(versions[1:], versions[2:], strict=False)
        for reference in (None, versions[0])
    ]  # fmt: skip


@pytest.fixture(scope="module")
def exact(versions: list[Tensor]) -> list[Comparison]:
    return all_pairs(relational_iqa.load(), versions)


@pytest.mark.parametrize("precision", HALVES)
def test_the_shipped_weights_in_sixteen_bits_agree_with_float32(
    precision: str, exact: list[Comparison], versions: list[Tensor]
) -> None:
    assert precision in PRECISIONS
    found = all_pairs(relational_iqa.load(precision=precision), versions)
    assert any(one.margin != other.margin for one, other in zip(found, exact, strict=True))
    for one, other in zip(found, exact, strict=True):
        assert one.meta["precision"] == precision and other.meta["precision"] == "float32"
        assert one.margin == pytest.approx(other.margin, abs=TOLERANCE)
        for name, mean in one.intensities.items():
            assert mean == pytest.approx(other.intensities[name], abs=TOLERANCE / 4), name


def test_float32_on_cuda_is_not_rounded_to_tf32_and_the_setting_of_the_caller_stays() -> None:
    before = torch.backends.cudnn.allow_tf32
    with whole_float32(torch.device("cuda")):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_precision_is_an_option_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", PHOTO, PHOTO, "--precision", "bfloat16", "--device", "cpu"]) == 0
    assert "identical" in capsys.readouterr().out
