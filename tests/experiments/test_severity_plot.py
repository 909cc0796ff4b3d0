"""The plot of the severity curves: one panel a distortion, the same bytes every time, wrong input in one line."""

import json
from pathlib import Path

import pytest
from PIL import Image

from experiments.severity import plot

NAMES = ("jpeg", "gaussian_blur", "sr_aliased")


def test_a_curve_is_drawn_for_every_name_the_same_every_time(tmp_path: Path):
    curves = json.loads(plot.CURVES.read_text())["curves"]
    for name in ("1.svg", "2.svg", "1.png"):
        assert plot.plot(curves, tmp_path / name, NAMES) == len(NAMES)
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()
    text = (tmp_path / "1.svg").read_text()
    assert all(name in text for name in NAMES) and "SHARPNESS" in text and "100 - quality" in text
    with Image.open(tmp_path / "1.png") as picture:
        assert picture.width == pytest.approx(len(NAMES) * plot.PANEL_INCHES[0] * plot.DPI, abs=2)


def test_the_band_and_a_missing_curve_change_the_picture(tmp_path: Path):
    curves = json.loads(plot.CURVES.read_text())["curves"]
    pictures = []
    narrow = json.loads(json.dumps(curves["jpeg"]))
    narrow["measured"]["p10"] = narrow["measured"]["p90"]
    for number, curve in enumerate(({"jpeg": curves["jpeg"]}, {"jpeg": narrow}, {})):
        plot.plot(curve, tmp_path / f"{number}.png", ("jpeg",))
        pictures.append((tmp_path / f"{number}.png").read_bytes())
    assert len(set(pictures)) == 3


def test_wrong_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "other.json").write_text("{}")
    out = str(tmp_path / "s.png")
    cases = [
        (["--out", str(tmp_path / "s.jpg")], ".png or .svg"),
        (["--out", out, "--distortions", "jpg"], "did you mean jpeg"),
        (["--out", out, "--curves", str(tmp_path / "none.json")], "none.json"),
        (["--out", out, "--curves", str(tmp_path / "bad.json")], "bad.json"),
        (["--out", out, "--curves", str(tmp_path / "other.json")], "other.json"),
    ]
    for argv, said in cases:
        assert plot.main(argv) == 2
        line = capsys.readouterr().err
        assert said in line and line.count("\n") == 1
    assert not (tmp_path / "s.png").exists()
