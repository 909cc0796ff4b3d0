"""What every training run does before and after its stages: options from plain data, and the code that it ran."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from distortion_engine.errors import UsageError

Config = TypeVar("Config")


def parse_run(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Nested plain data -> the dataclass `kind`; UsageError names a wrong or missing key."""
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--run", type=kind)
    try:
        config: Config = parser.instantiate(parser.parse_object({"run": dict(values)})).run
        return config
    except ArgumentError as error:
        raise UsageError(f"config: {' '.join(str(error).split())}") from error


def git_commit() -> str:
    """The commit of the code that runs, with "-dirty" where files differ from it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parent,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not run from a git checkout"
    return done.stdout.strip()
