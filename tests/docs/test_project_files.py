"""CHANGELOG, CITATION.cff, THIRD_PARTY and CONTRIBUTING say what is true of the code and the weights of today."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from distortion_engine import ENGINE_VERSION
from distortion_engine.jobs.safe_files import file_sha256
from relational_iqa import __version__
from relational_iqa.storage.shipped import DEFAULT_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
PAPERS = {"2605.02863": 5, "2206.06541": 6, "2304.00451": 3, "2504.17234": 2}
"""arXiv number -> authors."""


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_engine_and_the_shipped_weights_of_today_stand_in_the_changelog():
    assert re.search(rf"^### Engine {re.escape(ENGINE_VERSION)} \(\d{{4}}-\d\d-\d\d\)$", CHANGELOG, re.M)
    shipped = sorted((ROOT / "relational_iqa/weights").glob("*.safetensors"))
    assert DEFAULT_WEIGHTS in [path.stem for path in shipped]
    for path in shipped:
        section = CHANGELOG.split(f"### Weights `{path.stem}`")[1].split("\n### ")[0]
        assert f"- `{file_sha256(path)[:8]}` (" in section, f"{path.name}: say in CHANGELOG.md what changed"


def test_the_changelog_has_the_form_of_keep_a_changelog():
    heads = re.findall(r"^## (.*)$", CHANGELOG, re.M)
    assert heads[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", head) for head in heads[1:])
    assert f"To become {__version__}" in CHANGELOG or any(head.startswith(f"[{__version__}]") for head in heads)


def test_the_card_beside_shipped_weights_names_their_hash():
    for card in sorted((ROOT / "relational_iqa/weights").glob("*.json")):
        weights = card.with_suffix(".safetensors")
        assert json.loads(card.read_text(encoding="utf-8"))["sha256"] == file_sha256(weights), card.name


def test_the_citation_has_what_its_format_requires_and_the_four_papers():
    # Checked against the schema of CFF 1.2.0 with cffconvert 2.0.0; here the fields that it requires.
    cited = yaml.safe_load(read("CITATION.cff"))
    assert cited["cff-version"] == "1.2.0" and cited["type"] == "software" and cited["message"] and cited["authors"]
    assert (cited["title"], cited["version"], cited["license"]) == (PROJECT["name"], __version__, PROJECT["license"])
    assert PROJECT["version"] == __version__
    papers = {paper["identifiers"][0]["value"].removeprefix("arXiv:"): paper for paper in cited["references"]}
    assert {number: len(paper["authors"]) for number, paper in papers.items()} == PAPERS
    for number, paper in papers.items():
        assert paper["type"] in ("article", "conference-paper") and paper["title"] and isinstance(paper["year"], int)
        assert paper["url"].endswith(number)
        assert all(set(author) == {"family-names", "given-names"} for author in paper["authors"])


def test_every_dependency_and_paper_is_in_the_list_of_third_parties():
    page = read("THIRD_PARTY.md")
    libraries = [re.split(r"[<>=\[; ]", item)[0] for item in PROJECT["dependencies"]]
    libraries += [
        re.split(r"[<>=\[; ]", item)[0] for extra in PROJECT["optional-dependencies"].values() for item in extra
    ]
    listed = set(re.findall(r"[\w-]+", " ".join(re.findall(r"^\| ([^`][^|]*)\|", page, re.M))))
    assert set(libraries) <= listed, set(libraries) - listed
    assert all(f"arXiv:{number}" in page for number in PAPERS)


def test_every_shipped_picture_and_photograph_has_a_source():
    page = read("THIRD_PARTY.md")
    places = [place.rstrip("*/") for place in re.findall(r"`([\w/.*-]+)`", page)]
    drawn = ("docs/severity.png", "docs/pixel_perfect/")  # plots, but for examples.png
    for kind in ("*.png", "*.jpg", "*.webp", "*.avif"):
        for folder in ("docs", "experiments", "tests/images", "distortion_engine", "relational_iqa"):
            for path in (ROOT / folder).rglob(kind):
                name = path.relative_to(ROOT).as_posix()
                if not name.startswith(drawn) or name.endswith("examples.png"):
                    assert any(name.startswith(place) for place in places), name


@pytest.mark.parametrize("target", ["setup", "demo", "test", "lint", "docs", "clean"])
def test_the_makefile_has_what_the_pages_name(target: str):
    assert re.search(rf"^{target}:", read("Makefile"), re.M)
