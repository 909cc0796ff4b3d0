"""The page of an evaluation: what it shows is what the JSON has; the worst disagreements are those."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import save_image
from relational_iqa.benchmarks.metrics import METRICS, Answer, Loaded, QualityMetric, register
from tests.relational_iqa.benchmarks.test_evaluate import run


@pytest.fixture
def rated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two scenes of four grey images; people like bright ones, but for b<b>dark.png, which they like best. The metric
    `bright` is their mean, so it is wrong about that one alone."""
    monkeypatch.setattr("relational_iqa.benchmarks.metrics.METRICS", dict(METRICS))

    def bright(weights: str | None) -> Loaded:
        def score(image: Tensor, second: Tensor | None) -> Answer:
            return Answer(float(image.mean()), evidence=repr(float(image.mean())).encode())

        return Loaded(score, confidence=lambda a, b: 0.55 if abs(float(a) - float(b)) < 0.15 else 0.9)

    register(QualityMetric("bright", bright, True, (0, 1), "grey", False, "nothing", "test"))
    root = tmp_path / "set"
    root.mkdir()
    rows = ["image,score,scene,deviation"]
    for scene in ("s", "t"):
        for level in range(4):
            name = "b<b>dark.png" if (scene, level) == ("t", 0) else f"{scene}{level}.png"
            save_image(torch.full((3, 32, 40), 0.1 + 0.2 * level), root / name)
            rows.append(f"{name},{9 if name.startswith('b') else level},{scene},1")
    (root / "scores.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


class Closed(HTMLParser):
    """Fails on tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_shows_what_the_json_has_and_the_worst_pair(rated: Path, tmp_path: Path) -> None:
    run("csv", rated, "--metric", "bright", "--out", tmp_path / "page.html", "--json", tmp_path / "r.json",
        "--bootstrap", 30)  # fmt: skip
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    found = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["metrics"]["bright"]
    parser = Closed()
    parser.feed(page)
    assert parser.open == []
    assert f"{found['overall']['srcc']:.3f}".replace("-", "−") in page
    whole = found["verdicts_by_gap"][-1]
    assert (whole["right"], whole["wrong"], whole["pairs"]) == (9, 3, 12)
    assert "75 % right" in page and "right: 9 of 12" in page and "12 pairs" in page
    assert "bright names the image that people think better in 75 % of the 12 pairs" in page
    assert len(re.findall(r'class="points" d="(?:M[\d. ]+h0){8}"', page)) == 1
    assert "<small>90 % sure</small>" in page  # differences of .2 and more
    worst = page.split('id="worst"')[1]
    first = worst.split("</article>")[0]
    assert "t3.png" in first and "b&lt;b&gt;dark.png" in first and "<b>dark" not in page
    assert re.search(r"second better by 0\.[56]\d*, 90 % sure", first)
    assert "first better: 9 against 3, 6.0 deviations of opinion" in first
    assert worst.count("</article>") == 1  # the other wrong pairs have the same image
    assert worst.count("data:image/webp") == 2 and not re.search("https?:", page)


def test_a_set_without_scenes_pairs_the_overrated_with_the_underrated(rated: Path, tmp_path: Path) -> None:
    lines = (rated / "scores.csv").read_text(encoding="utf-8").splitlines()
    cut = ["image,score", *(",".join(line.split(",")[:2]) for line in lines[1:])]
    (rated / "scores.csv").write_text("\n".join(cut) + "\n", encoding="utf-8")
    run("csv", rated, "--metric", "bright", "--out", tmp_path / "page.html", "--bootstrap", 0)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    first = page.split('id="worst"')[1].split("</article>")[0]
    assert 'id="gaps"' not in page and "No two images show one scene" in page
    assert "second: b&lt;b&gt;dark.png" in first and "second better: 3 against 9" in first


def test_judged_pairs_have_a_page_too(tmp_path: Path, rated: Path) -> None:
    for part, grey in (("ref", 0.9), ("p0", 0.8), ("p1", 0.5)):
        (tmp_path / "mix" / part).mkdir(parents=True)
        for number in range(6):
            save_image(torch.full((3, 32, 32), grey), tmp_path / f"mix/{part}/{number:06d}.png")
    (tmp_path / "mix/judge").mkdir()
    for number in range(6):
        np.save(tmp_path / f"mix/judge/{number:06d}.npy", np.array([0.9 if number == 3 else 0.1], np.float32))
    run("bapps", tmp_path / "mix", "--partial", "--metric", "bright", "--out", tmp_path / "p.html", "--bootstrap", 25)
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "2AFC score" in page and "lead among people" in page and "one person against another" in page
    worst = page.split('id="worst"')[1]
    assert worst.count("</article>") == 1 and "p0/000003.png" in worst and "second better: 90 % of people" in worst


def test_a_page_is_called_html(rated: Path, tmp_path: Path) -> None:
    for name, said in (("page.pdf", "end its name with .html"), ("-", "'-' is for --json")):
        with pytest.raises(UsageError, match=said):
            run("csv", rated, "--metric", "bright", "--out", name)
