"""Splits of rated images into training and test shares by group, so that no scene is on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distortion_engine.errors import UsageError

SPLITS = 10
"""The usual number; the literature reports the median over ten."""

Indices = np.ndarray


def grouped_splits(
    groups: Sequence[str], count: int = SPLITS, test_share: float = 0.2, seed: int = 0
) -> list[tuple[Indices, Indices]]:
    """`count` random splits by group: (training indices, test indices), int64, rising, together every item once.

    groups: one name an item, the scene or reference it shows; "" is a group of its own, for images without a scene.
    test_share: share of the *groups* (rounded, at least one on each side) that go to the test, in (0, 1). The same
    arguments give the same splits everywhere. Raises UsageError for fewer than two groups or a share outside (0, 1).
    """
    return [(train, test) for train, _, test in train_val_test_splits(groups, count, 0.0, test_share, seed)]


def train_val_test_splits(
    groups: Sequence[str], count: int = SPLITS, val_share: float = 0.2, test_share: float = 0.2, seed: int = 0
) -> list[tuple[Indices, Indices, Indices]]:
    """Like `grouped_splits`, with a validation share between the two: (training, validation, test) indices.

    The test shares equal those of `grouped_splits` with the same seed. Validation is empty for `val_share` 0, else at
    least one group. Raises UsageError where the groups are too few or the shares leave no training.
    """
    if count < 1:
        raise UsageError(f"{count} splits: expected 1 or more")
    if not (0 < test_share < 1 and 0 <= val_share < 1 and val_share + test_share < 1):
        raise UsageError(
            f"shares of validation {val_share} and test {test_share}: expected 0 <= validation, 0 < test, sum below 1"
        )
    ids = _group_ids(groups)
    total = int(ids.max()) + 1 if len(ids) else 0
    needed = 2 if val_share == 0 else 3
    if total < needed:
        raise UsageError(f"{total} scenes cannot be split into {needed} shares; give a set of more scenes")
    in_val = 0 if val_share == 0 else min(max(1, round(total * val_share)), total - 2)
    in_test = min(max(1, round(total * test_share)), total - in_val - 1)
    rng = np.random.default_rng(seed)
    splits = []
    for _ in range(count):
        order = rng.permutation(total)
        part = np.zeros(total, dtype=np.int64)
        part[order[:in_test]] = 2
        part[order[in_test : in_test + in_val]] = 1
        item_part = part[ids]
        splits.append((np.flatnonzero(item_part == 0), np.flatnonzero(item_part == 1), np.flatnonzero(item_part == 2)))
    return splits


def _group_ids(groups: Sequence[str]) -> Indices:
    """A whole number for every item, by first appearance, so that the names themselves decide nothing."""
    known: dict[str, int] = {}
    ids = []
    for index, group in enumerate(groups):
        ids.append(known.setdefault(group if group else f"\0{index}", len(known)))
    return np.array(ids, dtype=np.int64)
