"""The README of the engine: its code runs, its tables are complete, and its amounts are amounts we have."""

import re
from pathlib import Path

import pytest

from distortion_engine.catalog import DISTORTIONS
from experiments.benchmarks.numpy_baseline import BANK

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "distortion_engine" / "README.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Cells of the table under a heading, a list a row, without its head."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip(" |") for cell in line] for line in lines[2:]]


@pytest.mark.parametrize(("heading", "count"), [("KADID-10k", 25), ("TID2013", 24)])
def test_every_type_of_the_data_set_is_listed_once_and_mapped_to_a_distortion_we_have(heading: str, count: int):
    table = rows(heading)
    assert [int(row[0].split()[0]) for row in table] == list(range(1, count + 1))
    for row in table:
        names = re.findall(r"`(\w+)`", row[2] if heading == "KADID-10k" else row[1])
        assert names and set(names) <= set(DISTORTIONS), row


@pytest.mark.parametrize(("tag", "heading", "column"), [("KADID", "KADID-10k", 2), ("TID", "TID2013", 1)])
def test_what_the_catalogue_says_of_a_type_and_what_the_readme_says_agree(tag: str, heading: str, column: int):
    listed = {int(row[0].split()[0]): set(re.findall(r"`(\w+)`", row[column])) for row in rows(heading)}
    for name, spec in DISTORTIONS.items():
        for number in re.findall(rf"{tag} (\d+)", spec.source):
            assert name in listed[int(number)], (name, number)


def test_amounts_are_those_of_the_benchmark_and_those_beyond_a_ladder_are_bold():
    cells = {re.findall(r"`(\w+)`", row[2])[0]: row[3] for row in rows("KADID-10k")}
    for kind in BANK:
        text = cells.get(kind.ours, "")
        if not text.startswith(("=", "~")) or "up" in text:
            continue
        first = re.split(r"[;(]", text[1:])[0]
        bold = [float(value) for value in re.findall(r"\*\*([\d.]+)\*\*", first)]
        plain = [
            float(value)
            for value in re.findall(r"\d+(?:\.\d+)?", re.sub(r"\*\*[^*]*\*\*|at 512 x 384|none", "", first))
        ]
        top = DISTORTIONS[kind.ours].ladder[-1]
        assert plain == pytest.approx(list(kind.amounts[: len(plain)])) and plain[-1] <= top, kind.ours
        assert all(value > top for value in bold), kind.ours


def test_the_code_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code is not None
    photo = ROOT / "tests" / "images" / "photo_1.png"
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    exec(code[1].replace("tests/images/photo_1.png", str(photo)), scope)  # the shipped text itself
    assert (tmp_path / "sheet.png").is_file()
