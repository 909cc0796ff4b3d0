"""The lead of the better image: on how much of the picture it is ahead, where, and the difference that goes with it.

For verdicts that no finding of the worse image explains: all that speaks against it is too faint or too small for the
sentence. What is named instead is a statement about the maps, a difference in which the worse image has more of a
defect on the very pixels that hold the lead; where there is none, nothing is named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from distortion_engine.catalog import AXES, Axis
from relational_iqa.results.findings import (
    FAINT_THRESHOLD,
    MIN_SHARE,
    OVERDONE,
    TIE_MARGIN,
    TWO_SIDED,
    Finding,
    Side,
    place_of,
    worth_saying,
)
from relational_iqa.tiling.grid_map import MapLike, bounds, strips

MIN_PART_OF_LEAD = 1 / 3
"""A difference whose pixels hold less of the lead than this is not told as its reason."""


@dataclass(frozen=True)
class Lead:
    """Shares of the picture, 0 to 1, on which the better and the worse image are ahead by TIE_MARGIN or more, and where
    the better one is, as in `findings.place`."""

    ahead: float
    behind: float
    where: str


def find_lead(local_margin: MapLike, better: Side) -> Lead:
    """local_margin: (H, W) levels, positive where a is better."""
    sign = 1 if better == "a" else -1
    ahead = behind = 0
    rows: list[np.ndarray] = []
    columns = np.zeros(local_margin.shape[1])
    for strip in strips(local_margin):
        signed = sign * strip
        won = np.where(signed >= TIE_MARGIN, signed, np.float32(0))
        ahead += int(np.count_nonzero(won))
        behind += int(np.count_nonzero(signed <= -TIE_MARGIN))
        rows.append(won.sum(axis=1, dtype=np.float64))
        columns += won.sum(axis=0, dtype=np.float64)
    share = ahead / local_margin.size
    return Lead(share, behind / local_margin.size, place_of(np.concatenate(rows), columns, share))


def faint_reason(
    maps: Mapping[str, MapLike], local_margin: MapLike, better: Side, findings: Sequence[Finding]
) -> Finding | None:
    """The difference against the worse image that goes with the lead of the better one, or None.

    Looked for where a map is beyond FAINT_THRESHOLD, in the direction in which it is a defect of the worse image. Its
    pixels have to hold MIN_PART_OF_LEAD of the lead (the sum of the local margin where the better image is ahead), and
    no less of it than pixels taken at random would. Of several, the one with the largest sum of |value| x lead.
    findings: the usual ones of the pair. What is worth saying of them is not said again; one that matters, but is
    dwarfed by others, is told with its own numbers.
    """
    told = {(finding.axis, finding.value > 0) for finding in worth_saying(findings)}
    sign = 1 if better == "a" else -1
    found = [
        part
        for axis in AXES
        if axis.name in maps
        for direction in (1, -1)
        if (axis.name, direction > 0) not in told
        if (word := _said_of_worse(axis, has_more=direction == sign)) is not None
        if (part := _part(maps[axis.name], local_margin, direction, sign, axis.name, word)) is not None
    ]
    if not found:
        return None
    faint = max(found, key=lambda part: part[0])[1]
    usual = (f for f in findings if f.matters and (f.axis, f.side, f.word) == (faint.axis, faint.side, faint.word))
    return next(usual, faint)


def _said_of_worse(axis: Axis, has_more: bool) -> str | None:
    """The word for the worse image; None in the direction that is no defect."""
    if axis.name in OVERDONE:  # more sharpness that is too faint for a finding is not called overdone
        return None if has_more else axis.less
    if axis.name in TWO_SIDED:
        return axis.more if has_more else axis.less
    return axis.more if has_more else None


def _part(
    values: MapLike, local_margin: MapLike, direction: int, sign: int, axis: str, word: str
) -> tuple[float, Finding] | None:
    """Sum of |value| x lead, and the finding, where the map has this direction; None where it holds too little."""
    low, high = bounds(values)
    if (high if direction > 0 else -low) <= FAINT_THRESHOLD:
        return None
    count, weighted, held, lead = 0, 0.0, 0.0, 0.0
    rows: list[np.ndarray] = []
    columns = np.zeros(values.shape[1])
    for part, local in zip(strips(values), strips(local_margin), strict=True):
        signed = direction * part
        magnitude = np.where(signed > FAINT_THRESHOLD, signed, np.float32(0))
        ahead = np.maximum(sign * local, np.float32(0))
        count += int(np.count_nonzero(magnitude))
        weighted += float((magnitude * ahead).sum(dtype=np.float64))
        held += float(ahead[magnitude > 0].sum(dtype=np.float64))
        lead += float(ahead.sum(dtype=np.float64))
        rows.append(magnitude.sum(axis=1, dtype=np.float64))
        columns += magnitude.sum(axis=0, dtype=np.float64)
    share = count / values.size
    enough = max(MIN_PART_OF_LEAD, share * (1 - 1e-6)) * lead  # shares of an even lead are equal but for rounding
    if lead == 0 or share < MIN_SHARE or held < enough:
        return None
    where = place_of(np.concatenate(rows), columns, share)
    side: Side = "b" if sign > 0 else "a"
    return weighted, Finding(axis, side, word, direction * float(columns.sum()) / count, share, where)
