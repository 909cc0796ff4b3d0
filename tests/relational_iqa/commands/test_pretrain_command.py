"""riqa pretrain: values of its file and of the command line, and one clear line for what is wrong with them."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from relational_iqa import cli


def refusal(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line on stderr of a command that must end with exit code 2 and print nothing else."""
    assert cli.main(argv) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("riqa: ") and said.err.count("\n") == 1
    return said.err


# pretrain


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What pretraining was asked for; it trains nothing."""
    calls: list[Any] = []
    module = ModuleType("relational_iqa.training.pixel_perfect.pretrain")

    def pretrain(config: Any, resume: str = "auto") -> Path:
        calls.append((config, resume))
        return Path("w.safetensors")

    module.__dict__.update(pretrain=pretrain, parse_config=lambda values: SimpleNamespace(**values))
    monkeypatch.setitem(sys.modules, "relational_iqa.training.pixel_perfect.pretrain", module)
    return calls


def test_pretrain_reads_the_file_and_replaces_values(runs: list[Any], tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("name: tiny\nscoring: {steps: 10, learning_rate: 1.0e-3}\n")
    argv = ["pretrain", "--config", str(config), "scoring.steps=20", "name=small", "--resume", "never"]
    assert cli.main(argv) == 0
    assert cli.main(["pretrain", "--config", str(config), "scoring.max_seconds=1.5"]) == 0
    (first, resume), (second, default) = runs
    assert vars(first) == {"name": "small", "scoring": {"steps": 20, "learning_rate": 0.001}} and resume == "never"
    assert second.scoring["max_seconds"] == 1.5 and second.name == "tiny" and default == "auto"


def test_pretrain_names_a_wrong_file_or_override(
    runs: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, text = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "list.yaml"
    good.write_text("scoring: {steps: 10}\nname: x\n")
    bad.write_text("a: [1,\n")
    text.write_text("- 1\n")
    assert "no.yaml: no such file" in refusal(capsys, "pretrain", "--config", "no.yaml")
    assert "bad.yaml: is not YAML" in refusal(capsys, "pretrain", "--config", str(bad))
    assert "expected a YAML mapping" in refusal(capsys, "pretrain", "--config", str(text))
    assert "expected key=value" in refusal(capsys, "pretrain", "--config", str(good), "steps")
    assert "has no section 'scorin'" in refusal(capsys, "pretrain", "--config", str(good), "scorin.steps=3")
    assert "has no section 'name'" in refusal(capsys, "pretrain", "--config", str(good), "name.steps=3")
    assert "the value is not YAML" in refusal(capsys, "pretrain", "--config", str(good), "name=[1")
    assert runs == []
