"""Safetensors files: how all that was learned is kept, and how files that cannot be used are refused.

No pickle. Equal tensors and facts give equal bytes; a file is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, file_sha256, make_folder_of

MAX_FILE_BYTES = 4_000_000_000
"""Largest file that is read; the largest weights that ship have 12 MB. A sparse file costs nothing to make, and its
zeros fill the memory."""
_TYPES = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int32, torch.bool})


class Stored(NamedTuple):
    """Content of a file.

    Attributes:
        tensors: tensors by name.
        facts: facts of its header, plain JSON data.
        sha256: hash of its bytes.
    """

    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    sha256: str


def write_tensors(path: Path, format: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """Writes `path` and returns its sha256.

    Args:
        path: file to write; its folder is made where it is not there.
        format: name and number of the format, checked by `read_tensors`.
        tensors: on any device.
        facts: plain JSON data.
    """
    data = save(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        {"format": format, "facts": json.dumps(facts, sort_keys=True)},
    )
    data = _with_sorted_header(data)
    make_folder_of(path)
    with atomic_file(path) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def read_tensors(
    path: Path,
    format: str,
    written_by: str,
    unset: Collection[str] = (),
    former: Mapping[str, Callable[[Mapping[str, str]], dict[str, Any]]] | None = None,
) -> Stored:
    """Reads what `write_tensors` wrote.

    Args:
        path: file to read.
        format: the format that is expected.
        written_by: the command that writes such files, for messages.
        unset: names of tensors that may be NaN, which means that nothing was set.
        former: by the name of a former format, its header -> facts.

    Raises:
        UsageError: the file is missing, damaged, a PyTorch file or of another format, its facts cannot be read, or a
            tensor holds values that are not finite.
    """
    readers = {**(former or {}), format: _facts}
    try:
        return _read(path, format, written_by, unset, readers)
    except (MemoryError, RuntimeError) as error:  # PyTorch's allocator raises the latter
        reason = _first_line(error)
        raise UsageError(f"{path}: cannot be loaded ({reason}); free memory, or give other weights") from error


def _read(
    path: Path,
    format: str,
    written_by: str,
    unset: Collection[str],
    readers: Mapping[str, Callable[[Mapping[str, str]], dict[str, Any]]],
) -> Stored:
    header, tensors = _open(path, written_by)
    found = header.get("format", "unknown")
    if found not in readers:
        raise UsageError(f"{path}: is of format {found!r}, expected {format!r}")
    odd = [f"{name} is {value.dtype}" for name, value in tensors.items() if value.dtype not in _TYPES]
    if odd:
        raise UsageError(f"{path}: {odd[0]}, which no weights of this package are; write it again with {written_by}")
    checked = {name: value for name, value in tensors.items() if value.is_floating_point() and name not in unset}
    broken = [name for name, value in checked.items() if not value.isfinite().all()]
    if broken:
        raise UsageError(f"{path}: NaN or infinite values in {broken[0]}; write it again with {written_by}")
    try:
        facts = readers[found](header)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path}: its header cannot be read ({_first_line(error)}); write it again with {written_by}"
        ) from error
    return Stored(tensors, facts, file_sha256(path))


def _facts(header: Mapping[str, str]) -> dict[str, Any]:
    facts = json.loads(header["facts"])
    if not isinstance(facts, dict):
        raise ValueError(f"facts are {type(facts).__name__}, expected a mapping")
    return facts


def _open(path: Path, written_by: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a safetensors file. Raises UsageError for one that is missing, damaged, or of PyTorch."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give what {written_by} wrote")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise UsageError(f"{path}: has {size:,} bytes, weights have at most {MAX_FILE_BYTES:,}; is it the right file?")
    with path.open("rb") as raw:
        if raw.read(2) == b"PK":
            raise UsageError(f"{path}: not readable as weights: a PyTorch file (.pt); give what {written_by} wrote")
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        raise UsageError(f"{path}: not readable as weights ({error}); give what {written_by} wrote") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _with_sorted_header(data: bytes) -> bytes:
    """The same file with the header's own entries sorted; the library's order differs from run to run.

    Format: 8 bytes length, JSON padded with spaces, tensors.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]
