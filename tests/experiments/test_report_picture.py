"""The picture of a report for README and docs: anyone with Chromium can make it anew, without it one line says how."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from experiments.docs_pictures import report

ROOT = Path(__file__).resolve().parents[2]


def test_the_report_in_the_picture_is_that_of_make_demo() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    first = makefile.split("riqa compare", 1)[1].split("--out", 1)[0]
    assert [Path(word).name for word in first.split() if "." in Path(word).name] == [*report.PAIR, report.REFERENCE]
    assert all((report.DEMO / name).is_file() for name in (*report.PAIR, report.REFERENCE))


def test_the_picture_in_the_docs_has_the_size_that_the_command_gives() -> None:
    size = tuple(round(report.SCALE * side) for side in report.WINDOW_PX)
    with Image.open(ROOT / "docs" / "report.png") as picture:
        assert picture.size == size


def test_without_a_browser_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert report.main(["--out", str(tmp_path / "x.png")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "apt install chromium" in said.err


def test_a_browser_that_makes_no_picture_is_named_with_what_it_said(tmp_path: Path, monkeypatch: Any) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho out of luck >&2\n")
    broken.chmod(0o755)
    page = tmp_path / "page.html"
    page.write_text("<p>hello")
    with pytest.raises(report.UsageError, match="made no picture of .*page.html; it said: out of luck"):
        report.screenshot(page, tmp_path / "x.png", str(broken))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chromium", "page.html"]


def test_a_page_becomes_a_picture_of_its_top(tmp_path: Path) -> None:
    try:
        browser = report.find_browser()
    except report.UsageError as missing:
        pytest.skip(str(missing))
    page = tmp_path / "page.html"
    page.write_text("<style>body{margin:0;background:#1166dd;height:9000px}</style>")
    picture = Image.open(report.screenshot(page, tmp_path / "x.png", browser))
    assert picture.size == tuple(round(report.SCALE * side) for side in report.WINDOW_PX)
    assert picture.getcolors() == [(picture.width * picture.height, (0x11, 0x66, 0xDD))]
