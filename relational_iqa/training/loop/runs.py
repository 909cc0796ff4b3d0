"""What every training run does before and after its stages: options from plain data, facts for the card."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import file_sha256
from relational_iqa.storage.cards import WeightCard, read_card, write_card
from relational_iqa.training.loop.distributed import is_first_process

Config = TypeVar("Config")
# How jsonargparse writes a type, and of which type the value of an option has to be.
_CLASS = re.compile(r"<class '(?:[\w.]+\.)?(\w+)'>")
_WRONG = re.compile(r'Parser key "run\.([\w.]+)": Expected an? (.*)\. Got value: (.*)')
_OF_THE_TRAINING = ("git_commit", "seconds", "hardware", "stages")
_KEPT = ("stage", "steps", "seconds", "ended_by", "losses", "data_wait", "trained_parameters", "device")


def parse_run(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Nested plain data -> the dataclass `kind`; UsageError names a wrong or missing key."""
    from jsonargparse import ArgumentError, ArgumentParser

    _check_values(kind, values)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--run", type=kind)
    try:
        config: Config = parser.instantiate(parser.parse_object({"run": dict(values)})).run
        return config
    except ArgumentError as error:
        said = _CLASS.sub(r"\1", " ".join(str(error).split()))
        raise UsageError("config: " + _WRONG.sub(r"\1 is \3; expected \2", said)) from error


def _check_values(kind: type[Any], values: Mapping[str, Any], above: str = "") -> None:
    """Raises UsageError for what jsonargparse takes, or fails on, and no option is: nothing where something is needed,
    text in place of true or false, and another value than a mapping in the place of a dataclass."""
    for name, hint in get_type_hints(kind).items():
        parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        if name not in values or (values[name] is None and type(None) in parts):
            continue
        value, option = values[name], f"config: {above}{name}"
        if value is None:
            raise UsageError(f"{option} is null; leave it out, or give a value")
        if bool in parts and not isinstance(value, bool):
            raise UsageError(f"{option} is {value!r}; expected true or false")
        section = next((one for one in (*parts, *get_args(hint)) if isinstance(one, type) and is_dataclass(one)), None)
        if section is None:
            continue
        several = isinstance(value, list) and get_origin(hint) is list
        for each in value if several else [value]:
            if not isinstance(each, Mapping):
                raise UsageError(f"{option} is {value!r}; expected options, as in {section.__name__}")
            _check_values(section, each, f"{above}{name}.")


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


def write_trained(path: Path, save: Callable[[Path], str], card: WeightCard) -> Path:
    """The last act of a run: its weights and their card, written by the first process. Returns `path`.

    A card that is there already and says the same of the same weights stays: where a finished run is repeated, it names
    the commit and the machine that trained them.

    Args:
        path: of the weights.
        save: writes the weights to a path.
        card: of the weights.
    """
    if is_first_process():
        save(path)
        if not _is_told(path, card):
            write_card(path, card)
    return path


def _is_told(path: Path, card: WeightCard) -> bool:
    """Whether the card beside these weights is theirs and differs from `card` at most in who trained them and when."""
    try:
        there = read_card(path)
    except (OSError, ValueError):
        return False
    now = {"sha256": file_sha256(path), **json.loads(json.dumps(asdict(card)))}
    return all(
        there.get(key) == value for key, value in now.items() if key not in _OF_THE_TRAINING and value is not None
    )


def facts_of_run(config: Any, commit: str, ended: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Fields of a `WeightCard` that every run fills in the same way: name, config, git_commit and facts of the stages.

    Args:
        config: dataclass of all options, with the `name` of the weights.
        commit: of the code when the run began, see `git_commit`.
        ended: what `train` returned for each stage.
    """
    import torch

    return {
        "name": config.name,
        "config": asdict(config),
        "git_commit": commit,
        "seconds": round(sum(stage["seconds"] for stage in ended)),
        "hardware": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "stages": [{key: stage[key] for key in _KEPT if key in stage} for stage in ended],
    }
