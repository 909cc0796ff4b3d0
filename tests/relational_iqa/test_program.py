"""The console script: Ctrl-C while it imports is one line, and it is `main` otherwise."""

import builtins
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relational_iqa import cli
from relational_iqa.program import SPINS, run


def test_ctrl_c_during_the_imports_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = builtins.__import__

    def interrupted(name: str, *rest: Any) -> Any:
        if name == "relational_iqa.cli":
            raise KeyboardInterrupt
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", interrupted)
    assert run() == 130
    monkeypatch.undo()
    assert capsys.readouterr().err == "riqa: interrupted\n"


def test_it_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["riqa", "compere"])
    assert run() == 2 and "compere: no such command (did you mean compare?)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "found"),
    [({}, SPINS), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)],
)
def test_threads_wait_asleep_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], found: str | None
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "restored afterwards")
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["riqa", "compere"])
    assert run() == 2 and os.environ.get("GOMP_SPINCOUNT") == found


def test_too_little_memory_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def parse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(cli, "parse", parse)
    assert cli.main([]) == 2 and capsys.readouterr().err.startswith("riqa: not enough memory; ")


IMAGE = str(Path(__file__).parents[1] / "images/photo_1.png")
SENT = """
import os, signal, sys

class Sender:
    def find_spec(self, name, path, target=None):
        if name == module:
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
from relational_iqa.program import run
module = sys.argv.pop(1)
sys.meta_path.insert(0, Sender())
sys.exit(run())
"""


@pytest.mark.parametrize("module", ["relational_iqa.cli", "numpy.linalg", "jsonargparse", "torch.nn"])
def test_ctrl_c_during_any_import_is_one_line_and_exit_code_130(module: str) -> None:
    command = [sys.executable, "-c", SENT, module, "score", IMAGE, "--reference", IMAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "riqa: interrupted\n")


def test_a_signal_that_the_shell_has_ignored_stays_ignored() -> None:
    sent = SENT.replace("signal.default_int_handler", "signal.SIG_IGN")
    done = subprocess.run([sys.executable, "-c", sent, "numpy", "--help"], capture_output=True, check=False)
    assert done.returncode == 0 and not done.stderr


def test_little_is_imported_before_ctrl_c_is_handled() -> None:
    """Of an interpreter without site-packages, which imports as much again."""
    code = "import sys; before = {*sys.modules}; import relational_iqa.program; print(*sorted({*sys.modules} - before))"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) < 25 and not {"typing", "tempfile", "importlib.abc"} & {*done.stdout.split()}
