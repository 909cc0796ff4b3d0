"""What the commands `python -m experiments.<system>.evaluate` share: options, log, files written whole, exit codes."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.jobs.safe_files import atomic_file, cannot_write
from experiments.pixel_perfect.table import Row, markdown, print_table

Log = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What an evaluation found.

    Args:
        table: Markdown.
        result: plain data for the JSON.
        rows: rows of the table, which a terminal shows in colour; empty where the table has another form.
    """

    table: str
    result: Mapping[str, Any]
    rows: Sequence[Row] = ()


def outcome_of_rows(rows: Sequence[Row], **result: Any) -> Outcome:
    """An outcome whose table is one of rows; its JSON has them beside `result`."""
    return Outcome(markdown(rows), {**result, "rows": [row.to_json() for row in rows]}, rows)


def evaluation_parser(system: str, description: str | None) -> argparse.ArgumentParser:
    """Options that every evaluation has: --weights, --photos, --out."""
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{system}.evaluate", description=description)
    parser.add_argument("--weights", help="file or name of shipped weights; default: the shipped ones")
    parser.add_argument("--photos", type=Path, default=Path("../shared/photos"), help="folder of pristine photographs")
    parser.add_argument("--out", type=Path, default=Path("out", system), help="folder of table.md and result.json")
    return parser


def positive(text: str) -> int:
    """For `type=` of an option: a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not valid; expected 1 or more")
    return number


def run_evaluation(
    parser: argparse.ArgumentParser,
    measure: Callable[[argparse.Namespace, Log], Outcome],
    arguments: Sequence[str] | None,
) -> int:
    """Parses, measures, writes table.md and result.json to --out and prints the table: the whole `main` of an
    evaluation. Exit code 0, or 2 with one line for bad input. The log goes to stderr with the seconds spent."""
    options = parser.parse_args(arguments)
    start = time.perf_counter()

    def log(text: str) -> None:
        print(f"{time.perf_counter() - start:6.1f} s  {text}", file=sys.stderr, flush=True)

    try:
        _check_folder(options.out)  # before an hour of measuring, not after it
        outcome = measure(options, log)
        write(options.out / "result.json", json.dumps(finite(outcome.result), indent=1) + "\n")
        write(options.out / "table.md", outcome.table)
    except (UsageError, ImageError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    if outcome.rows:
        print_table(outcome.rows)
    else:
        print(outcome.table, end="")
    log(f"table and details in {options.out}")
    return 0


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(cannot_write(folder, error)) from error


def write(path: Path, text: str) -> None:
    """Text as UTF-8, the file whole or not at all."""
    with atomic_file(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def finite(value: Any) -> Any:
    """The same plain data with None for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
