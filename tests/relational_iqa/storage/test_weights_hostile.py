"""Weights files made to harm: every one is refused with a line that names it, before it takes memory."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distortion_engine.errors import UsageError
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.storage.pixel_perfect_weights import load_weights, save_weights


@pytest.fixture(scope="module")
def written(random_networks: Networks, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("weights") / "whole.safetensors"
    save_weights(path, random_networks)
    return path.read_bytes()


def changed(data: bytes, change: Callable[[dict[str, Any], list[str]], Any]) -> bytes:
    """The file with a changed header; `change` gets it and the names of its tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    change(header, [name for name in header if name != "__metadata__"])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[end:]


@pytest.mark.parametrize("length", [1 << 62, (100 << 20) + 8, 10, 0])
def test_a_wrong_length_of_the_header_is_refused(length: int, written: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", length) + written[8:])
    with pytest.raises(UsageError, match=r"x\.safetensors: not readable as weights"):
        load_weights(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("overlapping", lambda header, names: header[names[1]].update(data_offsets=header[names[0]]["data_offsets"])),
        ("beyond the end", lambda header, names: header[names[-1]].update(data_offsets=[0, 1 << 40])),
        ("negative", lambda header, names: header[names[0]].update(data_offsets=[-8, 4])),
        ("overflowing", lambda header, names: header[names[0]].update(shape=[1 << 62, 1 << 62])),
        ("unknown type", lambda header, names: header[names[0]].update(dtype="Q99")),
        ("no text", lambda header, names: header.update(__metadata__={"format": 3})),
    ],
)
def test_a_hostile_header_is_refused(name: str, change: Any, written: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(changed(written, change))
    with pytest.raises(UsageError, match=r"x\.safetensors: not readable as weights"):
        load_weights(tmp_path / "x.safetensors")


def test_a_header_nested_too_deep_is_refused(written: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", 200_000) + b'{"a":' * 40_000 + written[8:])
    with pytest.raises(UsageError, match=r"x\.safetensors: not readable as weights"):
        load_weights(tmp_path / "x.safetensors")
