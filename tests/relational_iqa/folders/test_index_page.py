"""The index page of two folders: what it says, how it is sorted, what it links."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from distortion_engine.catalog import AXES
from relational_iqa import cli
from relational_iqa.folders import index_page
from relational_iqa.folders.comparison import Row
from relational_iqa.folders.index_page import histogram, mean_said, write_index
from relational_iqa.folders.pairing import Pair
from relational_iqa.folders.summary import Estimate, summarise
from tests.relational_iqa.commands.helpers import BrightnessModel
from tests.relational_iqa.report.pages import Page

LABELS = ("new", "old")


def row(name: str, margin: float, confidence: float | None = 0.9, verdict: Any = None, sentence: str = "Said.") -> Row:
    verdict = verdict or ("a" if margin >= 0.1 else "b" if margin <= -0.1 else "tie")
    axes = {axis.name: 0.0 for axis in AXES}
    pair = Pair(name, Path("a"), Path("b"))
    return Row(pair, "", verdict, margin, None, None, (4, 4), axes, sentence, confidence)


BAD = Row(Pair("bad", Path("a"), Path("b")), "b.png: is empty")
ROWS = [
    row("x 1", 0.8, 0.99), row("<b>", -1.24, 0.8, sentence="Worse & worse."), row("tie", 0.05, 0.7),
    row("unknown", -0.3, 0.55, "cannot tell"), row("y", 0.33), BAD,
]  # fmt: skip


def written(folder: Path, rows: list[Row], **more: Any) -> str:
    path = write_index(folder, LABELS, rows, summarise(rows, 2), **more)
    assert path == folder / "index.html"
    return path.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")


def test_pairs_stand_worst_first_with_the_better_folder_by_name_and_links_to_reports(tmp_path: Path) -> None:
    pictures = {"<b>": ("data:image/webp;base64,AAAA", "data:image/webp;base64,BBBB")}
    text = written(tmp_path, ROWS, reports={"<b>": "1-<b> & #%.html"}, pictures=pictures)
    page = Page(text)
    assert re.findall(r'<tr data-name="([^"]*)"', text) == ["&lt;b&gt;", "unknown", "tie", "y", "x 1"]
    rows = re.findall(
        r'<td class="verdict"><span class="([^"]+)">([^<]+)</span></td>\s*<td class="num">([^<]+)</td>', text
    )
    assert rows == [
        ("word-b", "old", "by 1.2 levels"), ("quiet", "cannot tell", "0.3 levels apart"),
        ("quiet", "equally good", "0.05 levels apart"), ("word-a", "new", "by 0.3 levels"),
        ("word-a", "new", "by 0.8 levels"),
    ]  # fmt: skip
    (link,) = {tag["href"] for tag in page.all("a")}
    assert link is not None and unquote(link) == "1-<b> & #%.html" and "#" not in link and "/" not in link
    assert [tag["alt"] for tag in page.all("img")] == ["<b> of new", "<b> of old"] and "Worse & worse." in page.text
    assert "http" not in text.replace("http-equiv", "") and not page.open


def test_the_whole_is_said_first_and_what_is_missing_last(tmp_path: Path) -> None:
    text = written(tmp_path, ROWS, only_a=["lost.png"], only_b=["1.png", "2.png"], facts=[("Version", "7")])
    said = Page(text).text
    summary = summarise(ROWS, 2)
    assert summary is not None and f"<h1>{summary.verdict(LABELS)}</h1>" in text
    assert [int(n) for n in re.findall(r"<b(?: class=\"[^\"]+\")?>(\d+)</b>", text)] == [2, 1, 1, 1]
    assert "Could not be compared: 1" in said and "bad : b.png: is empty" in said
    assert "In new, without a partner: 1 lost.png" in said and "In old, without a partner: 2 1.png 2.png" in said
    assert "Version 7" in said and "5 pairs compared, 1 failed, files without a partner: 3" in said


def test_a_run_in_which_every_pair_failed_has_a_page_that_says_so(tmp_path: Path) -> None:
    text = written(tmp_path, ROWS[-1:])
    assert "<h1>No pair could be compared.</h1>" in text and 'id="pairs"' not in text and "is empty" in text


def test_the_mean_and_its_interval_name_the_folder_that_is_ahead() -> None:
    said = [
        mean_said(Estimate(mean, interval), LABELS).replace("\N{NO-BREAK SPACE}", " ")
        for mean, interval in ((0.8, (0.72, 0.88)), (-0.8, (-0.88, -0.72)), (0.1, (-0.2, 0.4)), (-0.3, None))
    ]
    assert said == [
        "new ahead by 0.80 levels on the mean; 95 % interval: by 0.72 to 0.88",
        "old ahead by 0.80 levels on the mean; 95 % interval: by 0.72 to 0.88",
        "new ahead by 0.10 levels on the mean; 95 % interval: from old ahead by 0.20 levels "
        "to new ahead by 0.40 levels",
        "old ahead by 0.30 levels on the mean",
    ]


def test_the_histogram_counts_every_pair_once_on_its_side() -> None:
    bars = histogram(ROWS[:5])
    assert len(bars) % 2 == 0 and bars[0].high == pytest.approx(bars[-1].high) and bars[0].high >= 1.24
    assert sum(bar.told for bar in bars) == 3 and sum(bar.untold for bar in bars) == 2
    for one in ROWS[:5]:
        side = "a" if one.margin > 0 else "b"
        (found,) = [bar for bar in bars if bar.side == side and bar.low <= abs(one.margin) < bar.high]
        assert found.told + found.untold >= 1
    assert [bar.side for bar in bars] == ["a"] * (len(bars) // 2) + ["b"] * (len(bars) // 2)
    assert max(bar.height for bar in bars) == 1 and histogram([]) == []
    far = histogram([row("far", -100.0)])
    assert len(far) == 42 and far[-1].told == 1


def test_only_the_worst_pairs_have_thumbnails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_page, "MOST_THUMBNAILS", 2)
    pictures = {one.pair.name: ("data:,a", "data:,b") for one in ROWS}
    text = written(tmp_path, ROWS, pictures=pictures)
    assert text.count("<img") == 4 and "Thumbnails are there for the worst 2." in text


def test_the_command_writes_the_page_beside_the_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import relational_iqa

    monkeypatch.setattr(relational_iqa, "load", lambda weights=None: BrightnessModel(0.9))
    for folder, greys in (("new", (60, 80)), ("old", (90, 70))):
        for name, grey in zip(("x", "city/y z"), greys, strict=True):
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((30, 40, 3), grey, np.uint8)).save(path)
    out = tmp_path / "out"
    argv = ["compare", str(tmp_path / "new"), str(tmp_path / "old"), "--out", str(out), "--worst", "1", "--json", "-"]
    assert cli.main(argv) == 0
    said = capsys.readouterr()
    assert f"page of all pairs: {out / 'index.html'}" in said.err and f'"index": "{out / "index.html"}"' in said.out
    page = Page((out / "index.html").read_text(encoding="utf-8"))
    assert len(page.all("img")) == 4
    assert {unquote(tag["href"] or "") for tag in page.all("a")} == {"1-city-y z.html"}
    report = Page((out / "1-city-y z.html").read_text(encoding="utf-8"))
    assert [tag["href"] for tag in report.all("a") if tag["href"] == "index.html"] == ["index.html"]


def test_a_click_sorts_and_a_link_opens_the_report(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "1-<b> & #%.html").write_text("<title>the report</title>")
    written(tmp_path, ROWS, reports={"<b>": "1-<b> & #%.html"})
    browser.view(400, 800, dark=True)
    browser.open((tmp_path / "index.html").as_uri())
    names = "Array.from(document.querySelectorAll('#pairs tbody tr')).map(r => r.dataset.name)"
    assert browser.run("document.documentElement.scrollWidth") <= 400
    browser.click("[data-sort='name']")
    assert browser.run(names) == ["<b>", "tie", "unknown", "x 1", "y"]
    browser.click("[data-sort='name']")
    assert browser.run(names) == ["y", "x 1", "unknown", "tie", "<b>"]
    browser.click("[data-sort='confidence']")
    assert browser.run(names) == ["unknown", "tie", "<b>", "y", "x 1"]
    assert browser.run("document.querySelectorAll('#pairs [aria-sort]').length") == 1
    small = browser.run(
        "Array.from(document.querySelectorAll('main *'))"
        ".filter(e => parseFloat(getComputedStyle(e).fontSize) < 11).length"
    )
    assert small == 0 and browser.errors == []
    browser.click("#pairs a")
    browser.wait("document.title === 'the report'")
