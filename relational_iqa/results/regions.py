"""Where a margin is made: the boxes in which one image leads the other most.

A piece is a connected area in which the smoothed lead (local margin times weight, `attribution.py`) is at least a part
of its peak. Pieces of several scales compete, from 16 px on. The one that holds most more of the lead than an equal
area would on average comes first, and the next are sought in what is left. So a scratch of a thousandth of the
area that makes the verdict is a region, and a difference that is alike everywhere has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import numpy as np

from relational_iqa.results.attribution import Attribution, box_means, sums_from_zero
from relational_iqa.results.map import Map
from relational_iqa.results.words.findings import Side
from relational_iqa.results.words.margins import TIE_MARGIN
from relational_iqa.results.words.strengths import strength_word

MAX_REGIONS = 8
MIN_REGION_PX = 16  # in the image: what a person can still find on a screen
MIN_EXCESS = 0.03  # share of all leads, beyond what an equal area would have, from which a piece is a region
MIN_DENSITY, MIN_LOCAL_MARGIN = 4.0, 0.3  # or: so many times the average lead, and so many levels, however small it is
OWN_SHARE = 0.5  # or: so much of what one image leads at all, beyond an equal area, where that is no tie
EXPLAINED = 0.34  # least part of its lead that a finding must hold to be called the reason of a region
UNNAMED = "different in a way that has no name"
_SCALES = (1, 3, 9, 27)  # of MIN_REGION_PX
_SIGNS = (1, -1)  # of the lead of a, and of b
_PARTS_OF_PEAK = (0.5, 0.2)
_MOST_PIECES = 12  # of one scale and threshold that are looked at


@dataclass(frozen=True)
class Region:
    """A box inside the image, and what sets the two images apart in it.

    Args:
        left: distance from the left edge in px.
        top: distance from the top edge in px.
        width: in px.
        height: in px.
        share: of all leads, of a and of b together, that lies in the box, 0 to 1.
        margin: mean local margin in the box in levels; positive where a is better.
        side: image that is behind in the box, "a" or "b".
        axis: name of the distortion axis that explains most of it; None where none does.
        word: comparative, for example "blurrier"; UNNAMED where no axis explains it.
        intensity: mean strength of that axis where the lead is, 0 to 1; 0 without one.
        origin: where the image lies in the whole picture, x and y in px; words and JSON are of the whole picture.
    """

    left: int
    top: int
    width: int
    height: int
    share: float
    margin: float
    side: Side
    axis: str | None
    word: str
    intensity: float
    origin: tuple[int, int] = (0, 0)

    @property
    def strength(self) -> str | None:
        """The intensity in words, "faint", "moderate" or "strong"; None where no axis explains the region."""
        return None if self.axis is None else strength_word(self.intensity)

    def to_json(self) -> dict[str, Any]:
        """All fields and the strength, as plain Python; the box lies in the whole picture."""
        fields = asdict(self)
        x, y = fields.pop("origin")
        return {**fields, "left": self.left + x, "top": self.top + y, "strength": self.strength}

    @property
    def box(self) -> str:
        """The box as people write it: "96 × 96 px at (120, 40)", left upper corner from that of the whole picture."""
        x, y = self.origin
        return f"{self.width} × {self.height} px at ({self.left + x}, {self.top + y})"

    def window(self, shape: tuple[int, int], grid: tuple[int, ...]) -> tuple[slice, slice]:
        """Rows and columns of the box on a grid (h, w) that covers an image (H, W)."""
        down, across = grid[0] / shape[0], grid[1] / shape[1]
        rows = slice(round(self.top * down), round((self.top + self.height) * down))
        return rows, slice(round(self.left * across), round((self.left + self.width) * across))

    def part_of(self, shape: tuple[int, int]) -> float:
        """Share of an image (H, W) that the box takes."""
        return self.width * self.height / (shape[0] * shape[1])


@dataclass(frozen=True)
class Piece:
    """A box on the grid of an attribution in which one image leads.

    Args:
        excess: share of all leads that it holds beyond an equal area.
        sign: 1 where a leads, -1 where b does.
        top: first row.
        left: first column.
        bottom: row after the last.
        right: column after the last.
    """

    excess: float
    sign: int
    top: int
    left: int
    bottom: int
    right: int

    def __contains__(self, other: Piece) -> bool:
        """Whether the two overlap."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def regions_of(
    found: Attribution, local_margin: Map, pieces: Sequence[Piece], origin: tuple[int, int] = (0, 0)
) -> tuple[Region, ...]:
    """The regions of the pieces that `find_pieces` gives, the one with most of the lead first, and what explains them
    by `found`; `origin` as of a `Region`."""
    total = float(np.abs(found.lead).sum())
    regions = [replace(_region(found, local_margin, piece, total), origin=origin) for piece in pieces]
    return tuple(sorted(regions, key=lambda region: (-round(region.share, 6), region.top, region.left)))


