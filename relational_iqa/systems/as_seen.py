"""Answers for images as they are seen: under a viewing condition, joined of those at the octaves that an eye sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from relational_iqa.results.comparison import Comparison
from relational_iqa.results.octaves import ScoresAtOctaves, joined_comparison, joined_confidence, joined_score
from relational_iqa.results.ranking import Ranking, pairs_of
from relational_iqa.results.score import Score
from relational_iqa.tiling.seen_images import octaves
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.condition import octave_weights


def compared_as_seen(
    images: Sequence[StoredImage], compared: Callable[[Sequence[StoredImage]], Comparison]
) -> Comparison:
    """The answer for a, b and, where there is one, the reference.

    Args:
        images: as they are judged.
        compared: gives the answer for images of which every pixel counts.
    """
    if images[0].viewing is None:
        return compared(images)
    found = [compared(each) for each in octaves(images)]
    return joined_comparison(found, octave_weights(len(found)))


def scored_as_seen(
    images: Sequence[StoredImage], scored: Callable[[Sequence[StoredImage]], list[Score]]
) -> list[Score]:
    """Scores of several images that are computed together.

    Args:
        images: as they are judged, their reference the last.
        scored: gives the scores of images of which every pixel counts.
    """
    if images[0].viewing is None:
        return scored(images)
    found = [scored(each) for each in octaves(images)]
    weights = octave_weights(len(found))
    return [joined_score(one, weights) for one in zip(*found, strict=True)]


def ranked_as_seen(model: Any, images: Sequence[StoredImage], names: Sequence[str], has_reference: bool) -> Ranking:
    """The ranking of images that are seen under a condition, of what is answered for each and for each pair.

    Args:
        model: a RelationalIQA.
        images: as they are judged; the reference, where there is one, is the last.
        names: of the images that are ranked.
        has_reference: whether there is a reference.
    """
    if has_reference:
        scores = list(model.scores(images[:-1], images[-1]))
        qualities = [score.quality for score in scores]
        ranking = Ranking.by_quality(names, qualities, {}, model.order_confidences(scores))
        visible = model.visible_differences(images[:-1])
    else:
        pairs, visible = {}, {}
        for i, j in pairs_of(len(images)):
            found = model.compare(images[i], images[j])
            pairs[i, j] = found.margin, found.confidence
            visible[i, j] = 1.0 if found.visible_difference is None else found.visible_difference
        ranking = Ranking.by_pairs(names, pairs, {})
    return ranking if images[0].is_hdr else ranking.with_visible(visible)


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
