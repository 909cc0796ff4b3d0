"""The folder of a run: one run at a time, and no run goes on from checkpoints of another one.

`run.json` beside the checkpoints holds all that the weights follow from: options, and the content of photographs,
ranked sets and weights that they name. Where a finished or unfinished run is repeated with something else, its weights
would get a card that is not theirs; it is refused with the differences named.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from distortion_engine.errors import UsageError
from distortion_engine.generation.manifest import MANIFEST_NAME, Manifest
from distortion_engine.jobs.safe_files import atomic_file, file_hashes, make_folder, sole_writer
from distortion_engine.reading.photos import list_photos
from relational_iqa.storage.shipped import find_weights
from relational_iqa.training.loop.checkpoint import FILE_NAME
from relational_iqa.training.loop.config import CHANGEABLE, TrainConfig
from relational_iqa.training.loop.distributed import launched_rank

RECORD_NAME = "run.json"
_FREE = frozenset({"name", "out", "workers", "cache_dir", "moments_dir", "streams_dir", "half_precision"})
_WEIGHTS = frozenset({"start_from", "encoder_from", "backbone", "backbone_from", "judgement_from", "stages_from"})
_LENGTH = ("steps", "max_seconds")
_NAMED = 4  # differences that are named

Config = TypeVar("Config")
Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def one_run_a_folder(
    run: Callable[Concatenate[Any, Rest], Result],
) -> Callable[Concatenate[Any, Rest], Result]:
    """Decorates a function that trains, `run(config, resume, ...)`, whose `config` has `out` and `name`.

    While it runs, no other run writes in `config.out`. The decorated function raises UsageError where another one does,
    where the folder cannot be written, where the result would replace weights that it starts from, and, for `resume`
    "auto", where the folder holds checkpoints of a run of something else. In a run of several processes, the first one
    sees to this.
    """

    @functools.wraps(run)
    def guarded(config: Any, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        if launched_rank() != 0:
            return run(config, *args, **kwargs)
        folder = Path(config.out)
        _check_result(config, folder / f"{config.name}.safetensors")
        make_folder(folder)
        with sole_writer(folder):
            check_same_run(folder, config, kwargs.get("resume", args[0] if args else "auto"))
            return run(config, *args, **kwargs)

    return guarded


def check_same_run(folder: Path, config: Any, resume: Any) -> None:
    """Writes the record of the run of `config`, or raises UsageError where the checkpoints in the stage folders of
    `folder` are of a run of something else. Checkpoints in folders that are named by what decides them (two levels
    down) are of no other run."""
    path, now = folder / RECORD_NAME, made_from(config)
    begun = len(list(folder.glob(f"*/{FILE_NAME}")))
    before = _read(path) if begun and resume == "auto" else {}
    lengths = [key for key in now if key.rpartition(".")[2] in _LENGTH and key in before]
    odd = [key for key in now if key in before and before[key] != now[key]]
    last = lengths[-1].rpartition(".")[0] if lengths else ""
    longer = [key for key in odd if key in lengths]
    # A later stage was trained on the result of those before it: where it has begun, it becomes longer with them.
    if begun < 2 or any(key.rpartition(".")[0] == last for key in longer):
        odd = [key for key in odd if key not in lengths]
    odd += [key for key in before if key not in now]
    if odd:
        said = [f"{key} {_short(before.get(key))}, now {_short(now.get(key))}" for key in odd[:_NAMED]]
        more = f"; and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
        raise UsageError(
            f"{folder}: holds a run of something else ({'; '.join(said)}{more}); give that again, another folder as "
            "out, or --resume never to start anew over it"
        )
    with atomic_file(path) as stream:
        stream.write((json.dumps({"made_from": now}, indent=1) + "\n").encode())


def made_from(config: Any) -> dict[str, Any]:
    """All that the weights of a run follow from, by name, as plain JSON data: "distortion.seed": 0.

    Photographs, ranked sets and weights that are named by a path stand there by the sha256 of their content.
    """
    found: dict[str, Any] = json.loads(json.dumps(dict(_walk(config, ""))))
    return found


def _walk(config: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for field in fields(config):
        name, value, key = field.name, getattr(config, field.name), prefix + field.name
        if isinstance(config, TrainConfig):
            if name not in CHANGEABLE or name in _LENGTH:
                yield key, value
        elif name in _FREE:
            continue
        elif name in _WEIGHTS:
            yield key, _weights(str(value))
        elif name == "photos":
            yield key, _photographs(str(value))
        elif name == "sets_folder":
            yield key, Manifest.read(Path(value) / MANIFEST_NAME).identity if value else ""
        elif is_dataclass(value):
            yield from _walk(value, f"{key}.")
        elif isinstance(value, list) and any(map(is_dataclass, value)):
            for number, each in enumerate(value):
                yield from _walk(each, f"{key}.{number}.")
        else:
            yield key, value


def _photographs(folder: str) -> str:
    if not folder:
        return ""
    photos = list_photos(folder, "train")
    named = [[photo.name, content] for photo, content in zip(photos, file_hashes(photos), strict=True)]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _weights(source: str) -> str:
    """sha256 of the file that is meant; the words themselves where there is none, which whoever loads it says."""
    path = _weights_file(source)
    return source if path is None else file_hashes([path])[0]


def _weights_file(source: str) -> Path | None:
    try:
        return find_weights(source) if source else None
    except UsageError:
        return None


def _check_result(config: Any, result: Path) -> None:
    """Raises UsageError where `result` is a file that the run reads."""
    for name in _WEIGHTS:
        source = _weights_file(str(getattr(config, name, "")))
        if source is not None and result.exists() and source.samefile(result):
            raise UsageError(f"{result}: is {name}, which the result would replace; give another name or out")


def _read(path: Path) -> Mapping[str, Any]:
    """What `check_same_run` wrote; nothing where there is no such file, as in folders of former versions."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["made_from"]
        if not isinstance(found, dict):
            raise ValueError("no mapping")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}: is damaged; give another folder as out, or --resume never") from error
    return found


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:13] + '..."'
