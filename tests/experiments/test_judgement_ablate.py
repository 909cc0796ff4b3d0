"""The ablation of the judgement: each variant is the run with one change, and all are measured on the same rows."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import experiments.judgement.ablate as command
from distortion_engine.errors import UsageError
from experiments.judgement.ablate import variant_config
from experiments.pixel_perfect.table import Row
from relational_iqa.training.pixel_perfect.judgement_pretrain import JudgementConfig

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "experiments/judgement/ablation.yaml"


@pytest.fixture
def settings() -> dict[str, Any]:
    return yaml.safe_load(CONFIG.read_text(encoding="utf-8"))


def test_every_variant_of_the_config_is_a_run_with_its_one_change(settings: dict[str, Any]):
    runs = {name: variant_config(settings["run"], name, change) for name, change in settings["variants"].items()}
    assert len({run.out for run in runs.values()}) == len(runs) > 5
    whole, *_ = runs.values()
    assert runs["backbone from nothing"].backbone == "" and whole.backbone == "backbone-lite0"
    assert runs["full size alone"].architecture.half_taps == 0 and whole.architecture.half_taps == 4
    assert runs["no outputs of algorithms"].sources == whole.sources[1:]
    assert runs["outputs of algorithms alone"].sources == whole.sources[:1]
    deeper = runs["backbone EfficientNet-Lite1"].architecture.backbone
    assert (deeper.depth, deeper.taps) == (1.1, whole.architecture.backbone.taps)
    assert all(run.heads == whole.heads for run in runs.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": {"colour": 1}}, "no 'colour' that could be changed"),
        ({"drop_sources": [0, 1]}, "has 2 sources"),
        ({"drop_sources": [5]}, "has 2 sources"),
    ],
)
def test_changes_that_cannot_be_are_refused(settings: dict[str, Any], change: dict[str, Any], message: str):
    with pytest.raises(UsageError, match=message):
        variant_config(settings["run"], "odd", change)


def test_the_variants_that_are_named_are_trained_and_measured(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    trained: list[JudgementConfig] = []
    monkeypatch.setattr(command, "pretrain_judgement", lambda run: trained.append(run) or Path(run.name))
    monkeypatch.setattr("relational_iqa.load", lambda weights: weights)
    monkeypatch.setattr(
        command, "measure", lambda model, *rest: [Row("outputs", 0.5 + 0.1 * len(trained), "some pairs", 0.9, "share")]
    )
    names = "full size alone;backbone from nothing"
    options = ["--config", str(CONFIG), "--photos", str(photo_folder), "--out", str(tmp_path), "--variants", names]
    assert command.main([*options, "run.heads.steps=7"]) == 0
    assert [run.name for run in trained] == ["full-size-alone", "backbone-from-nothing"]
    assert all(run.heads.steps == 7 for run in trained)
    table = capsys.readouterr().out
    assert "| full size alone | 60.0 % " in table and "| backbone from nothing | 70.0 % " in table
    kept = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert [rows[0]["value"] for rows in kept["rows"].values()] == [0.6, 0.7]
    assert command.main([*options[:-1], "none such"]) == 2 and "none such" in capsys.readouterr().err
