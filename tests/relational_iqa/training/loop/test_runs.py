"""The end of a run: weights and their card, by one process."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from relational_iqa.storage.cards import WeightCard, read_card
from relational_iqa.training.loop import runs
from relational_iqa.training.loop.runs import facts_of_run, write_trained


@dataclass(frozen=True)
class Config:
    name: str = "mine"
    steps: int = 2


def write(path: Path) -> str:
    path.write_bytes(b"weights")
    return "the hash is not taken from here"


def card() -> WeightCard:
    ended = [{"stage": "one", "seconds": 2.4, "checkpoint": "x.pt"}, {"stage": "two", "seconds": 1.2}]
    return WeightCard(licence="free", data="two photographs", command="make", **facts_of_run(Config(), "abc", ended))


def test_a_run_leaves_its_weights_and_a_card_with_its_facts(tmp_path: Path) -> None:
    path = write_trained(tmp_path / "mine.safetensors", write, card())
    told = json.loads(path.with_suffix(".json").read_text())
    assert path.read_bytes() == b"weights" and told["name"] == "mine" and told["git_commit"] == "abc"
    assert told["config"] == {"name": "mine", "steps": 2} and told["seconds"] == 4
    assert told["stages"] == [{"stage": "one", "seconds": 2.4}, {"stage": "two", "seconds": 1.2}]


def test_of_several_processes_only_the_first_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "is_first_process", lambda: False)
    path = write_trained(tmp_path / "mine.safetensors", write, card())
    assert path == tmp_path / "mine.safetensors" and list(tmp_path.iterdir()) == []


def test_the_card_of_equal_weights_goes_on_naming_the_run_that_made_them(tmp_path: Path) -> None:
    path = write_trained(tmp_path / "mine.safetensors", write, card())
    write_trained(path, write, replace(card(), git_commit="def", hardware="another machine", seconds=0))
    assert read_card(path)["git_commit"] == "abc" and read_card(path)["seconds"] == 4
    write_trained(path, write, replace(card(), git_commit="def", data="three photographs"))
    assert read_card(path)["git_commit"] == "def" and read_card(path)["data"] == "three photographs"
    write_trained(path, lambda path: str(path.write_bytes(b"others")), replace(card(), data="three photographs"))
    assert read_card(path)["git_commit"] == "abc"
    path.with_suffix(".json").write_text("[" * 100_000)
    write_trained(path, write, card())
    assert read_card(path)["git_commit"] == "abc"
