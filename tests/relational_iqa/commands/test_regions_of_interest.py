"""--roi and --mask as a user gives them: a line, an entry in the JSON and a row of the report for each region."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

import relational_iqa
from relational_iqa import cli


@pytest.fixture
def files(tmp_path: Path, random_model: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """a.png; b.png, blurred on the left; ref.png; eye.png, a disc on the right."""
    monkeypatch.setattr(relational_iqa, "load", lambda *_, **__: random_model)
    noise = np.random.default_rng(1).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    picture = Image.fromarray(noise).resize((128, 96), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "ref.png")
    Image.eval(picture, lambda value: value // 2).save(tmp_path / "a.png")
    blurred = Image.open(tmp_path / "a.png")
    blurred.paste(blurred.filter(ImageFilter.GaussianBlur(3)).crop((0, 0, 60, 96)), (0, 0))
    blurred.save(tmp_path / "b.png")
    mask = Image.new("L", (128, 96))
    ImageDraw.Draw(mask).ellipse((70, 20, 120, 70), fill=255)
    mask.save(tmp_path / "eye.png")
    return tmp_path


def test_compare_answers_the_picture_then_each_region(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, out, mask = (str(files / name) for name in ("a.png", "b.png", "r.html", "eye.png"))
    argv = ["compare", a, b, "--roi", "0,0,56,96", "--mask", mask, "--out", out, "--json", str(files / "r.json")]
    assert cli.main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    found = json.loads((files / "r.json").read_text())
    left, eye = found["rois"]
    assert left["name"] == "56 × 96 px at (0, 0)" and eye["name"] == "eye.png"
    assert eye["box"] == {"left": 70, "top": 20, "width": 51, "height": 51} and 0.1 < eye["share"] < 0.2
    assert left["margin"] != found["margin"] and eye["margin"] == 0
    assert lines[2].startswith(f"56 × 96 px at (0, 0) (43.8 % of the picture, margin {left['margin']:+.2f}): ")
    assert lines[3].endswith("a.png and b.png are identical.")
    page = (files / "r.html").read_text(encoding="utf-8")
    rows = page.split('id="rois"')[1].split("</table>")[0]
    assert [name in rows for name in ("whole picture", "56 × 96 px at (0, 0)", "eye.png")] == [True] * 3
    assert "A and B are identical." in rows
    assert cli.main(["compare", a, b, "--out", out]) == 0
    assert 'id="rois"' not in (files / "r.html").read_text(encoding="utf-8")


def test_the_limit_holds_for_every_region_and_not_for_the_rest(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, mask = (str(files / name) for name in ("a.png", "b.png", "eye.png"))
    left = ["--roi", "0,0,56,96"]
    assert cli.main(["compare", a, b, *left, "--json", str(files / "r.json")]) == 0
    margin = json.loads((files / "r.json").read_text())["rois"][0]["margin"]
    worse = [b, a] if margin > 0 else [a, b]
    assert cli.main(["compare", *worse, "--mask", mask, "--fail-below", "-0.01"]) == 0
    capsys.readouterr()
    with pytest.raises(SystemExit, match="1"):
        cli.main(["compare", *worse, "--mask", mask, *left, "--fail-below", f"{-abs(margin) / 2}"])
    assert "margin of 56 × 96 px at (0, 0)" in capsys.readouterr().err


def test_rank_and_score_answer_regions_too(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, reference, mask = (str(files / name) for name in ("a.png", "b.png", "ref.png", "eye.png"))
    common = ["--reference", reference, "--mask", mask, "--json", str(files / "x.json")]
    assert cli.main(["score", a, b, *common]) == 0
    scores = json.loads((files / "x.json").read_text())["scores"]
    of_eye = [score["rois"][0]["quality"] for score in scores]
    assert of_eye[0] == of_eye[1] != scores[0]["quality"] and scores[0]["quality"] != scores[1]["quality"]
    assert capsys.readouterr().out.count("eye.png (") == 2
    assert cli.main(["rank", a, b, *common]) == 0
    (part,) = json.loads((files / "x.json").read_text())["rois"]
    assert part["name"] == "eye.png" and [entry["score"] for entry in part["ranking"]] == of_eye
    assert "\neye.png (" in capsys.readouterr().out
    assert cli.main(["rank", a, b, *common, "--out", str(files / "league.html")]) == 0
    page = (files / "league.html").read_text(encoding="utf-8")
    assert "eye.png (16.5 % of the picture)" in page.split('id="rois"')[1].split("</table>")[0]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--roi", "1,2,3"], "expected x,y,width,height"),
        (["--roi", "100,0,64,64"], "128x96"),
        (["--mask", "black.png"], "black everywhere"),
        (["--mask", "none.png"], "none.png"),
        (["--roi", "0,0,64,64", "--align", "auto"], "registering crops the pictures"),
    ],
)
def test_a_region_that_is_none_is_refused_in_one_line(
    files: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    Image.new("L", (128, 96)).save("black.png")
    assert cli.main(["compare", "a.png", "b.png", *argv]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_score_without_a_reference_knows_no_regions(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["score", str(files / "a.png"), "--roi", "0,0,56,96"]) == 2
    assert "--roi 0,0,56,96 is for single images with --reference" in capsys.readouterr().err


def test_several_regions_stand_in_a_file_of_options(files: Path) -> None:
    (files / "o.yaml").write_text("roi: ['0,0,56,96', '60,0,40,40']\nmask: eye.png\n")
    from relational_iqa.commands.parser import parse

    _, options = parse(cli.COMMANDS, ["compare", "a", "b", "--config", str(files / "o.yaml"), "--roi", "1,1,20,20"])
    assert list(options.roi) == ["0,0,56,96", "60,0,40,40", "1,1,20,20"] and list(options.mask) == ["eye.png"]
