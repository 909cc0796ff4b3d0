"""The console script: Ctrl-C while it imports is one line, and it is `main` otherwise."""

import builtins
from typing import Any

import pytest

from relational_iqa import cli
from relational_iqa.program import run


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
    assert run() == 2 and "invalid choice: 'compere'" in capsys.readouterr().err


def test_too_little_memory_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def parse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(cli, "parse", parse)
    assert cli.main([]) == 2 and capsys.readouterr().err.startswith("riqa: not enough memory; ")
