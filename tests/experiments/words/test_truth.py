"""The command: runs on two manipulations, writes its files, refuses what it does not know."""

import json
from pathlib import Path

import pytest

import relational_iqa
from experiments.words import truth
from relational_iqa.systems.pixel_perfect import RelationalIQA


def test_the_command_measures_two_manipulations(
    random_model: RelationalIQA, photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relational_iqa, "load", lambda weights: random_model)
    out = tmp_path / "out"
    arguments = ["--photos", str(photo_folder), "--out", str(out), "--only", "JPEG 99,grey block of 16", "--crop", "64"]
    assert truth.main([*arguments, "--pictures"]) == 0
    result = json.loads((out / "result.json").read_text())
    assert result["about"]["manipulations"] == ["grey block of 16 px", "JPEG 99"]
    assert len(result["about"]["photos"]) == 1 and result["about"]["left_out"] == 0
    rows = {row["name"]: row for row in result["rows"]}
    assert rows["winner, with reference"]["samples"] == "1 pairs of 1 edits"
    assert len((out / "sentences.csv").read_text().splitlines()) == 5
    assert "grey block of 16 px" in (out / "sentences.md").read_text()
    assert len(list((out / "pictures").iterdir())) == len(result["failures"])


def test_an_unknown_manipulation_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert truth.main(["--only", "melting", "--out", str(tmp_path)]) == 2
    assert "no manipulation has 'melting' in its name" in capsys.readouterr().err


def test_without_shared_photographs_those_of_the_tests_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    assert [path.name for path in truth._photos(None, said.append)] == ["photo_1.png", "photo_2.png", "photo_3.png"]
    assert "training photographs" in said[0]
