"""Indexes of `riqa index`: damage to each of their files, mostly with checksums that agree with it."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import struct
import subprocess
import sys
from functools import cache

from experiments.fuzz import trees
from experiments.fuzz.door import PHOTOS, ROOT, Case, Door
from experiments.fuzz.doors.inputs import IMAGES, damaged_bytes, images, made_by_riqa

_WEIGHTS = ["--weights", "riqa-small"]
_NUMBERS = (0, 1, -1, 7, 8, 255, 2**31 - 1, 2**31, 2**62, 2**63 - 1)
_COMPRESSED = """
import base64, sys, faiss, numpy
from relational_iqa.retrieval.index import build_index
vectors = numpy.random.default_rng(0).normal(size=(300, int(sys.argv[1]))).astype("float32")
print(base64.b64encode(faiss.serialize_index(build_index(vectors, 10)).tobytes()).decode())
"""
_MESSY = 0.2  # share of the cases whose checksums do not agree


@cache
def whole_files() -> dict[str, bytes]:
    """An index of a few pairs."""
    return made_by_riqa(
        ["index", str(PHOTOS), "index", "--sets", "2", "--size", "32", "--split", "all", *_WEIGHTS], "index"
    )


@cache
def compressed() -> bytes:
    """A file of FAISS of the compressed kind, of as many vectors."""
    about = json.loads(whole_files()["index/index.json"])
    made = subprocess.run(  # FAISS warns of few vectors, whoever listens
        [sys.executable, "-c", _COMPRESSED, str(about["dimension"])], cwd=ROOT, capture_output=True, check=True
    )
    return base64.b64decode(made.stdout.split()[-1])


def _case(kind: str, files: dict[str, bytes]) -> Case:
    return Case(kind, {**images(), **files}, ["explain", *IMAGES, "--index", "index", "--json", "o.json", *_WEIGHTS])


def _whole() -> Case:
    return _case("whole", whole_files())


def _make(rng: random.Random) -> Case:
    files = dict(whole_files())
    edit = rng.choices((_about, _recipes, _vectors, _other_vectors, _loss), (4, 6, 4, 1, 1))[0]
    kind = edit(rng, files)
    if rng.random() > _MESSY:
        _agree(files)
    return _case(kind, files)


def _agree(files: dict[str, bytes]) -> None:
    """Writes the checksums of what is there, where the file that holds them can be read."""
    try:
        about = json.loads(files["index/index.json"])
        for name in about["sha256"]:
            about["sha256"][name] = hashlib.sha256(files[f"index/{name}"]).hexdigest()
        files["index/index.json"] = json.dumps(about).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return


def _about(rng: random.Random, files: dict[str, bytes]) -> str:
    if rng.random() < 0.2:
        kind, files["index/index.json"] = damaged_bytes(rng, files["index/index.json"])
        return f"index.json: {kind}"
    kind, value = trees.damaged(rng, json.loads(files["index/index.json"]))
    files["index/index.json"] = json.dumps(value).encode()
    return f"index.json: {kind}"


def _recipes(rng: random.Random, files: dict[str, bytes]) -> str:
    lines = files["index/recipes.jsonl"].splitlines()
    kind = ""
    for at in range(len(lines)) if rng.random() < 0.7 else [rng.randrange(len(lines))]:  # all: the nearest is hit too
        if rng.random() < 0.15:
            kind, lines[at] = damaged_bytes(rng, lines[at])
        else:
            kind, value = trees.damaged(rng, json.loads(lines[at]))
            lines[at] = json.dumps(value).encode()
    files["index/recipes.jsonl"] = b"\n".join(lines) + b"\n" * (rng.random() < 0.9)
    return f"recipes.jsonl: {kind}"


def _vectors(rng: random.Random, files: dict[str, bytes]) -> str:
    content = bytearray(files["index/index.faiss"])
    if rng.random() < 0.4:
        kind, files["index/index.faiss"] = damaged_bytes(rng, bytes(content))
        return f"index.faiss: {kind}"
    if rng.random() < 0.5:
        place, value = (
            rng.randrange(45, len(content) - 4) // 4 * 4 + 1,
            rng.choice((float("nan"), float("inf"), 1e38, -1e30)),
        )
        struct.pack_into("<f", content, place, value)
    else:
        place, value = rng.choice((4, 8, 12, 16, 20, 24, 28, 32, 33, 37)), rng.choice(_NUMBERS)
        struct.pack_into("<q", content, place, value)
    files["index/index.faiss"] = bytes(content)
    return f"index.faiss: {value} at {place}"


def _other_vectors(rng: random.Random, files: dict[str, bytes]) -> str:
    kind, files["index/index.faiss"] = damaged_bytes(rng, compressed())
    about = json.loads(files["index/index.json"])
    files["index/index.json"] = json.dumps({**about, "count": 300}).encode()
    files["index/recipes.jsonl"] = files["index/recipes.jsonl"].splitlines(keepends=True)[0] * 300
    return f"compressed index.faiss: {kind}"


def _loss(rng: random.Random, files: dict[str, bytes]) -> str:
    name = rng.choice(list(files))
    if rng.random() < 0.5:
        del files[name]
        return f"no {name}"
    files[name] = rng.choice((b"", b"\0", b"[]", b"{}", b"null"))
    return f"{name} is {files[name]!r}"


DOOR = Door("indexes", _whole, _make)
