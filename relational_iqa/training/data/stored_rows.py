"""What frozen networks say of training sets, computed once and kept on the disk: a run that was stopped does not ask
them again."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from distortion_engine.jobs.safe_files import atomic_file
from relational_iqa.training.data.one_at_a_time import one_at_a_time

RowsT = TypeVar("RowsT", bound=NamedTuple)


def stored_rows(
    compute: Callable[[], RowsT],
    kind: type[RowsT],
    facts: str,
    state: Mapping[str, Tensor],
    sets: StoredSets,
    folder: Path,
) -> RowsT:
    """The rows below `folder`, after computing those that are not there yet. Those that are there are held against the
    sha256 beside them, which rows of a former version get when they are opened.

    Args:
        compute: gives the rows.
        kind: their type, a NamedTuple of tensors.
        facts: everything that the rows depend on beside the weights and the sets.
        state: weights of the networks that are asked, a part of the key.
        sets: what is asked about.
        folder: where rows are kept.

    Raises:
        UsageError: for rows that are damaged.
    """
    place = folder / f"{kind.__name__.lower()}-{_key(facts, state, sets)}"
    path = place / "rows.safetensors"
    with one_at_a_time(place):
        if not path.exists():
            content = safetensors.torch.save(
                {name: values.contiguous() for name, values in compute()._asdict().items()}
            )
            _write_hash(path, content)  # first: rows without one are taken for those of a former version
            with atomic_file(path) as stream:
                stream.write(content)
        content = path.read_bytes()
        if not _hash_file(path).exists():
            print(f"{path}: is without a hash, which it gets now", file=sys.stderr, flush=True)
            _write_hash(path, content)
        if _hash_file(path).read_bytes().strip() != _hash(content):
            raise UsageError(f"{path}: differs from {_hash_file(path).name}; remove {place}, and it is made anew")
    try:
        found = safetensors.torch.load(content)
        return kind._make(found[name] for name in kind._fields)
    except (SafetensorError, KeyError, ValueError) as error:
        raise UsageError(f"{path}: is damaged; remove {place}, and it is made anew") from error


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _hash_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _write_hash(path: Path, content: bytes) -> None:
    with atomic_file(_hash_file(path)) as stream:
        stream.write(_hash(content) + b"\n")


def _key(facts: str, state: Mapping[str, Tensor], sets: StoredSets) -> str:
    found = hashlib.sha256(f"{facts} {sets.images.shape} {sets.source}".encode())
    for values in (sets.labels, sets.ranks, sets.images[0]):
        found.update(np.ascontiguousarray(values).tobytes())
    for name, value in state.items():
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
