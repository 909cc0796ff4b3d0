"""Safetensors files: how all systems keep what they have learned, and how such files are refused.

No pickle. Equal tensors and facts give equal bytes; a file is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import atomic_file, file_sha256

Network = TypeVar("Network", bound=nn.Module)


def write_tensors(path: Path, format: str, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """Writes `path` and returns its sha256. facts: plain JSON data."""
    data = save(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        {"format": format, "facts": json.dumps(facts, sort_keys=True)},
    )
    data = ordered(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def read_tensors(
    path: Path, format: str, written_by: str, unset: Collection[str] = ()
) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Tensors, facts and sha256 of a file of `format`. UsageError names a missing, damaged or foreign file.
    unset: as in `open_tensors`."""
    header, tensors = open_tensors(path, written_by, unset, format)
    try:
        facts = json.loads(header["facts"])
    except (KeyError, ValueError) as error:
        raise UsageError(f"{path}: its header cannot be read ({error}); write it again with {written_by}") from error
    return tensors, facts, file_sha256(path)


def load_network(
    path: Path,
    format: str,
    written_by: str,
    build: Callable[[dict[str, Any]], Network],
    unset: Collection[str] = (),
) -> tuple[Network, dict[str, Any], dict[str, Any]]:
    """A network from a file of `format`, in eval mode and frozen; {"name", "path", "sha256"}; and the header's facts.

    build: facts -> the untrained network they describe. UsageError names a missing, damaged or foreign file.
    """
    state, facts, digest = read_tensors(path, format, written_by, unset)
    network = restored(path, lambda: build(facts), state)
    return network, {"name": path.stem, "path": str(path), "sha256": digest}, facts


def restored(path: Path, build: Callable[[], Network], state: Mapping[str, Tensor]) -> Network:
    """`build()` with `state` from `path`, in eval mode and frozen; UsageError where they do not fit."""
    try:
        network = build()
        network.load_state_dict(state)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        fault = str(error).splitlines()[-1].strip()
        raise UsageError(f"{path}: tensors do not fit the architecture in the header: {fault}") from error
    return network.eval().requires_grad_(False)


def open_tensors(
    path: Path, written_by: str, unset: Collection[str] = (), format: str | None = None
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a safetensors file. UsageError for one that is missing, damaged, of PyTorch's own format,
    of another `format` than asked for, or holds values that are not finite; NaN in the tensors named in `unset` means
    that nothing was set."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give what {written_by} wrote")
    with path.open("rb") as raw:
        if raw.read(2) == b"PK":
            raise UsageError(f"{path}: not readable as weights: a PyTorch file (.pt); give what {written_by} wrote")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise UsageError(f"{path}: not readable as weights ({error}); give what {written_by} wrote") from error
    if format is not None and header.get("format") != format:
        raise UsageError(f"{path}: is of format {header.get('format', 'unknown')!r}, expected {format!r}")
    checked = {name: value for name, value in tensors.items() if value.is_floating_point() and name not in unset}
    broken = [name for name, value in checked.items() if not value.isfinite().all()]
    if broken:
        raise UsageError(f"{path}: NaN or infinite values in {broken[0]}; write it again with {written_by}")
    return header, tensors


def ordered(data: bytes) -> bytes:
    """The same file with the header's own entries in order; the library's order differs from run to run.
    Format: 8 bytes length, JSON padded with spaces, tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]
