"""Rankings of pictures that are seen under a viewing condition, of what is answered for each and for each pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from relational_iqa.results.octaves import ScoresAtOctaves, joined_confidence
from relational_iqa.results.ranking import Ranking, pairs_of
from relational_iqa.results.score import Score
from relational_iqa.tiling.stored_image import StoredImage


def ranked_as_seen(
    model: Any, images: Sequence[StoredImage], names: Sequence[str], has_reference: bool, facts: Mapping[str, Any]
) -> tuple[Ranking, dict[tuple[int, int], float]]:
    """The ranking, and the visible difference of each pair.

    Args:
        model: a RelationalIQA.
        images: as they are seen; the reference, where there is one, is the last.
        names: of the images that are ranked.
        has_reference: whether there is a reference.
        facts: the `meta` of the ranking.
    """
    if has_reference:
        scores = list(model.scores(images[:-1], images[-1]))
        qualities = [score.quality for score in scores]
        ranking = Ranking.by_quality(names, qualities, dict(facts), model.order_confidences(scores))
        return ranking, model.visible_differences(images[:-1])
    pairs, seen = {}, {}
    for i, j in pairs_of(len(images)):
        found = model.compare(images[i], images[j])
        pairs[i, j] = found.margin, found.confidence
        seen[i, j] = 1.0 if found.visible_difference is None else found.visible_difference
    return Ranking.by_pairs(names, pairs, dict(facts)), seen


def order_confidences_at_octaves(
    found: Sequence[ScoresAtOctaves], confidences_of: Callable[[Sequence[Score]], np.ndarray | None]
) -> np.ndarray | None:
    """How sure the order of images is whose scores were joined; None for weights that know none.

    Args:
        found: evidence of the joined scores.
        confidences_of: gives the same of scores at one octave.
    """
    margins, sure = [], []
    for scores in zip(*(one.scores for one in found), strict=True):
        confidences = confidences_of(scores)
        if confidences is None:
            return None
        qualities = np.array([score.quality for score in scores])
        margins.append(qualities[:, None] - qualities[None])
        sure.append(confidences)
    return joined_confidence(np.array(margins), np.array(sure), np.array(found[0].weights))
