"""Confidence intervals by the bootstrap over scenes: what another draw of scenes would have said.

The intervals are those of `scipy.stats.bootstrap` (percentile method) on the names of scenes, which the tests compare.
Drawn here because one draw has to serve every statistic of every metric, so that differences are paired, and because a
statistic may have no value in some draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from distortion_engine.errors import UsageError

LEVEL = 0.95
MIN_SCENES = 5
"""With fewer, resampling scenes says nothing; images are resampled, and the report says so."""


@dataclass(frozen=True)
class Resamples:
    """Bootstrap draws.

    Args:
        draws: arrays of indices, drawn with replacement.
        unit: what was drawn: "scenes", "images" or "pairs".
    """

    draws: tuple[np.ndarray, ...]
    unit: str

    def values(self, statistic: Callable[[np.ndarray], float]) -> np.ndarray:
        """statistic(indices) of every draw (count,)."""
        return np.array([statistic(draw) for draw in self.draws])


def resample(groups: Sequence[str], count: int, seed: int = 0, single: str = "images") -> Resamples:
    """Bootstrap draws over scenes, or over single items where scenes are fewer than `MIN_SCENES` or all different.

    Args:
        groups: scene of each item; "" is a scene of its own.
        count: number of draws.
        seed: decides what is drawn.
        single: what single items are called in the result.

    Raises:
        UsageError: for a negative count, or no items.
    """
    if count < 0 or not len(groups):
        raise UsageError(f"{count} bootstrap draws of {len(groups)} items: expected 0 or more draws of some items")
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group if group else f"\0{index}", []).append(index)
    scenes = [np.array(indices) for indices in members.values()]
    rng = np.random.default_rng(seed)
    if len(scenes) < MIN_SCENES or len(scenes) == len(groups):
        return Resamples(tuple(rng.integers(0, len(groups), len(groups)) for _ in range(count)), single)
    drawn = (rng.integers(0, len(scenes), len(scenes)) for _ in range(count))
    return Resamples(tuple(np.concatenate([scenes[scene] for scene in scenes_of]) for scenes_of in drawn), "scenes")


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float] | None:
    """The central interval that holds `level` of the finite values (percentile method); None for fewer than 20."""
    finite = values[np.isfinite(values)]
    if len(finite) < 20:
        return None
    low, high = np.quantile(finite, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def share_interval(hits: np.ndarray, groups: Sequence[str], count: int, seed: int = 0) -> tuple[float, float] | None:
    """95 % interval of the share of `hits` that are True, by draws of scenes: `resample` for many items.

    Args:
        hits: (n,), bool.
        groups: scene of each item; "" is a scene of its own. With fewer than `MIN_SCENES`, or where all are different,
            items are drawn.
        count: number of draws; fewer than 20 give no interval.
        seed: decides what is drawn.
    """
    if not len(hits) or count < 20:
        return None
    rng = np.random.default_rng(seed)
    names = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    if len(names) < MIN_SCENES or len(names) == len(hits) or "" in names:
        return interval(rng.binomial(len(hits), float(np.mean(hits)), count) / len(hits))
    place = np.array([names[group] for group in groups])
    right, all_of = np.bincount(place, hits.astype(float)), np.bincount(place).astype(float)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), count)
    return interval((drawn @ right) / (drawn @ all_of))
