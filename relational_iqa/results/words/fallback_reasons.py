"""What a sentence says where no finding of the worse image explains the verdict.

Everything that speaks against the worse image is then too faint or too small to be a finding worth a sentence. Two
things can still be said: a faint difference that goes with the local margin (`faint_reason`), and on how much of the
picture, and where, the better image is ahead (`find_advantage`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from distortion_engine.axes import AXES, Axis
from relational_iqa.results.map import Map
from relational_iqa.results.words.findings import (
    FAINT_THRESHOLD,
    MIN_SHARE,
    OVERDONE,
    TWO_SIDED,
    Finding,
    Side,
    worth_saying,
)
from relational_iqa.results.words.margins import TIE_MARGIN
from relational_iqa.results.words.places import place_of

MIN_PART_OF_ADVANTAGE = 1 / 3
"""Least share of the lead that the pixels of a faint defect must hold to be called its reason."""


@dataclass(frozen=True)
class Advantage:
    """On how much of the picture, and where, the better image is ahead.

    Args:
        ahead: share of the picture, 0 to 1, on which the better image is ahead by TIE_MARGIN or more.
        behind: share on which the worse image is.
        where: place of the first, in the words of `places.place`.
    """

    ahead: float
    behind: float
    where: str


def find_advantage(local_margin: Map, better: Side) -> Advantage:
    """On how much of the picture, and where, the better image is ahead.

    Args:
        local_margin: (H, W) in levels, positive where a is better.
        better: the better image.
    """
    sign = 1 if better == "a" else -1
    ahead = behind = 0
    rows: list[np.ndarray] = []
    columns = np.zeros(local_margin.shape[1])
    for strip in local_margin.strips():
        signed = sign * strip
        won = np.where(signed >= TIE_MARGIN, signed, np.float32(0))
        ahead += int(np.count_nonzero(won))
        behind += int(np.count_nonzero(signed <= -TIE_MARGIN))
        rows.append(won.sum(axis=1, dtype=np.float64))
        columns += won.sum(axis=0, dtype=np.float64)
    share = ahead / local_margin.size
    return Advantage(share, behind / local_margin.size, place_of(np.concatenate(rows), columns, share))


def faint_reason(
    maps: Mapping[str, Map],
    local_margin: Map,
    better: Side,
    findings: Sequence[Finding],
    lacks: Mapping[str, Map] | None = None,
) -> Finding | None:
    """The faint defect of the worse image that best goes with the local margin, or None.

    A candidate is one direction of one axis in which more (or less) is a defect, on the pixels where the worse image
    exceeds FAINT_THRESHOLD. The lead is the sum of the local margin where the better image is ahead. The candidate's
    pixels must hold at least MIN_PART_OF_ADVANTAGE of the lead, and at least as much as randomly chosen pixels would.
    The candidate with the largest sum of |value| x lead wins.

    Args:
        maps: axis -> map, positive where b has more.
        local_margin: levels, positive where a is better.
        better: the better image.
        findings: all findings of the pair. Those that the sentence names anyway are no candidates, nor are axes on
            which the better image is said to be the worse one; one that matters but is dwarfed by others is returned
            with its own numbers.
        lacks: as of `findings.find`.
    """
    said = worth_saying(findings)
    told = {(finding.axis, finding.value > 0) for finding in said}
    of_better = {finding.axis for finding in said if finding.side == better}
    sign = 1 if better == "a" else -1
    found = [
        part
        for axis in AXES
        if axis.name in maps and axis.name not in of_better
        for direction in (1, -1)
        if (axis.name, direction > 0) not in told
        if (word := _said_of_worse(axis, has_more=direction == sign)) is not None
        if (
            part := _part(_directed(maps, lacks, axis, direction, sign), local_margin, direction, sign, axis.name, word)
        )
        is not None
    ]
    if not found:
        return None
    faint = max(found, key=lambda part: part[0])[1]
    usual = (f for f in findings if f.matters and (f.axis, f.side, f.word) == (faint.axis, faint.side, faint.word))
    return next(usual, faint)


def _directed(maps: Mapping[str, Map], lacks: Mapping[str, Map] | None, axis: Axis, direction: int, sign: int) -> Map:
    """The map of an axis, of which `direction` says more or less of the worse image; beside a reference what that
    image has too much of, or lacks."""
    values = maps[axis.name]
    if not lacks or axis.name not in lacks:
        return values
    lack = lacks[axis.name]
    return values.plus(lack) if direction == sign else -lack


def _said_of_worse(axis: Axis, has_more: bool) -> str | None:
    """The word for the worse image, None where this direction is no defect."""
    if axis.name in OVERDONE:  # more sharpness that is too faint for a finding is not called overdone
        return None if has_more else axis.less
    if axis.name in TWO_SIDED:
        return axis.more if has_more else axis.less
    return axis.more if has_more else None


def _part(
    values: Map, local_margin: Map, direction: int, sign: int, axis: str, word: str
) -> tuple[float, Finding] | None:
    """Sum of |value| x lead and the finding for one direction of one axis; None where it holds too little."""
    low, high = values.bounds
    if (high if direction > 0 else -low) <= FAINT_THRESHOLD:
        return None
    count, weighted, held, lead = 0, 0.0, 0.0, 0.0
    rows: list[np.ndarray] = []
    columns = np.zeros(values.shape[1])
    for part, local in zip(values.strips(), local_margin.strips(), strict=True):
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
    enough = max(MIN_PART_OF_ADVANTAGE, share * (1 - 1e-6)) * lead  # shares of an even lead are equal but for rounding
    if lead == 0 or share < MIN_SHARE or held < enough:
        return None
    where = place_of(np.concatenate(rows), columns, share)
    side: Side = "b" if sign > 0 else "a"
    return weighted, Finding(axis, side, word, direction * float(columns.sum()) / count, share, where)
