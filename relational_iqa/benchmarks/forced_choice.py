"""Agreement with choices between two images: the 2AFC score, and the accuracy on pairs of one scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from distortion_engine.errors import UsageError


def two_afc(margins: np.ndarray, prefer_second: np.ndarray) -> float:
    """The 2AFC score in [0, 1] of Zhang et al., CVPR 2018: the mean share of people who chose as the metric does.

    margins (n,): quality of the first image minus that of the second, higher quality is better; prefer_second (n,): the
    share of people who chose the second. A margin of exactly 0 counts half, so that the order of a pair says nothing.
    Raises UsageError for lengths that differ, no pairs, or values that are not finite.
    """
    m, h = np.asarray(margins, np.float64).ravel(), np.asarray(prefer_second, np.float64).ravel()
    if len(m) != len(h) or len(m) == 0:
        raise UsageError(f"{len(m)} margins for {len(h)} judgements; expected one margin a judgement, and some of them")
    if not (np.isfinite(m).all() and np.isfinite(h).all()):
        raise UsageError("margins or judgements hold NaN or infinite values; leave those pairs out")
    return float(np.mean(np.where(m > 0, 1 - h, np.where(m < 0, h, 0.5))))


def two_afc_people(prefer_second: np.ndarray) -> tuple[float, float]:
    """What people themselves reach: (a person drawn at random against another, h^2 + (1 - h)^2 on average; the best any
    metric can, max(h, 1 - h) on average)."""
    h = np.asarray(prefer_second, np.float64)
    return float(np.mean(h**2 + (1 - h) ** 2)), float(np.mean(np.maximum(h, 1 - h)))


def scene_pairs(scenes: Sequence[str]) -> list[tuple[int, int]]:
    """All pairs (i, j), i < j, of items of one scene, in the order of i and j; items without a scene ("") have none."""
    members: dict[str, list[int]] = {}
    for index, scene in enumerate(scenes):
        if scene:
            members.setdefault(scene, []).append(index)
    pairs = [(i, j) for group in members.values() for n, i in enumerate(group) for j in group[n + 1 :]]
    return sorted(pairs)


def partner_pairs(groups: Sequence[str], partners: int | None = None, seed: int = 0) -> list[tuple[int, int]]:
    """Pairs (i, j) of items of one scene that a comparing metric judges, i < j, sorted.

    partners None: all pairs. Else every item of a scene meets about that many others: the items stand in a circle in
    random order and each meets its next neighbours, so that a chain of comparisons connects the scene.
    """
    if partners is None:
        return scene_pairs(groups)
    if partners < 2:
        raise UsageError(f"{partners} partners an image: expected 2 or more, else nothing connects a scene")
    rng = np.random.default_rng(seed)
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        if group:
            members.setdefault(group, []).append(index)
    pairs = set()
    for items in members.values():
        circle = rng.permutation(items)
        for place, item in enumerate(circle):
            for step in range(1, (partners + 1) // 2 + 1):
                other = circle[(place + step) % len(circle)]
                if other != item:
                    pairs.add((int(min(item, other)), int(max(item, other))))
    return sorted(pairs)


def pair_accuracy(margins: np.ndarray, pairs: np.ndarray, scores: np.ndarray) -> float:
    """Share in [0, 1] of pairs that the metric orders as people's scores do; .5 is chance.

    margins (n,): predicted quality of i minus that of j, 0 counts half; pairs (n, 2): i, j; scores: people's, higher is
    better. Pairs that people score equally are left out; NaN where none is left.
    """
    people = np.sign(scores[pairs[:, 0]] - scores[pairs[:, 1]]) if len(pairs) else np.zeros(0)
    told = people != 0
    if not told.any():
        return float("nan")
    return float(np.mean(0.5 + 0.5 * np.sign(margins[told]) * people[told]))


def standings(margins: np.ndarray, pairs: np.ndarray, count: int) -> np.ndarray:
    """Qualities (count,) of items from margins of pairs, by least squares: margin of (i, j) ~ q_i - q_j.

    Items that no chain of pairs connects are on scales of their own; each scale has mean 0, an item in no pair is NaN.
    With all pairs of n items q_i is the mean of the margins of i, its own 0 among them.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    result = np.full(count, np.nan)
    if not len(pairs):
        return result
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, part = connected_components(links, directed=False)
    part_of_pair = part[pairs[:, 0]]
    for label in np.unique(part_of_pair):
        chosen = np.flatnonzero(part_of_pair == label)
        items = np.unique(pairs[chosen])
        place = np.searchsorted(items, pairs[chosen])
        design = np.zeros((len(chosen), len(items)))
        design[np.arange(len(chosen)), place[:, 0]] = 1
        design[np.arange(len(chosen)), place[:, 1]] = -1
        # The solution of least norm has mean 0, as constants are what the margins do not see.
        result[items] = np.linalg.lstsq(design, margins[chosen], rcond=None)[0]
    return result
