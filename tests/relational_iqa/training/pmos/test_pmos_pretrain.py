"""`riqa pretrain` of pMOS: its configs, and what a run starts from, is averaged with and writes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

import relational_iqa.systems.pmos as pmos
from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from distortion_engine.jobs.safe_files import file_sha256
from relational_iqa.networks.pmos_network import PmosNetwork
from relational_iqa.storage.pmos_weights import save_pmos_weights
from relational_iqa.training.pmos import pretrain as pmos_pretrain
from relational_iqa.training.pmos.pretrain import PmosConfig, parse_pmos_config, pretrain_pmos

ROOT = Path(__file__).parents[4]
CONFIGS = [ROOT / f"experiments/pmos/{name}.yaml" for name in ("cpu", "smoke", "gpu")]


def values_of(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_is_understood(path: Path) -> None:
    config = parse_pmos_config(values_of(path))
    assert config.name == values_of(path)["name"] and config.pmos.steps > 0
    assert all(source.data.size_px % 16 == 0 for source in config.sources)
    assert sum(source.per_batch for source in config.sources) == config.pmos.batch_size


@pytest.mark.parametrize(("key", "value"), [("colour", "red"), ("pmos", {"steps": 3}), ("name", None), ("sources", [])])
def test_wrong_or_missing_key_is_named(key: str, value: Any) -> None:
    values = values_of(CONFIGS[1]) | {key: value}
    with pytest.raises(UsageError, match="batch_size|learning_rate" if key == "pmos" else key):
        parse_pmos_config(values)


def test_a_source_without_sets_in_a_batch_is_refused() -> None:
    values = values_of(CONFIGS[1])
    values["sources"][0]["per_batch"] = 0
    with pytest.raises(UsageError, match="per_batch is 0"):
        parse_pmos_config(values)


@pytest.fixture
def tiny(tmp_path: Path, tiny_sets: StoredSets, monkeypatch: pytest.MonkeyPatch) -> PmosConfig:
    """The smoke config with invented sets, a random backbone and a few steps."""
    monkeypatch.setattr(pmos_pretrain, "training_sets", lambda *_: tiny_sets)
    values = values_of(CONFIGS[1]) | {
        "out": str(tmp_path / "run"),
        "backbone": "",
        "cells_dir": str(tmp_path / "cells"),
    }
    values["architecture"] = {"backbone_width": 0.1, "width": 8, "deep": 8, "hidden": 8, "embedding": 4}
    values["sources"][0]["data"] |= {"photos": str(ROOT / "tests/images")}
    values["pmos"] |= {"steps": 3, "log_every": 3, "panel_every": 2, "checkpoint_every": 1}
    return parse_pmos_config(values)


def test_run_writes_weights_that_score_and_a_card(tiny: PmosConfig, versions: list[Tensor]) -> None:
    path = pretrain_pmos(tiny)
    model = pmos.load(path)
    result = model.score(versions[0])
    assert result.opinions == "none" and result.meta["weights"] == "pmos-smoke" and result.doubt is not None
    assert float(model.network.doubt.factor) != 1  # calibrated
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["sha256"] == file_sha256(path) and "no human score" in card["data"]
    assert "backbone from nothing" in card["data"]
    assert card["stages"][0]["stage"] == "pmos" and card["stages"][0]["steps"] == 3
    assert parse_pmos_config(card["config"]) == tiny and card["config"]["system"] == "pmos"
    assert pretrain_pmos(tiny).read_bytes() == path.read_bytes()


def test_run_goes_on_from_given_weights_with_their_scales(tiny: PmosConfig, tmp_path: Path) -> None:
    path = pretrain_pmos(tiny)
    still = replace(tiny.pmos, steps=1, learning_rate=1e-12, warmup_steps=0)
    after = pretrain_pmos(replace(tiny, start_from=str(path), out=str(tmp_path / "more"), pmos=still))
    again = pmos.load(after).network.state_dict()
    for name, value in pmos.load(path).network.state_dict().items():
        torch.testing.assert_close(again[name], value, rtol=0, atol=1e-6, msg=name)


def test_run_does_not_go_on_from_weights_that_hold_opinions(
    tiny: PmosConfig, network: PmosNetwork, tmp_path: Path
) -> None:
    path = tmp_path / "fitted.safetensors"
    save_pmos_weights(path, network, "12 rated images of here")
    with pytest.raises(UsageError, match="fitted to 12 rated images of here; expected opinion-unaware"):
        pretrain_pmos(replace(tiny, start_from=str(path)))


def test_run_is_averaged_with_others_from_the_same_start(
    tiny: PmosConfig, network: PmosNetwork, tmp_path: Path
) -> None:
    first = pretrain_pmos(tiny)
    other = replace(tiny, out=str(tmp_path / "other"), pmos=replace(tiny.pmos, steps=2))
    second = pretrain_pmos(other)
    averaged = pretrain_pmos(replace(other, average_with=[str(first)], out=str(tmp_path / "mean")))
    one, two, mean = (pmos.load(path).network.state_dict() for path in (first, second, averaged))
    told = ("doubt.factor", "head.named_from")  # found out anew, of the mean
    assert any(not torch.equal(one[name], two[name]) for name in one if name not in told)
    for name in one:
        if name not in told:
            torch.testing.assert_close(mean[name], (one[name] + two[name]) / 2, rtol=0, atol=1e-6, msg=name)
    card = json.loads(averaged.with_suffix(".json").read_text())
    assert f"averaged with the weights {file_sha256(first)[:8]}" in card["data"]

    path = tmp_path / "foreign.safetensors"
    save_pmos_weights(path, network)
    with pytest.raises(UsageError, match="average_with .*foreign.safetensors: has another"):
        pretrain_pmos(replace(other, average_with=[str(path)], out=str(tmp_path / "none")))
