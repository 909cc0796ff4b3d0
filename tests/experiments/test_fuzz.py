"""The fuzzer: it notices what it looks for, its doors are open, and what it has found before stays mended."""

import itertools
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from experiments.fuzz import __main__ as fuzz
from experiments.fuzz import trees
from experiments.fuzz.child import import_everything, try_case
from experiments.fuzz.door import CORPUS, ROOT, Case, Door, read_found, write_found
from experiments.fuzz.doors import DOORS

FOUND = sorted(CORPUS.glob("*.json"))
NOTHING = Case("nothing", {"file": b"content"}, ["file"])


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    import_everything()


def door_of(run: Callable[[Sequence[str]], Any]) -> Door:
    return Door("test", lambda: NOTHING, lambda rng: NOTHING, run, progress=("failed: ",))


def complain(*lines: str, code: int = 2) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return code


@pytest.mark.parametrize(
    ("outcome", "run"),
    [
        ("done", lambda words: 0 if Path(words[0]).read_bytes() == b"content" else 70),
        ("refused", lambda _: complain("riqa: file: is no image")),
        ("refused", lambda _: complain("failed: a.png: is no image", "riqa: too few images")),
        ("crash", lambda _: os.kill(os.getpid(), signal.SIGKILL)),
        ("hang", lambda _: all(True for _ in itertools.repeat(None))),
        ("traceback", lambda _: {}["no"]),
        ("traceback", lambda _: bytearray(1 << 34)),
        ("noise", lambda _: complain("libpng says", "riqa: file: is no image")),
        ("noise", lambda _: complain("riqa: " + "9" * 5000)),
        ("noise", lambda _: complain()),
        ("noise", lambda _: complain("x.py:1: UserWarning: odd", code=0)),
        ("undocumented exit code", lambda _: sys.exit("odd")),
        ("undocumented exit code", lambda _: complain("riqa: interrupted", code=130)),
    ],
)
def test_each_end_of_a_case_is_told_apart(outcome: str, run: Callable[[Sequence[str]], Any]) -> None:
    assert try_case(door_of(run), NOTHING, time_s=0.5 if outcome == "hang" else 20).outcome == outcome


def test_a_failure_is_counted_named_by_its_seed_and_kept_with_its_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = Case("odd", {"file": b"\xff"}, ["file"])
    door = Door(
        "test", lambda: NOTHING, lambda rng: hostile, lambda words: 0 if Path(words[0]).read_bytes() != b"\xff" else 3
    )
    assert fuzz.try_door(door, 0.01, 5, tmp_path) >= 1
    assert "1 undocumented exit code" in (told := capsys.readouterr().out) and "seeds that fail: 5 0" in told
    assert read_found(tmp_path / "test-5-0.json") == ("test", hostile)


def test_a_kept_case_is_the_same_when_it_is_read(tmp_path: Path) -> None:
    case = Case("k", {"a/b": bytes(range(256)), "c": b""}, ["x", "\udcff", f"out={ROOT}/x"])
    write_found(tmp_path / "x.json", "web", "0 1", "crash", case)
    assert read_found(tmp_path / "x.json") == ("web", case)


def test_every_edit_of_a_tree_changes_it_and_not_the_original() -> None:
    value = {"a": [1, "x", {"b": None}], "c": 0.5}
    made = [trees.damaged(random.Random(seed), value, times=(1,)) for seed in range(200)]
    assert {kind.split(" of ")[0] for kind, _ in made} == set(trees.EDITS)
    assert value == {"a": [1, "x", {"b": None}], "c": 0.5} and sum(each != value for _, each in made) > 150


def in_a_process_of_its_own(*arguments: str) -> str:
    """What the command prints. The process of the tests has threads and locks of many others, which a fork of it might
    wait for; that of the command has none."""
    command = [sys.executable, "-m", "experiments.fuzz", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_door_is_open_and_hostile_cases_end_as_they_should(tmp_path: Path) -> None:
    said = in_a_process_of_its_own("--minutes", "0.15", "--seed", "3", "--keep", str(tmp_path))
    assert [line.split(":")[0] for line in said.splitlines()[:-1]] == list(DOORS)
    assert said.endswith("0 failures\n") and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["images", "weights", "configs", "tables", "arguments"])
def test_cases_follow_from_their_seed(name: str) -> None:
    door = DOORS[name]
    assert door.case("3 1") == door.case("3 1") != door.case("3 2")


def test_what_was_found_stays_mended() -> None:
    said = in_a_process_of_its_own("--repeat", *map(str, FOUND))
    assert FOUND and said.count("\n") >= len(FOUND)
