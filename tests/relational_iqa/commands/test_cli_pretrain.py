"""riqa pretrain: values of its file and of the command line, and one clear line for what is wrong with them."""

import sys
from dataclasses import make_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from relational_iqa import cli
from relational_iqa.training.pmos.pretrain import PmosConfig
from tests.relational_iqa.commands.helpers import Refusal

ROOT = Path(__file__).parents[3]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What pretraining was asked for; it trains nothing."""
    calls: list[Any] = []
    module = ModuleType("relational_iqa.training.pixel_perfect.pretrain")

    def pretrain(config: Any, resume: str = "auto") -> Path:
        calls.append((config, resume))
        return Path("w.safetensors")

    def parse_config(values: dict[str, Any]) -> Any:
        return make_dataclass("Config", values)(**values)

    module.__dict__.update(pretrain=pretrain, parse_config=parse_config)
    monkeypatch.setitem(sys.modules, "relational_iqa.training.pixel_perfect.pretrain", module)
    return calls


def test_pretrain_reads_the_file_and_replaces_values(runs: list[Any], tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    out = str(tmp_path / "run")
    config.write_text(f"name: tiny\nout: {out}\nscoring: {{steps: 10, learning_rate: 1.0e-3}}\n")
    argv = ["pretrain", "--config", str(config), "scoring.steps=20", "name=small", "--resume", "never"]
    assert cli.main(argv) == 0
    assert cli.main(["pretrain", "--config", str(config), "scoring.max_seconds=1.5"]) == 0
    (first, resume), (second, default) = runs
    scoring = {"steps": 20, "learning_rate": 0.001}
    assert vars(first) == {"name": "small", "out": out, "scoring": scoring} and resume == "never"
    assert second.scoring["max_seconds"] == 1.5 and second.name == "tiny" and default == "auto"


def test_pretrain_trains_pmos_where_the_file_says_so(
    runs: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], refusal: Refusal
) -> None:
    asked: list[tuple[PmosConfig, str]] = []

    def train(config: PmosConfig, resume: str) -> Path:
        asked.append((config, resume))
        return Path("pmos.safetensors")

    monkeypatch.setattr("relational_iqa.training.pmos.pretrain.pretrain_pmos", train)
    smoke = ["pretrain", "--config", str(ROOT / "experiments/pmos/smoke.yaml")]
    assert cli.main([*smoke, "pmos.steps=7"]) == 0
    assert capsys.readouterr().out == f"weights: {Path('pmos.safetensors').resolve()}\n"
    assert "colour" in refusal(*smoke, "pmos.colour=red")
    assert [(config.pmos.steps, resume) for config, resume in asked] == [(7, "auto")] and runs == []


def test_pretrain_names_a_wrong_file_or_override(runs: list[Any], tmp_path: Path, refusal: Refusal) -> None:
    good, bad, text = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "list.yaml"
    good.write_text("scoring: {steps: 10}\nname: x\n")
    bad.write_text("a: [1,\n")
    text.write_text("- 1\n")
    assert "no.yaml: no such file" in refusal("pretrain", "--config", "no.yaml")
    assert "bad.yaml: is not YAML" in refusal("pretrain", "--config", str(bad))
    assert "expected a YAML mapping" in refusal("pretrain", "--config", str(text))
    assert "expected key=value" in refusal("pretrain", "--config", str(good), "steps")
    assert "has no section 'scorin'" in refusal("pretrain", "--config", str(good), "scorin.steps=3")
    assert "has no section 'name'" in refusal("pretrain", "--config", str(good), "name.steps=3")
    assert "the value of name: is not YAML" in refusal("pretrain", "--config", str(good), "name=[1")
    assert runs == []
