"""Where a picture is worst by its map of MOS, and by how much that place is below the rest.

The map of an untouched photograph varies too, so a region counts only where it is well below the *typical* place, the
median of the map. The MOS of the image is no measure of that: its weights rest on what is bad, so that it lies near the
worst place wherever that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from relational_iqa.results.words.places import NO_PLACE, at_place, place

NOTABLE = 0.8  # grades below the rest from which a region is told
SMALL = 0.1  # of the picture; a smaller region is named by its box, a larger one in words
MIN_REGION_PX = 16  # in the image: what a person can still find on a screen
_SEARCH_SIDE = 128  # cells; the map is searched at this longer side
_SCALES = (1, 3, 9)  # sides of the squares that the map is smoothed over, in cells
_PART_OF_PEAK = 0.5  # of the deepest place: what belongs to the region
_MOST = 0.5  # of the picture; what takes more is the rest itself


@dataclass(frozen=True)
class WorstRegion:
    """A part of a picture that is worse than the rest of it.

    Args:
        left: distance of its box from the left edge in px.
        top: distance from the top edge in px.
        width: of the box in px.
        height: of the box in px.
        share: of the pixels of the image that belong to the region, 0 to 1; it need not fill its box.
        mos: mean MOS of its pixels, 1 to 5.
        rest: mean MOS of all others.
        where: the place in words, for example "lower left".
    """

    left: int
    top: int
    width: int
    height: int
    share: float
    mos: float
    rest: float
    where: str

    @property
    def below(self) -> float:
        """Grades by which it is below the rest."""
        return self.rest - self.mos

    def said_place(self, shape: tuple[int, ...]) -> str:
        """Where it lies in an image (H, W), as it follows "worst": its box where that is SMALL or has no place in
        words, as in "in 96 × 80 px at (120, 40)", else those words, as in "at the lower left"."""
        small = self.width * self.height <= SMALL * shape[0] * shape[1]
        return f"in {self.box}" if small or self.where in NO_PLACE else at_place(self.where)

    def to_json(self) -> dict[str, Any]:
        """All fields and `below`, as plain Python."""
        return {**asdict(self), "below": self.below}

    @property
    def box(self) -> str:
        """The box as people write it: "96 × 96 px at (120, 40)", left upper corner from the left upper corner."""
        return f"{self.width} × {self.height} px at ({self.left}, {self.top})"


def find_worst(pmos: Float[np.ndarray, "h w"]) -> tuple[WorstRegion, Bool[np.ndarray, "h w"]] | None:
    """The worst region of a map of MOS, and its pixels; None where the picture is much the same everywhere.

    Candidates are the connected pieces in which the map, smoothed at several scales, is at least half as far below its
    median as at its deepest place. The one that loses most wins: the mean loss times the square root of the area.
    """
    height, width = pmos.shape
    step = max(1, -(-max(height, width) // _SEARCH_SIDE))
    cells = _cells(pmos, step)
    loss = np.median(cells) - cells
    best: tuple[float, np.ndarray] | None = None
    for piece in _pieces(loss, max(1, -(-MIN_REGION_PX // step))):
        rest = cells[~piece]
        below = float(rest.mean() - cells[piece].mean())
        if below >= NOTABLE:
            weight = round(below * float(np.sqrt(piece.sum())), 6)
            best = (weight, piece) if best is None or weight > best[0] else best
    if best is None:
        return None
    inside = np.repeat(np.repeat(best[1], step, 0), step, 1)[:height, :width]
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    region = WorstRegion(
        left=int(columns[0]),
        top=int(rows[0]),
        width=int(columns[-1] - columns[0]) + 1,
        height=int(rows[-1] - rows[0]) + 1,
        share=float(inside.mean()),
        mos=float(pmos[inside].mean(dtype=np.float64)),
        rest=float(pmos[~inside].mean(dtype=np.float64)),
        where=place(inside.astype(np.float32)),
    )
    return region, inside


def _cells(pmos: np.ndarray, step: int) -> np.ndarray:
    """Means over squares of `step` px; those at the right and lower border over what there is."""
    rows, columns = np.arange(0, pmos.shape[0], step), np.arange(0, pmos.shape[1], step)
    sums = np.add.reduceat(np.add.reduceat(pmos.astype(np.float64), rows, 0), columns, 1)
    count = np.outer(np.diff([*rows, pmos.shape[0]]), np.diff([*columns, pmos.shape[1]]))
    means: np.ndarray = sums / count
    return means


def _pieces(loss: np.ndarray, least: int) -> Iterator[np.ndarray]:
    """Connected pieces around the deepest place, at every scale, of at least `least` cells a side."""
    from scipy import ndimage  # takes a tenth of a second

    for scale in _SCALES:
        side = scale * least // 2 * 2 + 1  # odd, so that a smoothed edge stays where it is
        if side > min(loss.shape) / 2:
            break
        smooth = np.round(ndimage.uniform_filter(loss, side, mode="nearest"), 9)
        if smooth.max() <= 0:
            break
        labels, count = ndimage.label(smooth >= _PART_OF_PEAK * smooth.max())
        for number in range(1, count + 1):
            piece = labels == number
            if least**2 <= piece.sum() <= _MOST * piece.size:
                yield piece