def find_pieces(lead: np.ndarray, local_margin: Map, limit: int = MAX_REGIONS) -> list[Piece]:
    """Where regions are, at most `limit`, which do not overlap. Same lead, same pieces.

    Args:
        lead: (h, w) as of an `Attribution`.
        local_margin: (H, W) in levels.
        limit: the most.
    """
    rows, columns = lead.shape
    total = float(np.abs(lead).sum())
    if total <= 0:
        return []
    cell = max(local_margin.shape) / max(rows, columns)
    left = {sign: np.maximum(sign * lead, 0.0) for sign in _SIGNS}
    own = {sign: float(left[sign].sum()) for sign in _SIGNS}
    known: dict[int, list[Piece]] = {}  # sign -> its pieces, until a region takes something of its lead
    taken: list[Piece] = []
    while len(taken) < limit:
        for sign in _SIGNS:
            if sign not in known:
                known[sign] = list(_pieces(left[sign], sign, total, cell))
        pieces = [piece for sign in _SIGNS for piece in known[sign] if not any(piece in other for other in taken)]
        if not pieces:
            break
        best = max(pieces, key=lambda piece: (piece.excess, -piece.top, -piece.left, piece.sign))
        window = (slice(best.top, best.bottom), slice(best.left, best.right))
        dense = float(np.abs(lead[window]).mean()) * rows * columns >= MIN_DENSITY * total
        margin = abs(_mean_margin(local_margin, _pixels(lead.shape, local_margin.shape, best)))
        if not (
            best.excess >= MIN_EXCESS
            or (dense and margin >= MIN_LOCAL_MARGIN)
            or (best.excess * total >= OWN_SHARE * own[best.sign] and margin >= TIE_MARGIN)
        ):
            break
        taken.append(best)
        for sign, rest in left.items():
            if rest[window].any():
                rest[window] = 0.0
                del known[sign]
    return taken


def _pieces(own: np.ndarray, sign: int, total: float, cell: float) -> Iterator[Piece]:
    """Pieces of all scales.

    Args:
        own: (h, w), at least 0: the lead of one image that no region holds yet.
        sign: of that lead, 1 for a and -1 for b.
        total: sum of the leads of both images.
        cell: side of a place in px of the image.
    """
    rows, columns = own.shape
    least = max(1, round(MIN_REGION_PX / cell))
    # Of the image that is ahead less often, an equal area has a share of its own lead, or it would have no regions.
    spread = total if 2 * float(own.sum()) > total else float(own.sum())
    sums = sums_from_zero(sums_from_zero(own, 0), 1)
    sides = [scale * least // 2 * 2 + 1 for scale in _SCALES]
    sides = [side for scale, side in zip(_SCALES, sides, strict=True) if scale == 1 or side <= min(rows, columns) / 2]
    for mean in box_means(own, sides):
        smooth = np.round(mean, 12)
        peak = float(smooth.max())
        if peak <= 0:
            break
        for part in _PARTS_OF_PEAK:
            count, labels, boxes = _components(smooth >= part * peak)
            if count > _MOST_PIECES:
                held = np.bincount(labels.ravel(), weights=own.ravel(), minlength=count + 1)[1:]
                boxes = [boxes[number] for number in np.argsort(-np.round(held, 9), kind="stable")[:_MOST_PIECES]]
            for box in boxes:
                inner = own[box]
                across, down = (inner.max(axis) >= part * inner.max() for axis in (0, 1))  # smoothing has spread it
                top, bottom = _at_least(*_tight(down, box[0].start), least, rows)
                left, right = _at_least(*_tight(across, box[1].start), least, columns)
                inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
                even = spread * (bottom - top) * (right - left) / (rows * columns)
                yield Piece(round(float(inside - even) / total, 6), sign, top, left, bottom, right)


def _components(marked: np.ndarray) -> tuple[int, np.ndarray, list[tuple[slice, slice]]]:
    """Of a boolean array: how many pieces are connected by sides, their numbers from 1 on in the order of their first
    places, 0 elsewhere, and their boxes. As `scipy.ndimage.label`, without a quarter second of imports."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8), connectivity=4)
    corners = [(left, top, width, height) for left, top, width, height, _ in boxes[1:].tolist()]
    return count - 1, labels, [(slice(y, y + height), slice(x, x + width)) for x, y, width, height in corners]


def _tight(marked: np.ndarray, start: int) -> tuple[int, int]:
    """From the first to after the last that is marked."""
    places = np.flatnonzero(marked)
    return start + int(places[0]), start + int(places[-1]) + 1


def _at_least(start: int, stop: int, least: int, length: int) -> tuple[int, int]:
    """The interval, widened to `least` where it is shorter, inside [0, length)."""
    missing = max(0, min(least, length) - (stop - start))
    start = min(max(0, start - missing // 2), max(0, length - max(stop - start, least)))
    return start, min(length, max(stop, start + min(least, length)))


def _region(found: Attribution, local_margin: Map, piece: Piece, total: float) -> Region:
    window = (slice(piece.top, piece.bottom), slice(piece.left, piece.right))
    top, bottom, left, right = pixels = _pixels(found.lead.shape, local_margin.shape, piece)
    side: Side = "b" if piece.sign > 0 else "a"
    against = found.against(side)[window]
    lead = max(float(against.sum()), 1e-12)
    held = [
        round(float(part[window].sum()) / lead, 6) if finding.side == side else 0.0
        for finding, part in zip(found.findings, found.parts, strict=True)
    ]
    number = int(np.argmax(held)) if held else -1
    named = number >= 0 and held[number] >= EXPLAINED
    strength = float((found.strength[number][window] * against).sum()) / lead if named else 0.0
    return Region(
        left=left,
        top=top,
        width=right - left,
        height=bottom - top,
        share=float(np.abs(found.lead[window]).sum()) / total,
        margin=_mean_margin(local_margin, pixels),
        side=side,
        axis=found.findings[number].axis if named else None,
        word=found.findings[number].word if named else UNNAMED,
        intensity=strength,
    )


def _pixels(grid: tuple[int, ...], shape: tuple[int, int], piece: Piece) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of a piece in px of the image (H, W)."""
    down, across = shape[0] / grid[0], shape[1] / grid[1]  # px of a cell
    return round(piece.top * down), round(piece.bottom * down), round(piece.left * across), round(piece.right * across)


def _mean_margin(local_margin: Map, pixels: tuple[int, int, int, int]) -> float:
    return float(local_margin.window(*pixels).mean(dtype=np.float64)) + 0.0
