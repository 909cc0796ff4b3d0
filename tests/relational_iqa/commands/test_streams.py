"""Closed, full and narrow streams, and names that no terminal can show: one line, never a traceback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.relational_iqa.commands.helpers import ROOT

HOSTILE = os.fsdecode(b"x\xff\x1b[31m\ny.png")


def shell(line: str, *argv: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`line` in a shell, where "$@" is `riqa` with these arguments."""
    command = ["sh", "-c", line, "sh", sys.executable, "-m", "relational_iqa.cli", *argv]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={**kept, "PYTHONPATH": str(ROOT), **environment}
    )


def one_line(done: "subprocess.CompletedProcess[str]", said: str) -> bool:
    return done.returncode == 2 and done.stderr.count("\n") == 1 and said in done.stderr


@pytest.fixture
def hostile(dark: str) -> str:
    """An image with a name of no encoding, with a control sequence and a line end."""
    return str(shutil.copy(dark, Path(dark).with_name(HOSTILE)))


def test_a_closed_stdout_is_said_and_no_file_takes_its_place(dark: str, tmp_path: Path) -> None:
    done = shell('exec "$@" >&-', "score", dark, "--json", str(tmp_path / "x.json"))
    assert one_line(done, "riqa: standard output is closed") and not (tmp_path / "x.json").exists()


def test_a_closed_stderr_puts_nothing_into_the_output(dark: str) -> None:
    done = shell('exec "$@" 2>&-', "score", dark, "--json", "-")
    assert done.returncode == 0 and json.loads(done.stdout)["scores"]


def test_a_full_stdout_is_named(dark: str) -> None:
    assert one_line(shell('exec "$@" >/dev/full', "score", dark), "riqa: standard output cannot be written")


def test_names_are_shown_with_escapes_and_kept_in_json(hostile: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    done = shell('exec "$@"', "score", hostile, "--json", str(path))
    assert done.returncode == 0 and done.stdout.startswith("x\\udcff\\x1b[31m\\ny.png: MOS ")
    assert os.fsencode(json.loads(path.read_text())["scores"][0]["file"]) == os.fsencode(hostile)
    missing = shell('exec "$@"', "score", f"{hostile}.none")
    assert one_line(missing, "x\\udcff\\x1b[31m\\ny.png.none: no such file")


def test_a_terminal_of_another_encoding_shows_escapes_and_valid_json(dark: str) -> None:
    named = str(shutil.copy(dark, Path(dark).with_name("é.png")))
    done = shell('exec "$@"', "score", named, "--json", "-", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stderr.startswith("\\xe9.png: MOS ")
    assert json.loads(done.stdout)["scores"][0]["file"] == named
