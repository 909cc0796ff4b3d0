"""Weights of the four systems: damage to the file, to its header, to the facts in it, and to values."""

from __future__ import annotations

import json
import random
import struct
from functools import cache

from experiments.fuzz import trees
from experiments.fuzz.door import ROOT, Case, Door
from experiments.fuzz.doors.inputs import IMAGES, damaged_bytes, images

TABLE = b"image,reference,score\na.png,b.png,1\nb.png,a.png,2\nc.png,a.png,3\n"
_EVALUATE = ["evaluate", "csv", "t.csv", "--bootstrap", "0", "--metric"]
COMMANDS = {
    "riqa-small": ["compare", *IMAGES, "--weights", "w.safetensors"],
    "riqa-judged": ["compare", *IMAGES, "--weights", "w.safetensors"],
    "pmos-small": ["score", *IMAGES, "--weights", "w.safetensors"],
    "spips-small": [*_EVALUATE, "spips=w.safetensors"],
    "reiqa-small": [*_EVALUATE, "reiqa=w.safetensors"],
}
"""Shipped weights -> a command that reads them."""
_SHARES = (5, 1, 3, 3, 1)  # the others are large
_TYPES = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32", "U8", "BOOL", "C64", "F4", "x")
_NUMBERS = (float("nan"), float("inf"), -1e38, 1e30, 1e6, -1e4, 1e-45, 0.0)


@cache
def shipped(name: str) -> bytes:
    """The content of shipped weights."""
    return (ROOT / "relational_iqa" / "weights" / f"{name}.safetensors").read_bytes()


@cache
def zeroed(name: str) -> bytes:
    """The same with zeros for all values, so that a kept case is small."""
    data = shipped(name)
    end = 8 + int.from_bytes(data[:8], "little")
    return data[:end] + bytes(len(data) - end)


def _case(name: str, kind: str, data: bytes) -> Case:
    return Case(f"{name}: {kind}", {**images(), "c.png": images()["a.png"] + b"\0", "t.csv": TABLE,
                                    "w.safetensors": data}, COMMANDS[name])  # fmt: skip


def _whole() -> Case:
    return _case("riqa-small", "whole", shipped("riqa-small"))


def _make(rng: random.Random) -> Case:
    name = rng.choices(list(COMMANDS), _SHARES)[0]
    edit = rng.choices((_bytes, _header, _facts, _type, _values), (2, 4, 6, 2, 3))[0]
    return _case(name, *edit(rng, name))


def _bytes(rng: random.Random, name: str) -> tuple[str, bytes]:
    data = zeroed(name)
    end = 8 + int.from_bytes(data[:8], "little")
    if rng.random() < 0.2:
        return "cut", data[: rng.choice((0, 1, 7, 8, end - 1, end, end + 1, len(data) - 1, rng.randrange(len(data))))]
    kinds, head = damaged_bytes(rng, data[:end])
    return kinds, head + data[end:]


def _split(data: bytes) -> tuple[dict[str, dict[str, object]], bytes]:
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def _joined(header: object, rest: bytes) -> bytes:
    text = json.dumps(header, ensure_ascii=True).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + rest


def _header(rng: random.Random, name: str) -> tuple[str, bytes]:
    header, rest = _split(zeroed(name))
    chosen = rng.choice(list(header))
    if rng.random() < 0.1:
        kind, header = trees.damaged(rng, header)
    else:
        kind, header[chosen] = trees.damaged(rng, header[chosen])
    return f"header, {chosen}: {kind}", _joined(header, rest)


def _facts(rng: random.Random, name: str) -> tuple[str, bytes]:
    header, rest = _split(zeroed(name))
    about = header["__metadata__"]
    key = rng.choice(list(about))
    text = str(about[key])
    try:
        kind, value = trees.damaged(rng, json.loads(text))
        about[key] = json.dumps(value)
    except ValueError:
        kind, content = damaged_bytes(rng, text.encode())
        about[key] = content.decode("utf-8", "replace")
    return f"facts, {key}: {kind}", _joined(header, rest)


def _type(rng: random.Random, name: str) -> tuple[str, bytes]:
    header, rest = _split(zeroed(name))
    for chosen in rng.sample([each for each in header if each != "__metadata__"], k=rng.choice((1, 1, 20))):
        header[chosen]["dtype"] = rng.choice(_TYPES)
    return f"type of {chosen}", _joined(header, rest)


def _values(rng: random.Random, name: str) -> tuple[str, bytes]:
    header, rest = _split(shipped(name))
    out = bytearray(rest)
    number = rng.choice(_NUMBERS)
    for _ in range(rng.choice((1, 1, 100))):
        struct.pack_into("<f", out, 4 * rng.randrange(len(out) // 4), number)
    return f"values {number}", _joined(header, bytes(out))


DOOR = Door("weights", _whole, _make, progress=("failed: ",))
