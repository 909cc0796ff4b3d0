"""The pages hold together: links lead somewhere, files that are named exist, the index is complete, inline commands and
the tables of keys name what there is."""

import argparse
import importlib
import re
from dataclasses import fields
from pathlib import Path

import pytest

from distortion_engine.catalog import AXES
from distortion_engine.generation.catalog_sheet import SAMPLE_PHOTO, reference_tile
from distortion_engine.reading.image_io import load_image
from distortion_engine.recipe import SET_KINDS
from distortion_engine.severity import CONSENSUS_METRICS
from experiments.docs_pictures import make as pictures
from relational_iqa import cli
from relational_iqa.commands.parser import Parser
from relational_iqa.networks.pixel_perfect import Architecture
from relational_iqa.results.words.margins import MARGIN_WORDS
from relational_iqa.results.words.strengths import STRENGTH_WORDS
from relational_iqa.training.data.training_sets import DataConfig
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.pixel_perfect.pretrain import PretrainConfig

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "THIRD_PARTY.md")), *DOCS]
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub makes of the headings of a page."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@EACH
def test_every_link_leads_to_a_file_and_a_heading(page: Path):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for link in (link for link in links if not link.startswith("http")):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@EACH
def test_every_file_of_ours_that_is_named_exists(page: Path):
    text = page.read_text(encoding="utf-8")
    roots = "distortion_engine|relational_iqa|experiments|tests|docs"
    for name in re.findall(rf"`((?:{roots})/[\w./*-]+)`", text):
        assert list(ROOT.glob(name.rstrip("/"))), f"{page.name}: {name}"


def test_the_index_lists_every_page_once():
    listed = re.findall(r"^\| (.*?) \|", (ROOT / "docs/README.md").read_text(encoding="utf-8"), re.M)
    names = [name for cell in listed for name in re.findall(r"\(([\w-]+\.md)\)", cell)]
    assert sorted(names) == sorted(page.name for page in DOCS if page.name != "README.md")


class Built(Exception):
    """Raised where a module would parse: the parser is there."""


def options_of(module: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The option strings of the parser that the `main` of an experiment builds."""
    known: set[str] = set()

    def note(self: argparse.ArgumentParser, *arguments: object) -> None:
        known.update(string for action in self._actions for string in action.option_strings)
        raise Built

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", note)
        with pytest.raises(Built):
            folder = (ROOT / module.replace(".", "/")).is_dir()
            importlib.import_module(f"{module}.__main__" if folder else module).main()
    return known


@EACH
def test_inline_commands_name_commands_modules_and_options_that_exist(page: Path, monkeypatch: pytest.MonkeyPatch):
    text = " ".join(page.read_text(encoding="utf-8").split())
    for command in re.findall(r"`riqa ([^`]*)`", text):
        name, *words = command.split()
        if name.isupper() or name == "--version":  # riqa COMMAND --help
            continue
        assert name in cli.COMMANDS, command
        parser = Parser()
        cli.COMMANDS[name].add_options(parser)
        known = {string for action in parser._actions for string in action.option_strings}
        assert {word for word in words if word.startswith("--")} <= known, command
    for module, rest in re.findall(r"`python -m (experiments[\w.]+)([^`]*)`", text):
        asked = {word for word in rest.split() if word.startswith("--")}
        assert asked <= options_of(module, monkeypatch), (module, rest)


def test_the_keys_of_a_run_are_in_the_tables_and_no_others():
    page = (ROOT / "docs/training-on-own-photos.md").read_text(encoding="utf-8")
    tables = [part.split("\n\n")[0] for part in re.split(r"^\| key \|", page, flags=re.M)[1:]]
    first = [[line.split(" | ")[0] for line in table.splitlines()[2:]] for table in tables]
    run, trainer = ({name for cell in cells for name in re.findall(r"`([\w.*]+)`", cell)} for cells in first)
    assert trainer == {field.name for field in fields(TrainConfig)}
    sections = {"data": DataConfig, "architecture": Architecture}
    expected = {field.name for field in fields(PretrainConfig)} - set(sections) - {"distortion", "scoring"}
    expected |= {f"{name}.{field.name}" for name, kind in sections.items() for field in fields(kind)}
    assert run == expected | {"distortion.*", "scoring.*"}


def test_the_pictures_of_the_concepts_show_what_they_say(tmp_path: Path):
    made = pictures.make(tmp_path, tile_px=64)
    assert {path.name for path in made} == {path.name for path in (ROOT / "docs/concepts").iterdir()}
    assert all(path.stat().st_size > 1000 for path in made)
    assert tuple(ranked.kind for ranked, _ in pictures.examples()) == SET_KINDS
    _, (noise, blocking) = pictures.relation(reference_tile(load_image(SAMPLE_PHOTO), 64))
    assert noise[2].min() < -0.5 and noise[2].max() == 0  # A is noisier: negative
    assert blocking[2].min() > 0.5  # B is blockier: positive


def test_the_words_of_axes_and_margins_are_those_of_the_program():
    page = (ROOT / "docs/concepts.md").read_text(encoding="utf-8")
    for axis in AXES:
        assert f"| `{axis.name}` | {axis.more} | {axis.less} |" in page
    for head, words in (
        ("| margin, either sign", MARGIN_WORDS),
        ("| intensity of a defect | in words", STRENGTH_WORDS),
    ):
        table = page.split(head)[1].split("\n\n")[0]
        rows = re.findall(r"^\| (?:below )?([\d.]+)[^|]*\| ([^|:]+)", table, re.M)
        bounds = [entry.below for entry in words[:-1]]
        assert [said.strip() for _, said in rows] == [entry.word for entry in words]
        assert [float(number) for number, _ in rows] == [bounds[0], *bounds]


@pytest.mark.parametrize("name", ["concepts.md", "architecture.md", "how-the-numbers-were-made.md"])
def test_the_metrics_of_the_consensus_are_named(name: str):
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    named = re.findall(r"(?:consensus of|judge \(|metrics \()\s*((?:[A-Za-z]*[A-Z]{2}[\w-]*(?:, | and )?)+)", page)
    assert named
    for metrics in named:
        listed = {metric.lower().replace("-", "_") for metric in re.split(", | and ", metrics)}
        assert listed == set(CONSENSUS_METRICS), metrics


README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "docs/results.md").read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 900


def test_the_rows_of_the_results_are_those_that_the_experiment_wrote() -> None:
    written = (ROOT / "experiments/pixel_perfect/README.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in RESULTS.splitlines() if line.startswith("| **")]
    assert len(rows) > 10 and set(rows) <= set(written)


def test_the_numbers_of_the_readme_stand_in_the_results() -> None:
    rows = re.findall(r"^\| \w.* \|$", README.split("## How good is it?")[1].split("\n## ")[0], re.M)[1:]
    numbers = [number for row in rows for number in re.findall(r"\b\d+\.\d+(?: %)?", row.replace("severity 0.4", ""))]
    assert len(numbers) == 12 and all(number in RESULTS for number in numbers), numbers
    limits = README.split("## Limits")[1]
    assert "99 of 100" in limits and "right among the 80 % of pairs with the highest confidence** | 99.1 %" in RESULTS
    assert "in 13 of 14" in limits and "camera noise 13 of 14" in RESULTS
    assert "14 s" in limits and "| 12 MP (4000 x 3000) | 13.6 / " in RESULTS
    assert "23 s" in limits and "| 22.5 / " in RESULTS
