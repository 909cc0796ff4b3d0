"""Families left out in turn: runs are those of the config without one family, and each is measured on that family."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import experiments.judgement.families as command
from distortion_engine.errors import UsageError
from experiments.judgement.families import FAMILIES, left_out
from experiments.pixel_perfect.real_outputs import RealOutputs
from relational_iqa.training.data.training_sets import DataConfig
from relational_iqa.training.pixel_perfect.judgement_pretrain import JudgementConfig, parse_judgement_config

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config() -> JudgementConfig:
    return parse_judgement_config(yaml.safe_load((ROOT / "experiments/judgement/cpu.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_differs_in_its_name_folder_and_the_family_that_its_outputs_lack(config: JudgementConfig, family: str):
    run = left_out(config, family, Path("out"))
    assert run.name == f"without-{family}" and Path(run.out) == Path("out") / family
    outputs, others = run.sources[:2]
    assert outputs.data == replace(config.sources[0].data, without_families=[family])
    assert outputs.data.options().without_families == (family,) and others == config.sources[1]
    same = {"sources": config.sources, "name": config.name, "out": config.out}
    assert replace(run, **same) == config


def test_stored_sets_are_used_without_the_family_beside_what_was_left_out_before(config: JudgementConfig):
    stored = DataConfig(sets_folder="sets", without_families=["guided"])
    run = left_out(replace(config, sources=[replace(config.sources[0], data=stored)]), "bm3d", Path("out"))
    assert run.sources[0].data == replace(stored, without_families=["guided", "bm3d"])


def test_unknown_families_and_runs_without_algorithms_are_refused(config: JudgementConfig):
    with pytest.raises(UsageError, match="'bm4d' is unknown"):
        left_out(config, "bm4d", Path("out"))
    with pytest.raises(UsageError, match="no source has sets of restoration_outputs"):
        left_out(replace(config, sources=config.sources[1:]), "bm3d", Path("out"))


def test_every_family_is_trained_without_and_measured_on_its_own_pairs(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error_model: Any,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    trained: list[JudgementConfig] = []
    asked: list[tuple[str, int]] = []

    def train(run: JudgementConfig) -> Path:
        trained.append(run)
        return Path(run.out) / f"{run.name}.safetensors"

    def measure(model: Any, photos: list[Path], sets: int, *, seed: int, log: Any, family: str) -> RealOutputs:
        asked.append((family, sets))
        return RealOutputs(alone=[[True] * 9, [family != "neural"]], asked=20)

    monkeypatch.setattr(command, "pretrain_judgement", train)
    monkeypatch.setattr(command, "measure_real_outputs", measure)
    monkeypatch.setattr("relational_iqa.load", lambda weights: error_model)
    out, name = tmp_path / "out", "smoke.yaml"
    options = ["--config", str(ROOT / "experiments/judgement" / name), "--photos", str(photo_folder), "--sets", "2"]
    assert command.main([*options, "--out", str(out), "--beside", "riqa-judged", "heads.steps=3"]) == 0
    assert [run.name for run in trained] == [f"without-{family}" for family in FAMILIES]
    assert all(run.heads.steps == 3 and Path(run.out).parent == out for run in trained)
    assert asked == [(family, 2) for family in FAMILIES for _ in range(2)]
    rows = json.loads((out / "result.json").read_text(encoding="utf-8"))["rows"]
    required = [row for row in rows if row["must"] is not None]
    assert [row["value"] for row in required] == [1.0, 1.0, 0.9, 1.0] and len(rows) == 8
    assert {(row["must"], row["aim"]) for row in required} == {(0.88, 0.93)}
    table = capsys.readouterr().out
    assert "neural left out of training** | 90.0 % " in table and "10 of 20 pairs with an output of it" in table
    assert table.count("· weights error") == 4 and "4 of 4 requirements hold" in table


def test_bad_options_are_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    options = ["--config", str(ROOT / "experiments/judgement/smoke.yaml"), "--out", str(tmp_path)]
    assert command.main([*options, "--families", "bm4d"]) == 2
    assert "'bm4d' is unknown" in capsys.readouterr().err
