"""What frozen networks say of training sets, computed once and kept on the disk: a run that was stopped does not ask
them again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import safetensors.torch
from torch import Tensor

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
    """The rows below `folder`, after computing those that are not there yet.

    Args:
        compute: gives the rows.
        kind: their type, a NamedTuple of tensors.
        facts: everything that the rows depend on beside the weights and the sets.
        state: weights of the networks that are asked, a part of the key.
        sets: what is asked about.
        folder: where rows are kept.
    """
    place = folder / f"{kind.__name__.lower()}-{_key(facts, state, sets)}"
    path = place / "rows.safetensors"
    with one_at_a_time(place):
        if not path.exists():
            rows = {name: values.contiguous() for name, values in compute()._asdict().items()}
            with atomic_file(path) as stream:
                stream.write(safetensors.torch.save(rows))
    found = safetensors.torch.load_file(path)
    return kind._make(found[name] for name in kind._fields)


def _key(facts: str, state: Mapping[str, Tensor], sets: StoredSets) -> str:
    found = hashlib.sha256(f"{facts} {sets.images.shape} {sets.source}".encode())
    for values in (sets.labels, sets.ranks, sets.images[0]):
        found.update(np.ascontiguousarray(values).tobytes())
    for name, value in state.items():
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
