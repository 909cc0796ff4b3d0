"""Ranking: several images of one scene, best first."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from relational_iqa.results.inputs import Inputs
from relational_iqa.results.outputs import save_ranking
from relational_iqa.results.plain_json import plain_dict
from relational_iqa.results.words.confidence import CANNOT_TELL, MIN_CONFIDENCE, can_tell, percent
from relational_iqa.results.words.margins import TIE_MARGIN, UNIT, check_levels, levels
from relational_iqa.results.words.sentences import join_words
from relational_iqa.results.words.visibility import LOOKS_THE_SAME, MEANING, is_unseen

MAX_LEADERS = 3
"""More images that share the first place are counted, not named."""


@dataclass(frozen=True, repr=False)
class Ranking:
    """Several images, best first.

    Args:
        order: indices into `names`, best first.
        names: what to call the images.
        margins: n - 1 levels, of each image in `order` over the next one.
        qualities: one for each of `names`, or None without a reference.
        pairwise: (n, n) levels, antisymmetric; [i, j] > 0 where i is better than j.
        meta: version, weights, size, device, seconds.
        confidences: (n, n), symmetric, in [.5, 1]: probability that the sign of `pairwise` is right; .5 on the
            diagonal. None where the weights know none.
        visible: (n, n), symmetric, in [0, 1]: largest difference of each pair that an eye can see, in units of the
            threshold of visibility, see `Comparison`; 0 on the diagonal. None where it is unknown.
        inputs: where the images can be had again, for `save`; None where nobody knows.

    Raises:
        ValueError: where order, names, margins and confidences do not fit together.
    """

    order: Sequence[int]
    names: Sequence[str]
    margins: Sequence[float]
    qualities: Sequence[float] | None
    pairwise: np.ndarray
    meta: Mapping[str, Any] = field(default_factory=dict)
    confidences: np.ndarray | None = None
    visible: np.ndarray | None = None
    inputs: Inputs | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if sorted(self.order) != list(range(len(self.names))) or len(self.margins) != max(len(self.names) - 1, 0):
            raise ValueError(
                f"order {list(self.order)} with {len(self.margins)} margins does not fit {len(self.names)} names: "
                "expected a permutation of their indices and one margin fewer"
            )
        check_levels(float(np.abs(self.pairwise).max(initial=0.0)), "the largest margin")
        if self.confidences is not None and self.confidences.shape != self.pairwise.shape:
            raise ValueError(
                f"confidences are of shape {self.confidences.shape}, expected that of pairwise, {self.pairwise.shape}"
            )
        if self.visible is not None and self.visible.shape != self.pairwise.shape:
            raise ValueError(
                f"visible is of shape {self.visible.shape}, expected that of pairwise, {self.pairwise.shape}"
            )

    @classmethod
    def by_quality(
        cls,
        names: Sequence[str],
        qualities: Sequence[float],
        meta: Mapping[str, Any],
        confidences: np.ndarray | None = None,
    ) -> Ranking:
        """Ranks by quality: margins are differences of qualities, so the ranking is transitive.

        Args:
            names: what to call the n images.
            qualities: of each.
            meta: what the images were compared with.
            confidences: (n, n), symmetric: probability that the order of each pair is right; None if unknown.
        """
        ranking = _ranked(names, np.array(qualities), np.subtract.outer(qualities, qualities), qualities, meta)
        return replace(ranking, confidences=confidences)

    @classmethod
    def by_margins(
        cls, names: Sequence[str], pairwise: np.ndarray, meta: Mapping[str, Any], confidences: np.ndarray | None = None
    ) -> Ranking:
        """Ranks by the mean margin over all other images (Borda count).

        Args:
            names: what to call the n images.
            pairwise: (n, n), antisymmetric; [i, j] is positive where i is better than j, in levels.
            meta: what the images were compared with.
            confidences: (n, n), symmetric: probability that the sign of each margin is right; None if unknown.
        """
        return replace(_ranked(names, pairwise.sum(1), pairwise, None, meta), confidences=confidences)

    @classmethod
    def by_pairs(
        cls,
        names: Sequence[str],
        pairs: Mapping[tuple[int, int], tuple[float, float | None]],
        meta: Mapping[str, Any],
    ) -> Ranking:
        """Ranks as `by_margins`, by the comparison of each pair.

        Args:
            names: what to call the n images.
            pairs: (i, j) of `pairs_of(n)` -> margin, positive where i is better, and its confidence.
            meta: what the images were compared with.
        """
        pairwise, confidences = np.zeros((len(names), len(names))), np.full((len(names), len(names)), 0.5)
        for (i, j), (margin, confidence) in pairs.items():
            pairwise[i, j], pairwise[j, i] = margin, 0.0 - margin  # never -0.0
            confidences[i, j] = confidences[j, i] = np.nan if confidence is None else confidence
        return cls.by_margins(names, pairwise, meta, None if np.isnan(confidences).any() else confidences)

    def with_visible(self, differences: Mapping[tuple[int, int], float]) -> Ranking:
        """The same ranking, with the visible difference of each pair of `pairs_of(n)`."""
        visible = np.zeros_like(self.pairwise, dtype=np.float64)
        for (i, j), difference in differences.items():
            visible[i, j] = visible[j, i] = difference
        return replace(self, visible=visible)

    @property
    def told(self) -> np.ndarray:
        """The pairwise margins (n, n), with 0 where it cannot be told which image is better and where nothing is
        visible."""
        told = self.pairwise if self.visible is None else np.where(self.visible >= 1, self.pairwise, 0.0)
        return told if self.confidences is None else np.where(self.confidences >= MIN_CONFIDENCE, told, 0.0)

    @property
    def order_confidences(self) -> list[float | None]:
        """n - 1 probabilities that an image in `order` is better than the next one, by the comparison of the two; None
        where that is unknown. Below .5 where this comparison contradicts the order, which is that of all of them."""
        if self.confidences is None:
            return [None] * len(self.margins)
        of_pairs = [float(self.confidences[i, j]) for i, j in zip(self.order, self.order[1:], strict=False)]
        return [sure if margin >= 0 else 1 - sure for sure, margin in zip(of_pairs, self.margins, strict=True)]

    @property
    def unseen(self) -> list[bool]:
        """n - 1: whether an image in `order` and the next one differ, but nowhere by as much as an eye could see."""
        if self.visible is None:
            return [False] * len(self.margins)
        pairs = [float(self.visible[i, j]) for i, j in zip(self.order, self.order[1:], strict=False)]
        return [margin != 0 and is_unseen(pair) for pair, margin in zip(pairs, self.margins, strict=True)]

    @property
    def untold(self) -> list[bool]:
        """n - 1: whether it cannot be told that an image in `order` is better than the next one. False where no
        confidence is known, for images that nothing sets apart, and where nothing is visible."""
        of_order = zip(self.order_confidences, self.margins, self.unseen, strict=True)
        return [margin != 0 and not unseen and not can_tell(sure) for sure, margin, unseen in of_order]

    @property
    def places(self) -> list[int]:
        """Places of the images in `order`, from 1. An image shares the place of the one above it if nothing that
        differs is visible; with confidences, also if the two are equal or if it cannot be told that the one above is
        better."""
        places = list(range(1, len(self.names) + 1))
        known = self.confidences is not None
        of_order = zip(self.margins, self.untold, self.unseen, strict=True)
        for above, (margin, untold, unseen) in enumerate(of_order):
            if unseen or (known and (untold or margin == 0)):
                places[above + 1] = places[above]
        return places

    def places_said(self) -> list[str]:
        """The places as tables show them: "1", "=2", "=2", "4"."""
        places = self.places
        return [f"={place}" if places.count(place) > 1 else str(place) for place in places]

    def headline(self) -> str:
        """Who is first: "b.png is best", "b.png and a.png share the first place"."""
        first = [self.names[index] for index, place in zip(self.order, self.places, strict=True) if place == 1]
        if len(first) == 1:
            return f"{first[0]} is best"
        return f"{join_words(first) if len(first) <= MAX_LEADERS else f'{len(first)} images'} share the first place"

    def __repr__(self) -> str:
        """The sentence."""
        return self.summary()

    def summary(self) -> str:
        """One sentence: "b.png is best, then a.png (0.8 levels behind), then c.png (equal, 0.02 levels)."; with
        confidences "... (0.8 levels behind, 95 % sure)" and "... (cannot tell from the one above)"."""
        if not self.names:
            return "No images to rank."
        places = self.places
        parts = [f"{self.names[self.order[0]]} {'comes first' if places.count(1) > 1 else 'is best'}"]
        behind = zip(self.order[1:], self.margins, self.order_confidences, self.untold, self.unseen, strict=True)
        for index, margin, sure, untold, unseen in behind:
            if unseen:
                gap = f"{LOOKS_THE_SAME} as the one above"
            elif untold:
                gap = f"{CANNOT_TELL} from the one above"
            elif abs(margin) < TIE_MARGIN:
                gap = f"equal, {levels(margin)}"
            else:
                gap = f"{levels(margin)} behind" + ("" if sure is None else f", {percent(sure)} sure")
            parts.append(f"then {self.names[index]} ({gap})")
        return ", ".join(parts) + "."

    def save(self, path: str | os.PathLike[str], images: Sequence[Any] | None = None) -> Path:
        """Writes a file, whole or not at all, and returns its path. The suffix says what: `.html` the page of all
        images, which `riqa rank --out` writes (without the defects in words), `.json` what `to_json` has.

        Args:
            path: the file; missing folders are made.
            images: in the order of the names, then the reference where there was one; by default the files that were
                ranked, or the arrays and tensors, as long as they are in memory: a result does not keep them there.

        Raises:
            UsageError: for another suffix, for images that are not to be had, and where the file cannot be written.
            ImageError: for images that are none, or of different sizes.
        """
        return save_ranking(self, path, images)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain Python, the images best first."""
        places, untold, unseen = self.places, [False, *self.untold], [False, *self.unseen]
        margins, sure = [*self.margins, None], [*self.order_confidences, None]
        ranked = [
            {"rank": row + 1, "place": places[row], "index": index, "name": self.names[index],
             "quality": None if self.qualities is None else self.qualities[index],
             "margin_over_next": margins[row], "confidence_over_next": sure[row],
             "cannot_tell_from_above": untold[row], "looks_like_above": unseen[row]}
            for row, index in enumerate(self.order)
        ]  # fmt: skip
        return plain_dict({
            "sentence": self.summary(), "unit": UNIT, "ranking": ranked,
            "pairwise": self.pairwise, "pairwise_means": "[i][j] positive: i is better than j",
            "confidences": self.confidences,
            "confidences_mean": "[i][j]: probability that the sign of pairwise[i][j] is right",
            "cannot_tell_below": MIN_CONFIDENCE,
            "visible_differences": self.visible, "visible_differences_mean": f"[i][j]: {MEANING}", "meta": self.meta,
        })  # fmt: skip


def pairs_of(count: int) -> Iterator[tuple[int, int]]:
    """All pairs i < j of `count` images."""
    return combinations(range(count), 2)


def _ranked(
    names: Sequence[str],
    standing: np.ndarray,
    pairwise: np.ndarray,
    qualities: Sequence[float] | None,
    meta: Mapping[str, Any],
) -> Ranking:
    """The images by falling `standing` (n,); images of equal standing in the order given."""
    order = [int(i) for i in np.argsort(-standing, kind="stable")]
    margins = [float(pairwise[i, j]) + 0.0 for i, j in zip(order, order[1:], strict=False)]
    return Ranking(order, list(names), margins, qualities, pairwise, meta)
