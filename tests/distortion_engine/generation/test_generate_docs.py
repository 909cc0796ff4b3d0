"""docs/generate.md: its code reads what riqa generate writes, its tables list every file and key, and no other."""

import inspect
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from distortion_engine.generation.generate import generate
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.workers import Workforce
from distortion_engine.recipe import SET_KINDS
from relational_iqa.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[3]
IMAGES = ROOT / "tests" / "images"
DOC = (ROOT / "docs" / "generate.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)


def distance_judge(test: Tensor, reference: Tensor) -> Tensor:
    return (test - reference).abs().mean((1, 2, 3))[:, None]


def first_cells(head: str) -> list[str]:
    """What stands in backquotes in the first column of the table whose first row begins with `head`."""
    table = DOC.split(f"| {head} |")[1].split("\n\n")[0]
    cells = [line.split(" | ")[0] for line in table.splitlines()[2:]]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("documented")
    options = GenerateOptions(sets=6, seed=1, size_px=32, sets_per_shard=4, dense=True)
    generate(IMAGES, root / "OUT", options, distance_judge, Workforce(workers=0))
    return root


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)

    def run_block(code: str) -> dict:
        names: dict = {}
        exec(compile(code, "docs/generate.md", "exec"), names)
        return names

    return run_block


def records(folder: Path) -> list[dict]:
    found = []
    for shard in sorted((folder / "OUT/shards").iterdir()):
        with tarfile.open(shard) as tar:
            found += [json.loads(tar.extractfile(entry).read()) for entry in tar if entry.name.endswith(".json")]
    return found


def test_plain_python_reads_every_certain_pair(folder: Path, run):
    names = run(BLOCKS[0])
    wanted = sum(
        a < b
        for record in records(folder)
        if record["certainty"] > 0.8
        for a in record["ranks"]
        for b in record["ranks"]
    )
    assert len(names["pairs"]) == wanted > 0
    assert all(a.shape == b.shape == (32, 32, 3) and not np.array_equal(a, b) for a, b in names["pairs"])
    assert names["fields"].shape[0] == 5 and np.abs(names["fields"]).max() <= 1


def test_webdataset_reads_every_set(run):
    names = run(BLOCKS[1])
    assert names["truth"]["index"] == 5
    assert names["reference"].shape == names["worst"].shape == (32, 32, 3)
    assert not np.array_equal(names["reference"], names["worst"])


def test_the_code_needs_nothing_of_this_package():
    assert len(BLOCKS) == 2 and not any(re.search(r"^(from|import) (distortion|relational)", b, re.M) for b in BLOCKS)


def test_the_tables_list_the_files_and_keys_that_are_written(folder: Path):
    with tarfile.open(sorted((folder / "OUT/shards").iterdir())[0]) as tar:
        files = [entry.name.partition(".")[2] for entry in tar if entry.name.startswith("00000000")]
    listed = [name for name in re.findall(r"^\| `00000042\.(.*?) \|", DOC, re.M)]
    assert [name.split("`")[0] for name in listed] == [
        "reference.png", "member_0.png", "images.npy", "fields.npy", "fields.npz", "json",
    ]  # fmt: skip
    assert files == ["reference.png", *(f"member_{number}.png" for number in range(4)), "fields.npz", "json"]
    for record in records(folder):
        assert set(record) == set(first_cells("key of `json`"))
        assert set(record["recipe"]) == {"kind", "ranks", "certainty", "members"}
        assert {f"`{name}`" for name in record["crop"]} <= set(re.findall(r"`\w+`", DOC))
        for step in [step for member in record["recipe"]["members"] for step in member["steps"]]:
            assert {f"`{name}`" for name in (*step, *step["mask"])} <= set(re.findall(r"`\w+`", DOC))
    head, *lines = map(json.loads, (folder / "OUT/manifest.jsonl").read_text(encoding="utf-8").splitlines())
    assert set(head) == set(first_cells("key of the first line of `manifest.jsonl`"))
    assert all(set(line) == set(first_cells("key of the other lines")) for line in lines)
    assert all(f"`{kind}`" in DOC for kind in SET_KINDS)


def test_every_option_of_the_command_is_in_the_table_with_its_default():
    parameters = inspect.signature(COMMANDS["generate"].options).parameters
    listed = dict(re.findall(r"^\| `--([\w-]+)[^|]*\| ([^|]*) \|", DOC, re.M))
    elsewhere = {"photos", "out", "catalog", "photo", "judge"}  # the last three draw a sheet of the catalogue
    words = {
        "sets": "required",
        "distortions": "all",
        "dense": "no",
        "kinds": "engine's own",
        "without_families": "none",
    }
    for name, parameter in parameters.items():
        if name not in elsewhere | {"address"}:
            assert listed[name.replace("_", "-")].strip("` ") == words.get(name, str(parameter.default)), name
    assert set(listed) | {"address"} <= {name.replace("_", "-") for name in parameters} and "`--address A`" in DOC
