"""What every training run does before and after its stages: options from plain data, facts for the card."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from distortion_engine.errors import UsageError

Config = TypeVar("Config")
_KEPT = ("stage", "steps", "seconds", "ended_by", "losses", "data_wait", "trained_parameters", "device")


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


def facts_of_stages(ended: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a card says of training: `seconds`, `hardware` and `stages`; `ended` is what `train` returned for each
    stage."""
    import torch

    return {
        "seconds": round(sum(stage["seconds"] for stage in ended)),
        "hardware": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "stages": [{key: stage[key] for key in _KEPT if key in stage} for stage in ended],
    }
