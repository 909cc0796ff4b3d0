"""CHANGELOG, CITATION.cff, THIRD_PARTY, AGENTS, the lock and the workflows say what is true of the code of today."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from distortion_engine import ENGINE_VERSION
from distortion_engine.jobs.safe_files import file_sha256
from relational_iqa import __version__
from relational_iqa.storage.shipped import DEFAULT_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
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


def names_of(requirements: Iterable[str | dict[str, str]]) -> set[str]:
    """Names of the packages; a group that includes another one names that group by a dictionary."""
    return {re.split(r"[<>=\[; ]", item)[0] for item in requirements if isinstance(item, str)}


def every_requirement() -> list[str | dict[str, str]]:
    lists = [*PROJECT["optional-dependencies"].values(), *PYPROJECT["dependency-groups"].values()]
    return [*PROJECT["dependencies"], *(item for each in lists for item in each)]


def test_every_dependency_and_paper_is_in_the_list_of_third_parties():
    page = read("THIRD_PARTY.md")
    libraries = names_of(every_requirement())
    listed = set(re.findall(r"[\w-]+", " ".join(re.findall(r"^\| ([^`][^|]*)\|", page, re.M))))
    assert libraries <= listed, libraries - listed
    assert all(f"arXiv:{number}" in page for number in PAPERS)


def test_dependencies_have_lower_bounds_and_no_upper_bounds_or_pins():
    for item in (item for item in every_requirement() if isinstance(item, str)):
        assert not re.search(r"<|==|~=", item), item
    everything = [*PROJECT["dependencies"], *(i for extra in PROJECT["optional-dependencies"].values() for i in extra)]
    assert all(">=" in item for item in everything)


def test_the_lock_and_the_constraints_hold_the_same_versions_and_satisfy_the_project():
    lock = {package["name"]: package for package in tomllib.loads(read("uv.lock"))["package"]}
    ours = lock.pop(PROJECT["name"])
    pins = dict(re.findall(r"^([\w.-]+)==([^ \n]+)", read("constraints.txt"), re.M))
    assert pins == {name: package["version"] for name, package in lock.items()}, "make lock"
    assert {package["source"]["registry"] for package in lock.values()} == {"https://pypi.org/simple"}
    locked = [entry["name"] + entry.get("specifier", "") for entry in ours["metadata"]["requires-dist"]]
    assert sorted(locked) == sorted(
        str(Requirement(item).name).lower() + str(Requirement(item).specifier)
        for item in [
            *PROJECT["dependencies"],
            *(i for extra in PROJECT["optional-dependencies"].values() for i in extra),
        ]
    ), "make lock"
    for item in (Requirement(item) for item in every_requirement() if isinstance(item, str)):
        assert item.specifier.contains(pins[item.name.lower()]), f"{item}: locked {pins[item.name.lower()]}"


def make_targets() -> set[str]:
    return set(re.findall(r"^([\w-]+):(?!=)", read("Makefile"), re.M))


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_a_workflow_parses_and_calls_what_is_there(path: Path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["name"] == path.stem and workflow[True] and "permissions" in workflow  # YAML reads `on` as true
    commands = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    made = [word for command in commands for word in re.findall(r"^make ([\w-]+)", command, re.M)]
    assert set(made) <= make_targets()
    for job in workflow["jobs"].values():
        assert "runs-on" in job and all(("run" in step) != ("uses" in step) for step in job["steps"])
        assert set(filter(None, [job.get("needs")])) <= set(workflow["jobs"])


def test_the_tests_of_the_lowest_versions_are_there():
    paths = re.findall(r"\btests/[\w/.]+", read("Makefile"))
    assert len(paths) >= 8 and all((ROOT / path).exists() for path in paths), [
        p for p in paths if not (ROOT / p).exists()
    ]


def test_the_workflows_cover_tests_lint_lowest_versions_python_313_documentation_and_release():
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / ".github/workflows").glob("*.yml")}
    assert set(texts) == {"test", "docs", "release"}
    for command in ("make lint", "make test", "make test-lowest", "make coverage", "make demo", "3.13"):
        assert command in texts["test"]
    assert "make docs" in texts["docs"] and "path: out/docs" in texts["docs"]
    assert "id-token: write" in texts["release"] and "password" not in texts["release"]  # trusted publishing


def test_hooks_of_pre_commit_run_programs_of_the_environment():
    hooks = [hook for repo in yaml.safe_load(read(".pre-commit-config.yaml"))["repos"] for hook in repo["hooks"]]
    entries = {hook["id"]: hook["entry"] for hook in hooks if "entry" in hook}
    assert {"ruff-check", "ruff-format", "mypy"} <= set(entries)
    assert all(entry.startswith(".venv/bin/") for entry in entries.values())
    files = next(hook["files"] for hook in hooks if hook["id"] == "project-files")
    assert all(re.match(files, name) for name in ("pyproject.toml", "uv.lock", ".github/workflows/test.yml"))


def test_the_container_runs_targets_that_are_there():
    text = read("Containerfile")
    assert set(re.findall(r"make (\w+)", text.split("FROM")[1])) | {"demo"} <= make_targets() | {"make"}
    assert 'CMD ["make", "demo"' in text


def test_the_health_check_of_the_container_asks_the_page_and_fails_where_nothing_answers(random_model: Any):
    """The command of the Containerfile, as it stands there, against a server that is there and one that is not."""
    words = re.search(r"HEALTHCHECK[^\[]*CMD (\[.*\])", read("Containerfile"))
    assert words
    program, flag, script = json.loads(words[1])
    assert (program, flag) == ("python", "-c") and ":8000/health" in script
    uvicorn = pytest.importorskip("uvicorn", reason="the extra [web]")
    from relational_iqa.web.app import create_app

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    own = script.replace(":8000", f":{listening.getsockname()[1]}")
    server = uvicorn.Server(uvicorn.Config(create_app(random_model), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        assert subprocess.run([sys.executable, flag, own], capture_output=True).returncode == 0
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
    assert subprocess.run([sys.executable, flag, own], capture_output=True).returncode != 0


def test_agents_names_targets_and_paths_that_exist():
    page = read("AGENTS.md")
    for path in re.findall(r"`([\w./-]+/[\w./-]*)`", page):
        if path not in ("package/room/file.py", "tests/package/room/"):
            assert (ROOT / path).exists(), path
    assert set(re.findall(r"`make ([\w-]+)`", page)) <= make_targets()


WHERE = {
    "the JPEG distortion": r"def jpeg\b",
    "the severity table": r'"curves"',
    "the loss of the scoring stage": r"def loss\b",
    "HDR, ICC profiles": r"profile",
    "the report's template": r"<html",
    "the sentences of an answer": r"def summary|def decided_reasons",
    "shipped weights": r'"sha256"',
    "the trainer": r"def train\b",
    "tile sizes": r"TILE|def tiles_of",
    "SSIM": r"def ssim\b",
    "readers of KADID-10k": r"kadid10k",
    "splits": r"def grouped_splits",
    "options of a command": r"--reference|reference: ",
    "the web page": r"Starlette",
    "the FAISS index": r"faiss",
    "ONNX files": r"onnx",
    "masks": r"class \w*Mask|def \w*mask",
    "recipes": r"class Recipe",
    "Ray": r"ray\.init",
    "contact sheets": r"contact",
}
"""Words of a row of the table in AGENTS.md -> what the place of that row holds."""


@pytest.mark.parametrize("question", WHERE)
def test_a_reader_finds_what_is_asked_for_most_by_the_table_of_places(question: str):
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", read("AGENTS.md").split("## Where is")[1], re.M))
    (places,) = (places for asked, places in rows.items() if question in asked)
    first = ROOT / re.findall(r"`([^`]+)`", places)[0]
    files = (
        [first] if first.is_file() else [path for path in first.rglob("*") if path.suffix in (".py", ".json", ".j2")]
    )
    assert any(re.search(WHERE[question], path.read_text(encoding="utf-8")) for path in files), first


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
