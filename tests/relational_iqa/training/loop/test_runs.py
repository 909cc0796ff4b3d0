"""The options of a run, and its end: weights and their card, by one process."""

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from distortion_engine.errors import UsageError
from relational_iqa.storage.cards import WeightCard, read_card
from relational_iqa.training.loop import runs
from relational_iqa.training.loop.runs import facts_of_run, parse_run, write_trained


@dataclass(frozen=True)
class Config:
    name: str = "mine"
    steps: int = 2


@dataclass(frozen=True)
class Section:
    seed: int = 0
    mapped: bool = True


@dataclass(frozen=True)
class Sections:
    first: Section = field(default_factory=Section)
    more: list[Section] = field(default_factory=list)
    film: bool = False
    limit: float | None = None
    rate: float = 1.0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"film": 3}, "film is 3; expected true or false"),
        ({"film": "yes"}, "film is 'yes'; expected true or false"),
        ({"film": None}, "film is null; leave it out"),
        ({"rate": None}, "rate is null; leave it out"),
        ({"first": None}, "first is null; leave it out"),
        ({"first": 3}, "first is 3; expected options, as in Section"),
        ({"first": []}, "first is []; expected options, as in Section"),
        ({"more": [[]]}, "more is [[]]; expected options, as in Section"),
        ({"first": {"mapped": 1}}, "first.mapped is 1; expected true or false"),
        ({"first": {"seed": 2.5}}, "first.seed is 2.5; expected int"),
        ({"more": [{"seed": None}]}, "more.seed is null"),
        ({"more": [{"mapped": "no"}]}, "more.mapped is 'no'; expected true or false"),
    ],
)
def test_a_value_that_no_option_is_is_refused_by_its_name(values: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=f"^config: {re.escape(said)}"):
        parse_run(Sections, values)


def test_what_an_option_may_be_is_taken() -> None:
    found = parse_run(Sections, {"limit": None, "film": True, "rate": "1e-3", "more": [{"seed": 4}], "first": {}})
    assert found == Sections(Section(), [Section(4)], True, None, 0.001)


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
