"""The command riqa: what it prints and writes, and one clear line with exit code 2 for whatever is wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import relational_iqa
from distortion_engine.catalog import AXES
from distortion_engine.errors import UsageError
from relational_iqa import cli
from relational_iqa.results.comparison import Comparison, Ranking, Score
from relational_iqa.results.map import Map


class BrightnessModel:
    """Stands in for the networks: the darker image is the better one by ten times the difference of means."""

    def __init__(self) -> None:
        self.masks: list[Any] = []

    def compare(self, a: Any, b: Any, reference: Any = None, **options: Any) -> Comparison:
        assert a.shape == b.shape
        self.masks.append(options.get("mask"))
        difference = float(b.mean() - a.mean())
        maps = {axis.name: np.zeros(a.shape[1:], np.float32) for axis in AXES}
        maps["brightness"] += np.float32(difference)
        quality = (-float(a.mean()), -float(b.mean())) if reference is not None else (None, None)
        field = np.full(a.shape[1:], 10 * difference, np.float32)
        return Comparison(
            10 * difference,
            {name: Map.from_array(values) for name, values in maps.items()},
            Map.from_array(field),
            Map.from_array(np.ones_like(field)),
            reference is not None,
            *quality,
            options.get("names", ("A", "B")),
        )

    def score(self, image: Any, reference: Any) -> Score:
        result = self.compare(reference, image, reference)
        return Score(-abs(result.margin), Map.from_array(-np.abs(result.local_margin)), result.intensities, result.maps)

    def rank(self, images: list[Any], reference: Any = None) -> Ranking:
        means = [float(image.mean()) for image in images]
        order = sorted(range(len(images)), key=means.__getitem__)
        gaps = [10 * (means[j] - means[i]) for i, j in zip(order, order[1:], strict=False)]
        pairwise = 10 * (np.array(means)[None] - np.array(means)[:, None])
        return Ranking(order, [str(i) for i in order], gaps, None, pairwise)


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


def refusal(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line on stderr of a command that must end with exit code 2 and print nothing else."""
    assert cli.main(argv) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("riqa: ") and said.err.count("\n") == 1
    return said.err


# compare, rank, score


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


def test_json_on_stdout_is_json_alone(
    model: BrightnessModel, dark: str, bright: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv in (
        ["compare", dark, bright, "--reference", dark, "--json", "-"],
        ["rank", dark, bright, "--json", "-"],
        ["score", bright, "--reference", dark, "--json", "-"],
    ):
        assert cli.main(argv) == 0
        said = capsys.readouterr()
        assert isinstance(json.loads(said.out), dict) and said.err != ""


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


def test_the_mask_reaches_the_model(model: BrightnessModel, dark: str, bright: str, tmp_path: Path) -> None:
    mask = Image.new("L", (40, 30))
    mask.paste(255, (0, 0, 20, 30))
    mask.save(tmp_path / "mask.png")
    assert cli.main(["compare", dark, bright, "--mask", str(tmp_path / "mask.png")]) == 0
    (seen,) = model.masks
    assert seen.shape == (3, 30, 40) and torch.equal(seen.pixels()[0, 0], (torch.arange(40) < 20).float())


def test_rank_orders_best_first_by_file_name(
    model: BrightnessModel, dark: str, bright: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["rank", bright, dark]) == 0
    assert capsys.readouterr().out.startswith("dark.png is best, then bright.png (")


def test_score_says_a_sentence_for_each_image(
    model: BrightnessModel, dark: str, bright: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["score", bright, dark, "--reference", dark]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("bright.png is ") and second.startswith("dark.png is identical")


@pytest.mark.parametrize(("align", "size"), [("resize", (30, 40)), ("crop", (30, 40))])
def test_align_brings_images_of_different_sizes_together_in_the_report_too(
    model: BrightnessModel, dark: str, tmp_path: Path, align: str, size: tuple[int, int]
) -> None:
    Image.new("RGB", (50, 60), (90, 90, 90)).save(tmp_path / "large.png")
    report, result = tmp_path / "r.html", tmp_path / "r.json"
    argv = ["compare", dark, str(tmp_path / "large.png"), "--align", align, "--out", str(report), "--json", str(result)]
    assert cli.main(argv) == 0
    assert json.loads(result.read_text())["size"] == {"width": size[1], "height": size[0]} and report.exists()


# What is refused


def test_bad_images_are_one_line_naming_the_file(
    model: BrightnessModel, dark: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello\nworld\n")
    (tmp_path / "cut.png").write_bytes(Path(dark).read_bytes()[:60])
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (41, 30)).save(tmp_path / "wide.png")
    bad = {"empty.png": "is empty", "text.png": "is not an image", "cut.png": "is damaged or cut short"}
    bad |= {"dot.png": "1x1 px", "missing.png": "no such file", "wide.png": "--align resize or --align crop"}
    for name, said in bad.items():
        path = str(tmp_path / name)
        for argv in (["compare", dark, path], ["rank", dark, path], ["score", dark, "--reference", path]):
            message = refusal(capsys, *argv)
            assert path in message and said in message
    assert "is a folder" in refusal(capsys, "compare", dark, str(tmp_path))
    assert "--max-pixels 1200" in refusal(capsys, "compare", dark, dark, "--max-pixels", "1199")


def test_wrong_usage_is_one_line(dark: str, capsys: pytest.CaptureFixture[str]) -> None:
    cases: list[tuple[list[str], str]] = [
        ([], "compare,rank,score,generate,pretrain"),
        (["compere"], "invalid choice: 'compere'"),
        (["compare", dark], "required: compare.b"),
        (["compare", dark, dark, "--align", "stretch"], "choose from 'resize', 'crop'"),
        (["compare", dark, dark, "--max-pixels", "many"], "max_pixels"),
        (["compare", dark, dark, "--max-pixels", "0"], "max_pixels"),
        (["compare", dark, dark, "--nope"], "--nope"),
        (["rank", dark], "give two or more"),
        (["score", dark, "--align", "crop"], "needs --reference"),
        (["generate", "photos", "out"], "sets"),
        (["generate", "photos", "out", "--sets", "3", "--split", "half"], "choose from 'all', 'train', 'held_out'"),
        (["pretrain"], "config"),
    ]
    for argv, said in cases:
        assert said in refusal(capsys, *argv)


def test_an_input_is_never_written_over(
    model: BrightnessModel, dark: str, bright: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(bright).read_bytes()
    assert "is an input or given twice" in refusal(capsys, "rank", "--json", bright, dark, bright)
    assert "is an input or given twice" in refusal(capsys, "compare", dark, bright, "--out", bright)
    assert "is a folder" in refusal(capsys, "compare", dark, bright, "--out", str(tmp_path))
    new = str(tmp_path / "new")
    assert "given twice" in refusal(capsys, "compare", dark, bright, "--out", new, "--json", new)
    assert Path(bright).read_bytes() == before


def test_an_output_that_cannot_be_written_is_one_line(
    model: BrightnessModel, dark: str, bright: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--json", "--out"):
        assert cli.main(["compare", dark, bright, option, f"{dark}/below/x"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("riqa: ") and said.count("\n") == 1 and dark in said


def test_usage_errors_of_the_parts_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dark: str
) -> None:
    def load(weights: str | None = None) -> None:
        raise UsageError(f"{weights}: no such weights;\nuse the shipped ones")

    monkeypatch.setattr(relational_iqa, "load", load, raising=False)
    assert "w.bin: no such weights; use" in refusal(capsys, "compare", dark, dark, "--weights", "w.bin")
