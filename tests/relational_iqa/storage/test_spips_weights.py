"""Weights of SPIPS come back as they were written, older ones too; foreign ones are named."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite
from relational_iqa.networks.spips import SpipsNetwork
from relational_iqa.networks.spips_stages import StageSpips
from relational_iqa.storage.backbone_weights import save_backbone_weights
from relational_iqa.storage.spips_weights import FORMAT, load_spips_weights, save_spips_weights, take_backbone
from relational_iqa.storage.tensor_file import read_tensors, write_tensors
from relational_iqa.systems import spips
from tests.relational_iqa.networks.small_stages import small_stage_spips

RandomSpips = Callable[..., SpipsNetwork]


@pytest.fixture(scope="module")
def network(random_spips: RandomSpips, versions: list[Tensor]) -> SpipsNetwork:
    return random_spips()


def test_weights_come_back_as_they_were_written(network: SpipsNetwork, versions: list[Tensor], tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    digest = save_spips_weights(path, network, "12 rated images")
    back, meta = load_spips_weights(path)
    assert meta == {"name": "mine", "path": str(path), "sha256": digest, "opinions": "12 rated images"}
    assert back.architecture == network.architecture and not any(p.requires_grad for p in back.parameters())
    pair = versions[1][None], versions[0][None]
    assert (back(*pair) == network(*pair)).all()
    assert spips.load(path).quality(versions[1], versions[0]) == pytest.approx(network(*pair).item(), abs=1e-6)


def test_weights_say_where_their_shares_come_from_and_those_that_do_not_take_the_pair(
    random_spips: RandomSpips, versions: list[Tensor], tmp_path: Path
) -> None:
    pair = versions[1][None], versions[0][None]
    for source in ("pair", "reference"):
        network = random_spips(shares_from=source)
        save_spips_weights(tmp_path / f"{source}.safetensors", network)
        back, _ = load_spips_weights(tmp_path / f"{source}.safetensors")
        assert back.architecture.shares_from == source and (back(*pair) == network(*pair)).all()
    network = random_spips()
    older = {name: value for name, value in asdict(network.architecture).items() if name != "shares_from"}
    write_tensors(tmp_path / "older.safetensors", FORMAT.name, network.state_dict(), {"architecture": older})
    back, meta = load_spips_weights(tmp_path / "older.safetensors")
    assert back.architecture == network.architecture and (back(*pair) == network(*pair)).all()
    assert meta["opinions"] == "none"
    unknown = older | {"shares_from": "test"}
    write_tensors(tmp_path / "newer.safetensors", FORMAT.name, network.state_dict(), {"architecture": unknown})
    with pytest.raises(UsageError, match="newer.safetensors.*shares_from 'test'"):
        load_spips_weights(tmp_path / "newer.safetensors")


def test_foreign_or_missing_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(UsageError, match="broken"):
        spips.load(path)
    with pytest.raises(UsageError, match="riqa-small.*format|no weights"):
        spips.load("riqa-small")
    with pytest.raises(UsageError, match="absent"):
        spips.load("absent")


@pytest.fixture
def on_a_backbone(versions: list[Tensor], tmp_path: Path) -> tuple[StageSpips, Path]:
    """A network, and the file of the backbone that it was given."""
    network = small_stage_spips(versions)
    path = tmp_path / "backbone.safetensors"
    save_backbone_weights(path, network.comparison.backbone)
    take_backbone(network, str(path))
    return network, path


def test_weights_on_a_backbone_name_it_and_come_back_as_they_were(
    on_a_backbone: tuple[StageSpips, Path], versions: list[Tensor], tmp_path: Path
) -> None:
    network, backbone = on_a_backbone
    path = tmp_path / "mine.safetensors"
    save_spips_weights(path, network)
    back, _ = load_spips_weights(path)
    pair = versions[1][None], versions[0][None]
    assert isinstance(back, StageSpips) and back.architecture == network.architecture
    assert back.backbone_source == network.backbone_source and (back(*pair) == network(*pair)).all()
    assert not [name for name in read_tensors(path, FORMAT.name, "", FORMAT.unset).tensors if "backbone" in name]
    network.backbone_source = None
    save_spips_weights(tmp_path / "whole.safetensors", network)
    backbone.unlink()
    whole, _ = load_spips_weights(tmp_path / "whole.safetensors")
    assert (whole(*pair) == network(*pair)).all()


def test_weights_whose_backbone_is_another_one_now_are_refused_with_the_remedy(
    on_a_backbone: tuple[StageSpips, Path], tmp_path: Path
) -> None:
    network, backbone = on_a_backbone
    path = tmp_path / "mine.safetensors"
    save_spips_weights(path, network)
    with torch.no_grad():
        network.comparison.backbone.stem.weight.mul_(2)
    save_backbone_weights(backbone, network.comparison.backbone)
    with pytest.raises(UsageError, match="mine.safetensors.*trained on the backbone.*riqa fit-spips"):
        load_spips_weights(path)


def test_a_backbone_without_the_stages_is_refused(versions: list[Tensor], tmp_path: Path) -> None:
    short = EfficientNetLite(BackboneArchitecture(width=0.25, taps=(0, 2)))
    save_backbone_weights(tmp_path / "short.safetensors", short)
    with pytest.raises(UsageError, match=r"short.safetensors.*stages"):
        take_backbone(small_stage_spips(versions), str(tmp_path / "short.safetensors"))
