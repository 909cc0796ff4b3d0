"""The manifest of a folder of shards: a first line that says what the bytes follow from, then one line a shard."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distortion_engine.errors import UsageError
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.provenance import LAYOUT, differences
from distortion_engine.jobs.resume import RESUME
from distortion_engine.jobs.safe_files import atomic_file, cannot_write, check_writable, is_partial

MANIFEST_NAME = "manifest.jsonl"


@dataclass(frozen=True)
class Manifest:
    """The list of what a folder of ranked sets holds.

    Args:
        path: its file.
        head: the first line, empty where there is no manifest yet.
        lines: one for each shard; empty until all shards are there.
    """

    path: Path
    head: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]] = ()

    @staticmethod
    def read(path: Path) -> Manifest:
        """Of a file that may be missing; UsageError where it is something else."""
        try:
            head, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            if head["layout"] != LAYOUT or not all(isinstance(line, dict) for line in lines):
                raise ValueError(f"layout {head['layout']!r}")
        except FileNotFoundError:
            return Manifest(path, {})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path}: is not a manifest of this release of riqa generate; give a new folder"
            ) from error
        return Manifest(path, head, lines)

    @property
    def libraries(self) -> dict[str, str]:
        """Versions that the bytes are promised for."""
        return dict(self.head["libraries"])

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
            return self
        replace(self, head=head, lines=())._write()
        # What was listed still tells whether the shards that are full already are those that were written.
        full = [line for line in self.lines if line.get("sets") == head["options"]["sets_per_shard"]]
        return replace(self, head=head, lines=full)

    def agrees(self, shard: int, line: Mapping[str, Any]) -> bool:
        """Whether a shard on disk is the one that was listed; True where none was."""
        return shard >= len(self.lines) or self.lines[shard] == line

    def finished(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Writes all lines: the last thing that a run does."""
        replace(self, lines=lines)._write()

    def _write(self) -> None:
        with atomic_file(self.path) as stream:
            for line in (self.head, *self.lines):
                stream.write((json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode())


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
