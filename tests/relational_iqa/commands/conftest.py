"""Fixtures of the tests of the commands: a model that needs no weights, two images, what a refusal looks like."""

from pathlib import Path

import pytest
from PIL import Image

import relational_iqa
from relational_iqa import cli
from tests.relational_iqa.commands.helpers import BrightnessModel, Refusal


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> BrightnessModel:
    """The stand-in, in place of the shipped weights."""
    stand_in = BrightnessModel()
    monkeypatch.setattr(relational_iqa, "load", lambda weights=None: stand_in, raising=False)
    return stand_in


@pytest.fixture
def dark(tmp_path: Path) -> str:
    Image.new("RGB", (40, 30), (50, 50, 50)).save(tmp_path / "dark.png")
    return str(tmp_path / "dark.png")


@pytest.fixture
def bright(tmp_path: Path) -> str:
    Image.new("RGB", (40, 30), (101, 101, 101)).save(tmp_path / "bright.png")
    return str(tmp_path / "bright.png")


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]) -> Refusal:
    """The one line on stderr of a command that must end with exit code 2 and print nothing else."""

    def refused(*argv: str) -> str:
        assert cli.main(argv) == 2
        said = capsys.readouterr()
        assert said.out == "" and said.err.startswith("riqa: ") and said.err.count("\n") == 1
        return said.err

    return refused
