"""Weights of pMOS, SPIPS and Re-IQA are read in one way: the same refusals, a frozen network, its name and sha256."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import file_sha256
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.networks.reiqa import ReIQAEncoders
from relational_iqa.networks.resnet import ResNet
from relational_iqa.networks.spips import SpipsArchitecture, SpipsNetwork
from relational_iqa.storage.pmos_weights import save_pmos_weights
from relational_iqa.storage.spips_weights import save_spips_weights
from relational_iqa.storage.tensor_file import read_tensors, write_tensors
from relational_iqa.systems import pmos, reiqa, spips
from tests.relational_iqa.small_pmos import TINY

SYSTEMS = ("pmos", "spips", "reiqa")
LOAD: dict[str, Callable[..., Any]] = {"pmos": pmos.load, "spips": spips.load, "reiqa": reiqa.load}
FORMATS = {"pmos": "relational-iqa pmos 2", "spips": "relational-iqa spips 1", "reiqa": "reiqa-encoders 2"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small untrained weights of each system."""
    folder = tmp_path_factory.mktemp("weights")
    found = {name: folder / f"{name}.safetensors" for name in SYSTEMS}
    torch.manual_seed(0)
    save_pmos_weights(found["pmos"], PmosNetwork(TINY))
    save_spips_weights(found["spips"], SpipsNetwork(SpipsArchitecture(width=4, hidden=8)))
    reiqa.save_encoders(found["reiqa"], ReIQAEncoders(ResNet(18, 2), ResNet(18, 4)), half_precision=True)
    return found


def network_of(model: Any) -> nn.Module:
    return model.encoders if isinstance(model, reiqa.ReIQA) else model.network


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_loaded_network_is_frozen_in_eval_mode_and_says_where_it_is_from(system: str, files: dict[str, Path]) -> None:
    model = LOAD[system](files[system])
    network = network_of(model)
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())
    assert model.meta["name"] == system and model.meta["sha256"] == file_sha256(files[system])
    stored = read_tensors(files[system], FORMATS[system], "x", unset=("mos_range",))[0]
    state = network.state_dict()
    assert state.keys() == stored.keys()
    for name, value in state.items():
        assert not value.is_floating_point() or value.dtype == torch.float32
        torch.testing.assert_close(value, stored[name].to(value.dtype), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_device_that_is_not_there_is_named(system: str, files: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="device 'abacus' is not available here; there is cpu"):
        LOAD[system](files[system], device="abacus")


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("other", SYSTEMS)
def test_weights_of_another_system_are_refused_by_their_format(system: str, other: str, files: dict[str, Path]) -> None:
    if system == other:
        assert LOAD[system](files[other]).meta["name"] == other
        return
    with pytest.raises(UsageError, match=f"{other}.safetensors: is of format '{FORMATS[other]}'"):
        LOAD[system](files[other])


@pytest.mark.parametrize("system", SYSTEMS)
def test_tensors_that_do_not_fit_their_header_are_one_line(system: str, files: dict[str, Path], tmp_path: Path) -> None:
    tensors, facts, _ = read_tensors(files[system], FORMATS[system], "x", unset=("mos_range",))
    first = next(name for name, value in tensors.items() if value.ndim == 4)
    broken: list[tuple[dict[str, Any], Any]] = [
        ({**tensors, first: tensors[first][:1]}, facts),
        ({name: value for name, value in tensors.items() if name != first}, facts),
        (tensors, {}),
        (tensors, {name: {"nonsense": 1} for name in facts}),
    ]
    write_tensors(tmp_path / "list.safetensors", FORMATS[system], tensors, [1])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"list\.safetensors: its header cannot be read \(facts are list"):
        LOAD[system](tmp_path / "list.safetensors")
    for number, (changed, said) in enumerate(broken):
        path = tmp_path / f"{number}.safetensors"
        write_tensors(path, FORMATS[system], changed, said)
        with pytest.raises(UsageError, match=rf"{number}\.safetensors: tensors do not fit the architecture") as error:
            LOAD[system](path)
        assert "\n" not in str(error.value)
