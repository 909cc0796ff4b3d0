"""riqa compare with two images: verdict, margin, report, JSON, mask and sizes that differ."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from relational_iqa import cli
from relational_iqa.results.comparison import Comparison
from tests.relational_iqa.commands.helpers import DEMO, BrightnessModel

SKYLINE = [str(DEMO / name) for name in ("skyline.jpg", "skyline.avif")]
REFERENCE = str(DEMO / "skyline_reference.webp")
LOBSTER = [str(DEMO / name) for name in ("lobster_nlm.webp", "lobster_median.webp")]


def test_compare_says_the_verdict_the_margin_with_its_unit_and_where_the_report_is(
    model: BrightnessModel, dark: str, bright: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, result = tmp_path / "new" / "report.html", tmp_path / "new" / "result.json"
    assert cli.main(["compare", dark, bright, "--out", str(report), "--json", str(result)]) == 0
    sentence, margin, where, where_json = capsys.readouterr().out.splitlines()
    assert sentence.startswith("dark.png is ") and sentence.endswith(".")
    assert margin.startswith("margin: +2.00 severity levels (positive: dark.png is better")
    assert where == f"report: {report}" and where_json == f"json: {result}"
    assert "<html" in report.read_text()
    content = json.loads(result.read_text())
    assert content["better"] == "a" and content["margin"] == pytest.approx(2)
    assert content["files"] == {"a": dark, "b": bright} and content["names"] == {"a": "dark.png", "b": "bright.png"}


def test_the_report_tells_what_the_files_are_and_with_full_size_how_large_it_will_be(
    model: BrightnessModel, dark: str, bright: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.html"
    assert cli.main(["compare", dark, bright, "--out", str(report), "--full-size"]) == 0
    assert capsys.readouterr().err == (
        f"writing {report.stat().st_size / 1e6:.1f} MB with every pixel of 2 images: {report}\n"
    )
    assert report.read_text().count("PNG, lossless, 8 bits a channel") == 2


def test_full_size_is_for_the_report_of_two_images(
    dark: str, bright: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compare", dark, bright, "--full-size"]) == 2
    assert "--full-size is for a report; add --out report.html" in capsys.readouterr().err
    assert cli.main(["compare", str(tmp_path), str(tmp_path), "--full-size"]) == 2
    assert "--full-size is for two images; with two folders leave it out" in capsys.readouterr().err


def test_a_reference_adds_both_qualities(
    model: BrightnessModel, dark: str, bright: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compare", dark, bright, "--reference", dark]) == 0
    assert "quality: dark.png -0.20, bright.png -0.40 (0 equals the reference)" in capsys.readouterr().out


def test_two_files_of_the_same_name_are_told_apart(
    model: BrightnessModel, dark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "dark.png"
    Image.new("RGB", (40, 30), (99, 99, 99)).save(other)
    assert cli.main(["compare", dark, str(other)]) == 0
    assert "A (dark.png)" in capsys.readouterr().out
    assert cli.main(["rank", dark, str(other)]) == 0
    assert str(other) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("swap", "confidence", "limit", "code", "said"),
    [
        (False, None, "0.5", 0, ""),  # a margin of +2
        (False, 0.6, "0.5", 0, ""),
        (False, 0.59, "0.5", 1, "margin +2.000 COUNTS is below --fail-below 0.5"),
        (False, 0.59, "0", 0, ""),
        (False, 0.59, "-0.1", 0, ""),
        (True, None, "-0.1", 1, "margin -2.000 is below --fail-below -0.1"),
        (True, 0.6, "-0.1", 1, "margin -2.000 is below --fail-below -0.1"),
        (True, 0.59, "-0.1", 0, "margin -2.000 COUNTS is not below --fail-below -0.1"),
        (True, 0.59, "0.5", 1, "margin -2.000 COUNTS is below --fail-below 0.5"),
        (True, 0.59, "-3", 0, ""),
    ],
)  # fmt: skip
def test_what_cannot_be_told_neither_fails_a_limit_below_zero_nor_meets_one_above(
    model: BrightnessModel, dark: str, bright: str, capsys: pytest.CaptureFixture[str],
    swap: bool, confidence: float | None, limit: str, code: int, said: str,
) -> None:  # fmt: skip
    model.confidence = confidence
    argv = ["compare", *([bright, dark] if swap else [dark, bright]), "--fail-below", limit]
    if code:
        with pytest.raises(SystemExit) as end:
            cli.main(argv)
        assert end.value.code == code
    else:
        assert cli.main(argv) == 0
    said = said.replace("COUNTS", "counts as 0 (cannot tell which image is better) and")
    assert capsys.readouterr().err == (f"riqa: {said}\n" if said else "")


def test_compare_says_how_sure_it_is(
    model: BrightnessModel, dark: str, bright: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model.confidence = 0.97
    assert cli.main(["compare", dark, bright]) == 0
    assert capsys.readouterr().out.startswith("dark.png is much better by 2.0 levels (97 % sure)")
    model.confidence = 0.55
    assert cli.main(["compare", dark, bright, "--json", "-"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith(
        "Cannot tell which of dark.png and bright.png is better (the first at 55 %, margin 2.0 levels)"
    )
    content = json.loads(said.out)
    assert content["better"] == "cannot tell" and content["told_margin"] == 0 and content["margin"] == pytest.approx(2)


def test_in_a_folder_each_pair_that_cannot_be_told_counts_as_zero(
    model: BrightnessModel, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, grey_a, grey_b in (("sure", 60, 50), ("doubtful", 90, 50), ("equal", 70, 70)):
        for folder, grey in (("new", grey_a), ("old", grey_b)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.new("RGB", (40, 30), (grey, grey, grey)).save(tmp_path / folder / f"{name}.png")
    compare = model.compare

    def doubtful(a: Any, b: Any, **options: Any) -> Comparison:
        result = compare(a, b, **options)
        return replace(result, confidence=0.5 if result.margin == 0 else 0.9 if result.margin > -1 else 0.55)

    monkeypatch.setattr(model, "compare", doubtful)
    mean, told = -10 * 50 / 255 / 3, -10 * 10 / 255 / 3
    table, result = tmp_path / "t.csv", tmp_path / "r.json"
    argv = ["compare", str(tmp_path / "new"), str(tmp_path / "old"), "--csv", str(table), "--json", str(result)]
    assert cli.main([*argv, "--fail-below", "-0.5"]) == 0
    said = capsys.readouterr()
    why = f"riqa: mean margin {mean:+.3f} counts as {told:+.3f} (cannot tell in 1 of 3 pairs, which count as 0)"
    assert said.err.splitlines()[-1] == f"{why} and is not below --fail-below -0.5"
    assert "pairs: new better in 0, 1 ties, old better in 1, cannot tell in 1" in said.out
    with pytest.raises(SystemExit):
        cli.main([*argv, "--fail-below", "-0.1"])
    assert capsys.readouterr().err.splitlines()[-1] == f"{why} and is below --fail-below -0.1"
    rows = {row["name"]: row for row in csv.DictReader(table.read_text().splitlines())}
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "sure": "b",
        "doubtful": "cannot tell",
        "equal": "tie",
    }
    assert {name: row["confidence"] for name, row in rows.items()} == {
        "sure": "0.9",
        "doubtful": "0.55",
        "equal": "0.5",
    }
    summary = json.loads(result.read_text())["summary"]
    assert summary["margin"]["told_mean"] == pytest.approx(told, abs=1e-6)
    assert summary["margin"]["mean"] == pytest.approx(mean, abs=1e-6)


def test_masks_and_rectangles_reach_the_model_rectangles_first(
    model: BrightnessModel, dark: str, bright: str, tmp_path: Path
) -> None:
    mask = Image.new("L", (40, 30))
    mask.paste(255, (0, 0, 20, 30))
    mask.save(tmp_path / "mask.png")
    argv = ["--mask", str(tmp_path / "mask.png"), "--roi", "10,2,16,20", "--roi", "0,0,40,16"]
    assert cli.main(["compare", dark, bright, *argv]) == 0
    assert [region.name for region in model.regions] == ["16 × 20 px at (10, 2)", "40 × 16 px at (0, 0)", "mask.png"]
    assert [region.box for region in model.regions] == [(10, 2, 16, 20), (0, 0, 40, 16), (0, 0, 20, 30)]
    assert [region.mask is None for region in model.regions] == [True, True, False]


@pytest.mark.parametrize(("align", "size"), [("resize", (60, 50)), ("crop", (30, 40))])
def test_align_brings_images_of_different_sizes_together_in_the_report_too(
    model: BrightnessModel, dark: str, tmp_path: Path, align: str, size: tuple[int, int]
) -> None:
    Image.new("RGB", (50, 60), (90, 90, 90)).save(tmp_path / "large.png")
    report, result = tmp_path / "r.html", tmp_path / "r.json"
    argv = ["compare", dark, str(tmp_path / "large.png"), "--align", align, "--out", str(report), "--json", str(result)]
    assert cli.main(argv) == 0
    assert json.loads(result.read_text())["size"] == {"width": size[1], "height": size[0]} and report.exists()


def test_riqa_compare_prefers_avif_to_jpeg_of_the_same_size_and_writes_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, result = tmp_path / "report.html", tmp_path / "result.json"
    argv = ["compare", *SKYLINE, "--reference", REFERENCE, "--out", str(report), "--json", str(result)]
    assert cli.main(argv) == 0
    said = capsys.readouterr()
    assert said.err == "" and said.out.startswith("skyline.avif is ") and f"report: {report}" in said.out
    content = json.loads(result.read_text())
    assert content["better"] == "b" and content["has_reference"] and max(content["quality"].values()) < 0
    page = report.read_text()
    assert len(page) > 100_000 and 'src="http' not in page and "skyline.avif" in page


def test_riqa_compare_without_reference_gives_a_verdict_and_swapping_negates_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    contents = []
    for pair in (LOBSTER, LOBSTER[::-1]):
        assert cli.main(["compare", *pair, "--json", "-"]) == 0
        contents.append(json.loads(capsys.readouterr().out))
    assert contents[0]["margin"] == pytest.approx(-contents[1]["margin"], rel=1e-6)
    assert contents[0]["quality"] is None and contents[0]["axes"]
