"""Rows are computed once for the same networks, sets and facts, and anew where one of them differs."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.training.data.stored_rows import stored_rows


class Two(NamedTuple):
    first: Tensor
    second: Tensor


def sets(seed: int) -> StoredSets:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 255, (2, 3, 3, 8, 8)).astype(np.uint8)
    grid = np.zeros((2, 3, 1, 2, 2))
    return StoredSets(
        images, grid.astype(np.int8), grid.astype(np.uint8), np.zeros((2, 3), np.int64),
        np.zeros((2, 3, 1), np.float32), np.ones(2, np.float32), np.zeros(2, np.int64),
    )  # fmt: skip


def test_rows_are_computed_once_and_anew_for_other_networks_sets_or_facts(tmp_path: Path):
    asked: list[str] = []

    def rows(name: str, networks: nn.Module, seed: int, facts: str) -> Two:
        def compute() -> Two:
            asked.append(name)
            return Two(torch.arange(6.0).view(2, 3).t(), torch.tensor([seed], dtype=torch.float16))

        return stored_rows(compute, Two, facts, networks.state_dict(), sets(seed), tmp_path)

    torch.manual_seed(0)
    network, other = nn.Linear(2, 2), nn.Linear(2, 2)
    first, again = rows("first", network, 1, "a"), rows("again", network, 1, "a")
    assert torch.equal(first.first, torch.arange(6.0).view(2, 3).t()) and first.second.dtype == torch.float16
    assert all(torch.equal(x, y) for x, y in zip(first, again, strict=True))
    rows("network", other, 1, "a"), rows("sets", network, 2, "a"), rows("facts", network, 1, "b")
    assert asked == ["first", "network", "sets", "facts"]


def test_damaged_rows_are_noticed_and_those_of_a_former_version_get_a_hash(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def rows() -> Two:
        return stored_rows(lambda: Two(torch.rand(40), torch.zeros(3)), Two, "", {}, sets(1), tmp_path)

    first = rows()
    (path,) = tmp_path.glob("*/rows.safetensors")
    whole = path.read_bytes()
    path.with_suffix(".sha256").unlink()
    assert torch.equal(rows().first, first.first) and "without a hash" in capsys.readouterr().err
    assert torch.equal(rows().first, first.first) and capsys.readouterr().err == ""
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(UsageError, match="rows.safetensors: differs from rows.sha256; remove .*two-"):
        rows()
    path.with_suffix(".sha256").unlink()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="rows.safetensors: is damaged; remove .*two-"):
        rows()
