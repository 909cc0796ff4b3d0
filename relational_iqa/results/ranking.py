"""Ranking: several images of one scene, best first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from relational_iqa.results.plain_json import plain_dict
from relational_iqa.results.words.margins import TIE_MARGIN, UNIT, levels


@dataclass(frozen=True)
class Ranking:
    """Several images, best first.

    Args:
        order: indices into `names`, best first.
        names: what to call the images.
        margins: n - 1 levels, of each image in `order` over the next one.
        qualities: one for each of `names`, or None without a reference.
        pairwise: (n, n) levels, antisymmetric; [i, j] > 0 where i is better than j.
        meta: version, weights, size, device, seconds.

    Raises:
        ValueError: where order, names and margins do not fit together.
    """

    order: Sequence[int]
    names: Sequence[str]
    margins: Sequence[float]
    qualities: Sequence[float] | None
    pairwise: np.ndarray
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sorted(self.order) != list(range(len(self.names))) or len(self.margins) != max(len(self.names) - 1, 0):
            raise ValueError(
                f"order {list(self.order)} with {len(self.margins)} margins does not fit {len(self.names)} names: "
                "expected a permutation of their indices and one margin fewer"
            )

    @classmethod
    def by_quality(cls, names: Sequence[str], qualities: Sequence[float], meta: Mapping[str, Any]) -> Ranking:
        """Ranks by quality: margins are differences of qualities, so the ranking is transitive."""
        return _ranked(names, np.array(qualities), np.subtract.outer(qualities, qualities), qualities, meta)

    @classmethod
    def by_margins(cls, names: Sequence[str], pairwise: np.ndarray, meta: Mapping[str, Any]) -> Ranking:
        """Ranks by the mean margin over all other images (Borda count).

        Args:
            names: what to call the n images.
            pairwise: (n, n), antisymmetric; [i, j] is positive where i is better than j, in levels.
            meta: what the images were compared with.
        """
        return _ranked(names, pairwise.sum(1), pairwise, None, meta)

    def summary(self) -> str:
        """One sentence: "b.png is best, then a.png (0.8 levels behind), then c.png (equal, 0.02 levels)."."""
        if not self.names:
            return "No images to rank."
        parts = [f"{self.names[self.order[0]]} is best"]
        for index, margin in zip(self.order[1:], self.margins, strict=True):
            gap = f"equal, {levels(margin)}" if abs(margin) < TIE_MARGIN else f"{levels(margin)} behind"
            parts.append(f"then {self.names[index]} ({gap})")
        return ", ".join(parts) + "."

    def to_json(self) -> dict[str, Any]:
        """Everything as plain Python, the images best first."""
        ranked = [
            {"rank": rank, "index": index, "name": self.names[index],
             "quality": None if self.qualities is None else self.qualities[index],
             "margin_over_next": self.margins[rank - 1] if rank <= len(self.margins) else None}
            for rank, index in enumerate(self.order, start=1)
        ]  # fmt: skip
        return plain_dict({
            "sentence": self.summary(), "unit": UNIT, "ranking": ranked,
            "pairwise": self.pairwise, "pairwise_means": "[i][j] positive: i is better than j", "meta": self.meta,
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
