"""What the evaluations of all systems share: one line for bad input, files written whole, JSON that others can read."""

import argparse
import json
from pathlib import Path

import pytest

from distortion_engine.errors import ImageError
from experiments.evaluation import Log, Outcome, evaluation_parser, finite, outcome_of_rows, positive, run_evaluation
from experiments.pixel_perfect.table import Row


def measured(options: argparse.Namespace, log: Log) -> Outcome:
    log(f"{options.weights} on {options.photos}")
    return outcome_of_rows([Row("a row", 0.7, must=0.6), Row("none", float("nan"))], seed=3)


def test_table_and_json_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    arguments = ["--weights", "w", "--photos", "p", "--out", str(out)]
    assert run_evaluation(evaluation_parser("x", "What it does."), measured, arguments) == 0
    said = capsys.readouterr()
    assert (out / "table.md").read_text() in said.out and "1 of 1 requirements hold" in said.out
    written = json.loads((out / "result.json").read_text())
    assert written["seed"] == 3 and [row["value"] for row in written["rows"]] == [0.7, None]
    assert "w on p" in said.err and str(out) in said.err
    assert sorted(path.name for path in out.iterdir()) == ["result.json", "table.md"]


def test_a_table_of_its_own_is_printed_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome("| a |\n", {"probe": (1.0, float("inf"))})
    arguments = ["--out", str(tmp_path)]
    assert run_evaluation(evaluation_parser("x", None), lambda options, log: outcome, arguments) == 0
    assert capsys.readouterr().out == "| a |\n"
    assert json.loads((tmp_path / "result.json").read_text()) == {"probe": [1.0, None]}


def test_bad_input_is_one_line_and_leaves_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(options: argparse.Namespace, log: Log) -> Outcome:
        raise ImageError("x.png: is empty")

    assert run_evaluation(evaluation_parser("x", None), fails, ["--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "evaluate: x.png: is empty\n" and not any((tmp_path / "out").iterdir())


def test_a_folder_that_cannot_be_made_is_named_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    asked: list[argparse.Namespace] = []

    def never(options: argparse.Namespace, log: Log) -> Outcome:
        asked.append(options)
        return Outcome("", {})

    assert run_evaluation(evaluation_parser("x", None), never, ["--out", str(tmp_path / "file" / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("evaluate: ") and said.count("\n") == 1 and str(tmp_path / "file") in said and asked == []


def test_numbers_that_json_does_not_have_become_none_at_any_depth() -> None:
    assert finite({"a": [1.0, float("nan"), {"b": (float("-inf"), 2, "x", None)}]}) == {
        "a": [1.0, None, {"b": [None, 2, "x", None]}]
    }


def test_counts_below_one_are_refused() -> None:
    assert positive("3") == 3
    with pytest.raises(argparse.ArgumentTypeError, match="expected 1 or more"):
        positive("0")
