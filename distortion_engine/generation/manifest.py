"""The manifest of a folder of shards: a first line that says what the bytes follow from, then one line a shard.

A line is added when its shard is complete, so that every shard on the disk can be held against the hash that it had
when it was written, also while the run is unfinished. A finished manifest has the lines in the order of the shards.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from distortion_engine.errors import UsageError
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.provenance import LAYOUT, differences
from distortion_engine.jobs.resume import RESUME
from distortion_engine.jobs.safe_files import atomic_file, cannot_write, check_writable, is_partial

MANIFEST_NAME = "manifest.jsonl"
_HEAD_KEYS = {"engine", "severity", "judge"}
_OPTION_KEYS = {field.name for field in fields(GenerateOptions)} - {"without_families"}


@dataclass(frozen=True)
class Manifest:
    """The list of what a folder of ranked sets holds.

    Args:
        path: its file.
        head: the first line, empty where there is no manifest yet.
        lines: one for each complete shard.
        torn: whether the file ends in a part of a line, which a killed run was adding. It is not among `lines`.
    """

    path: Path
    head: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]] = ()
    torn: bool = False

    @staticmethod
    def read(path: Path) -> Manifest:
        """Of a file that may be missing; UsageError where it is something else."""
        try:
            *whole, rest = path.read_bytes().split(b"\n")
            head, *lines = [json.loads(line) for line in whole]
            if head["layout"] != LAYOUT or not _is_head(head) or not all(map(_is_line, lines)):
                raise ValueError(f"layout {head['layout']!r}")
        except FileNotFoundError:
            return Manifest(path, {})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"{path}: is not a manifest of this release of riqa generate; give a new folder"
            ) from error
        return Manifest(path, head, lines, bool(rest))

    @property
    def complete(self) -> bool:
        """Whether every shard is listed."""
        return bool(self.head) and len(self.listed()) == self.head["shards"]

    @property
    def libraries(self) -> dict[str, str]:
        """Versions that the bytes are promised for."""
        return dict(self.head["libraries"])

    @property
    def identity(self) -> str:
        """Hash of all that set i follows from, for every i: the first line without the numbers of sets and shards."""
        counts = {"sets": None, "sets_per_shard": None}
        kept = {**self.head, "options": {**self.head["options"], **counts}, "shards": None}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

    def photos(self, options: GenerateOptions) -> dict[str, str]:
        """sha256 by name of the photographs found usable before, for crops of the same size."""
        if self.head.get("options", {}).get("size_px") != options.size_px:
            return {}
        return {photo["name"]: photo["sha256"] for photo in self.head["photos"]}

    def opened(self, head: Mapping[str, Any]) -> Manifest:
        """The manifest to go on with: this one where `head` is the same; written anew, without lines, where there is
        none yet or `head` asks for more sets of the same. UsageError that names the differences where `head` is
        another."""
        different = differences(self.head, head) if self.head else []
        if different and not _asks_for_more(self.head, head):
            raise UsageError(
                f"{self.path.parent}: holds a run with other options ({'; '.join(different)}); "
                "give those again, or a new folder (--sets alone may rise)"
            )
        if self.head and not different:
            if self.torn:  # else the next line would be added to a part of one
                replace(self, torn=False)._write()
            return self
        full = [line for line in self.lines if line.get("sets") == head["options"]["sets_per_shard"]]
        opened = replace(self, head=head, lines=full, torn=False)
        opened._write()
        return opened

    def listed(self) -> dict[str, Mapping[str, Any]]:
        """The lines by the name of their shard, in the order of the shards; of a shard that was written again, the last
        one."""
        lines = {line["name"]: line for line in self.lines}
        return {name: lines[name] for name in sorted(lines, key=lambda name: (len(name), name))}

    def add(self, line: Mapping[str, Any]) -> None:
        """Adds the line of a shard that has just been written. Raises UsageError where the file cannot be written."""
        try:
            with open(self.path, "ab") as stream:
                stream.write(_encoded(line))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise UsageError(cannot_write(self.path, error)) from error

    def finished(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Writes all lines in the order of the shards: the last thing that a run does."""
        replace(self, lines=lines, torn=False)._write()

    def _write(self) -> None:
        with atomic_file(self.path) as stream:
            for line in (self.head, *self.lines):
                stream.write(_encoded(line))


def _is_head(head: Mapping[str, Any]) -> bool:
    """Whether everything is there, and of its type, that a first line is asked for."""
    kinds: dict[str, type] = {"options": dict, "shards": int, "libraries": dict, "photos": list}
    if not all(isinstance(head.get(name), kind) for name, kind in kinds.items()) or not head.keys() >= _HEAD_KEYS:
        return False
    options = head["options"]
    return (
        options.keys() >= _OPTION_KEYS
        and all(isinstance(options[name], int) for name in ("sets", "sets_per_shard", "size_px"))
        and all(isinstance(photo, dict) and photo.keys() >= {"name", "sha256"} for photo in head["photos"])
    )


def _is_line(line: Any) -> bool:
    """Whether this describes a shard: its name below the folder, its size and its hash."""
    return (
        isinstance(line, dict)
        and re.fullmatch(r"\w+/ranked-\d+\.tar", str(line.get("name"))) is not None
        and isinstance(line.get("bytes"), int)
        and isinstance(line.get("sha256"), str)
    )


def _encoded(line: Mapping[str, Any]) -> bytes:
    return (json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "backslashreplace")


def _asks_for_more(there: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Whether `asked` differs in nothing but a larger number of sets: set i is the same in both, so shards that are
    full stay and only a last one that is not is made again."""
    try:
        grown = {**there, "options": {**there["options"], "sets": asked["options"]["sets"]}, "shards": asked["shards"]}
        return not differences(grown, asked) and asked["options"]["sets"] > there["options"]["sets"]
    except (KeyError, TypeError):
        return False


def claim_folder(out: Path, resume: str) -> Path:
    """Makes `out` unless it is there, and proves that it can be written and is empty or, for resume "auto", holds a
    manifest. Raises UsageError."""
    if resume not in RESUME:
        raise UsageError(f"resume {resume!r}: expected one of {', '.join(RESUME)}")
    try:
        out.mkdir(parents=True, exist_ok=True)
        names = [path.name for path in out.iterdir() if not is_partial(path)]
    except OSError as error:
        raise UsageError(cannot_write(out, error)) from error
    check_writable(out)
    if resume == "never" and names:
        raise UsageError(f"{out}: is not empty; give a new folder, or --resume auto to complete what is there")
    if names and MANIFEST_NAME not in names:
        raise UsageError(f"{out}: is not empty and no output of riqa generate; give a new or empty folder")
    return out
