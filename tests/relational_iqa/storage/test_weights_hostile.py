"""Weights files made to harm: every one is refused with a line that names it, before it takes memory."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from distortion_engine.errors import UsageError
from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.storage import tensor_file
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


def rewritten(written: bytes, path: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> Path:
    """The file with all its tensors changed, facts as they were."""
    whole = path.with_name("whole.safetensors")
    whole.write_bytes(written)
    with safe_open(whole, framework="pt") as file:
        metadata = file.metadata()
    save_file({name: change(value) for name, value in load_file(whole).items()}, path, metadata)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda value: value * 1e8, r"holds \d.*, expected 1e\+06 or less"),
        (lambda value: value.round().int(), "is torch.int32"),
        (lambda value: value > 0, "is torch.bool"),
        (lambda value: value.to(torch.float8_e4m3fn), "is torch.float8_e4m3fn, which no weights of this package are"),
        (lambda value: torch.full_like(value, torch.inf), "NaN or infinite"),
    ],
)
def test_numbers_of_another_size_or_kind_are_refused(change: Any, said: str, written: bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"x\.safetensors: .*{said}"):
        load_weights(rewritten(written, tmp_path / "x.safetensors", change))


def test_weights_in_double_precision_are_those_in_single_precision(written: bytes, tmp_path: Path) -> None:
    double = load_weights(rewritten(written, tmp_path / "x.safetensors", torch.Tensor.double))[0].state_dict()
    single = load_weights(tmp_path / "whole.safetensors")[0].state_dict()
    assert all(torch.equal(value, double[name]) for name, value in single.items())


@pytest.mark.parametrize("facts", ["[" * 100_000, '{"architecture":' * 50_000, '{"architecture": 3}', "[]", ""])
def test_facts_that_no_command_wrote_are_refused(facts: str, written: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(
        changed(written, lambda header, names: header["__metadata__"].update(facts=facts))
    )
    with pytest.raises(UsageError, match=r"x\.safetensors: "):
        load_weights(tmp_path / "x.safetensors")


def test_a_sparse_file_is_refused_by_its_size(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    size = 20_000_000_000
    header = json.dumps({"x": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + size)
    with pytest.raises(UsageError, match="has 20,000,0.* bytes, weights have at most"):
        load_weights(path)


def test_weights_that_do_not_fit_into_memory_are_one_line(
    written: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise MemoryError("Cannot allocate memory (os error 12)")

    (tmp_path / "x.safetensors").write_bytes(written)
    monkeypatch.setattr(tensor_file, "safe_open", no_room)
    with pytest.raises(UsageError, match="cannot be loaded .Cannot allocate memory"):
        load_weights(tmp_path / "x.safetensors")
