"""Folders of `riqa generate` that are gone on with: damage to the manifest, to shards and to what lies beside them."""

from __future__ import annotations

import hashlib
import json
import random
from functools import cache

from experiments.fuzz import trees
from experiments.fuzz.door import PHOTOS, Case, Door
from experiments.fuzz.doors.inputs import damaged_bytes, made_by_riqa

_MANIFEST, _SHARD = "out/manifest.jsonl", "out/shards/ranked-000000.tar"
_COMMAND = ["generate", str(PHOTOS), "out", "--sets", "2", "--size", "32", "--split", "all"]


@cache
def whole_files() -> dict[str, bytes]:
    """A finished run of two sets, without its picture, which is drawn again."""
    files = made_by_riqa(_COMMAND, "out")
    return {name: files[name] for name in (_MANIFEST, _SHARD)}


def _whole() -> Case:
    return Case("whole", whole_files(), _COMMAND)


def _make(rng: random.Random) -> Case:
    files = dict(whole_files())
    kind = rng.choices((_lines, _lines_bytes, _shard, _others), (6, 2, 2, 1))[0](rng, files)
    command = [*_COMMAND, *rng.choice(([], [], ["--resume", "never"], ["--sets", "3"]))]
    return Case(kind, files, command)


def _lines(rng: random.Random, files: dict[str, bytes]) -> str:
    lines = [json.loads(line) for line in files[_MANIFEST].splitlines()]
    at = rng.randrange(len(lines))
    kind, lines[at] = trees.damaged(rng, lines[at])
    if rng.random() < 0.2:
        lines.insert(rng.randrange(len(lines)), lines[rng.randrange(len(lines))])
    files[_MANIFEST] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return f"line {at} of the manifest: {kind}"


def _lines_bytes(rng: random.Random, files: dict[str, bytes]) -> str:
    kind, files[_MANIFEST] = damaged_bytes(rng, files[_MANIFEST])
    return f"manifest: {kind}"


def _shard(rng: random.Random, files: dict[str, bytes]) -> str:
    """Damage to a shard, half of the time with a line of the manifest that agrees with it."""
    kind, files[_SHARD] = damaged_bytes(rng, files[_SHARD])
    if agrees := rng.random() < 0.5:
        lines = [json.loads(line) for line in files[_MANIFEST].splitlines()]
        lines[1] |= {"bytes": len(files[_SHARD]), "sha256": hashlib.sha256(files[_SHARD]).hexdigest()}
        files[_MANIFEST] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return f"shard: {kind}{', with its hash' if agrees else ''}"


def _others(rng: random.Random, files: dict[str, bytes]) -> str:
    if rng.random() < 0.3:
        del files[_SHARD]
        files[f"{_SHARD}/file"] = b""
        return "a folder in place of a shard"
    name = rng.choice(
        ("out/contact_sheet.png/x", "out/shards/ranked-000001.tar", "out/shards/x", "out/x", "out/run.lock/x")
    )
    files[name] = b"x"
    return f"also {name}"


DOOR = Door("manifests", _whole, _make, progress=("adds sets: ",))
