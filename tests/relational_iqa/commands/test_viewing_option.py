"""--viewing as a user gives it: in the text, the JSON and the report of compare, rank and score."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import relational_iqa
from relational_iqa import cli

SAID = "120 pixels per degree; compared at 60, 30, 15 per degree, which count 0.20 : 0.41 : 0.40"


@pytest.fixture
def files(tmp_path: Path, random_model: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(relational_iqa, "load", lambda *_, **__: random_model)
    for seed, name in enumerate(("a.png", "b.png", "ref.png")):
        pixels = np.random.default_rng(seed).integers(0, 256, (96, 128, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_compare_says_the_condition_everywhere(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["compare", "a.png", "b.png", "--json", "r.json", "--out", "r.html"]
    assert cli.main([*argv, "--viewing", "120", "--roi", "0,0,64,96"]) == 0
    assert f"\nviewing: {SAID}\n" in capsys.readouterr().out
    found = json.loads((files / "r.json").read_text())
    assert found["viewing"] == SAID and found["size"] == {"width": 64, "height": 48}
    assert found["rois"][0]["box"] == {"left": 0, "top": 0, "width": 64, "height": 96}
    assert SAID in (files / "r.html").read_text(encoding="utf-8")
    assert "a.png and b.png: seen at 120 pixels per degree, as 64x48 px" in found["sentence"]
    assert cli.main(argv) == 0
    assert "viewing" not in capsys.readouterr().out
    found = json.loads((files / "r.json").read_text())
    assert found["viewing"] == "pixel-peep" and found["size"] == {"width": 128, "height": 96}
    assert "pixel-peep: every pixel counts" in (files / "r.html").read_text(encoding="utf-8")


def test_rank_and_score_say_it_too(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["a.png", "b.png", "--reference", "ref.png", "--viewing", "120", "--json", "x.json"]
    for command in ("rank", "score"):
        assert cli.main([command, *common]) == 0
        assert f"viewing: {SAID}" in capsys.readouterr().out
        assert json.loads((files / "x.json").read_text())["viewing"] == "120"
    scores = [score["quality"] for score in json.loads((files / "x.json").read_text())["scores"]]
    assert cli.main(["rank", *common[:-2], "--json", "y.json", "--out", "y.html"]) == 0
    ranking = json.loads((files / "y.json").read_text())["ranking"]
    assert sorted(entry["score"] for entry in ranking) == pytest.approx(sorted(scores), abs=1e-4)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["compare", "a.png", "b.png", "--viewing", "tv"], "viewing tv: expected phone, desktop, pixel-peep"),
        (["compare", "a.png", "b.png", "--viewing", "5"], "from 20 to 1000"),
        (["compare", "a.png", "b.png", "--viewing", "900"], "too little to be judged"),
        (["score", "a.png", "--viewing", "phone"], "--viewing phone needs --reference"),
    ],
)
def test_bad_conditions_are_refused_in_one_line(
    files: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_two_folders_are_compared_under_a_condition(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, name in (("new", "a.png"), ("old", "b.png")):
        (files / folder).mkdir()
        (files / folder / "x.png").write_bytes((files / name).read_bytes())
    assert cli.main(["compare", "new", "old", "--viewing", "120", "--json", "f.json"]) == 0
    assert "\nviewing: 120\n" in capsys.readouterr().out
    assert cli.main(["compare", "a.png", "b.png", "--viewing", "120", "--json", "p.json"]) == 0
    folders, pair = (json.loads((files / name).read_text()) for name in ("f.json", "p.json"))
    assert folders["pairs"][0]["margin"] == pytest.approx(pair["margin"]) and folders["viewing"] == "120"
