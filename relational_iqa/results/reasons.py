"""What is told of a pair: the defects that hold most of the margin, where they lie, and what speaks against it.

Reasons come from `attribution.py`, so they add up: a defect is told by how much of the better image's lead lies where
the other image has it, however small its area; a large defect where the better image does not lead is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from relational_iqa.results.attribution import Attribution
from relational_iqa.results.regions import Region
from relational_iqa.results.words.findings import MIN_INTENSITY, Finding, Side, worth_saying
from relational_iqa.results.words.sentences import MAX_DEFECTS, MAX_TRADE_OFFS, SMALL
from relational_iqa.results.words.strengths import STRENGTH_WORDS

MIN_TOLD = 0.1  # share of the lead that a defect must hold to be told
RELATIVE_SHARE = 0.25  # a defect that holds this much less than the first one is not told
NAMED_HALF = 0.5  # reasons that hold less of the lead are said to be a part only
PLAINLY_WORSE = 0.8  # levels by which an image that is not the worse one is behind in a small box that is told
MOSTLY_INSIDE = 0.6  # least part of a defect's lead inside a region that is named as its place


@dataclass(frozen=True)
class Reason:
    """A defect of one image, as it is told.

    Args:
        finding: the defect; its place is the box of `region` where that is small.
        share: of the lead of the other image that lies where this one has the defect, 0 to 1.
        region: where it lies, where one small region holds most of it.
        against: whether it speaks against the verdict.
        opposite: what the same image has too little of elsewhere where the finding is too much, or the other way.
    """

    finding: Finding
    share: float
    region: Region | None = None
    against: bool = False
    opposite: Finding | None = None

    @property
    def side(self) -> Side:
        """Image that has the defect."""
        return self.finding.side

    @property
    def axis(self) -> str:
        """Name of the distortion axis."""
        return self.finding.axis

    @property
    def word(self) -> str:
        """Comparative, as in "A is blurrier"."""
        return self.finding.word

    @property
    def intensity(self) -> float:
        """Mean strength where it is, 0 to 1."""
        return self.finding.intensity

    @property
    def strength(self) -> str:
        """The intensity in words: "faint", "moderate" or "strong"."""
        return self.finding.strength

    def to_json(self) -> dict[str, Any]:
        """What is told, as plain Python."""
        return {
            "side": self.side, "axis": self.axis, "word": self.word, "intensity": self.intensity,
            "strength": self.strength, "share": self.share, "where": self.finding.where, "against": self.against,
        }  # fmt: skip


def reasons_of(
    found: Attribution, regions: Sequence[Region], shape: tuple[int, int], better: Side
) -> tuple[Reason, ...]:
    """Defects of the worse image, the one that holds most of the lead first, at most MAX_DEFECTS; then what speaks
    against the verdict, at most MAX_TRADE_OFFS, of other axes: those defects of the better image that matter, where
    they are more than faint, more than small or hold a part of the other image's lead, and those that make it plainly
    worse in a small region.

    Args:
        found: what holds how much.
        regions: of the same pair.
        shape: (H, W) of the images.
        better: the better image.
    """
    worse: Side = "b" if better == "a" else "a"
    shares = [(found.share(number), number) for number, finding in enumerate(found.findings) if finding.side == worse]
    ranked = sorted((pair for pair in shares if _told(found.findings[pair[1]], pair[0])), key=lambda p: (-p[0], p[1]))
    told: dict[str, Reason] = {}
    for share, number in ranked:
        finding = found.findings[number]
        if share < RELATIVE_SHARE * ranked[0][0]:
            break
        if finding.axis in told:
            told[finding.axis] = _with_opposite(told[finding.axis], finding, share)
        elif len(told) < MAX_DEFECTS:
            told[finding.axis] = _placed(found, number, share, regions, shape)
    shown: dict[str, Reason] = {}
    for finding in worth_saying(found.findings):
        new = finding.side == better and finding.axis not in (*told, *shown)
        share = found.share(found.findings.index(finding))
        plain = finding.intensity >= STRENGTH_WORDS[0].below or finding.share >= SMALL or share >= MIN_TOLD
        if new and plain and len(shown) < MAX_TRADE_OFFS:
            shown[finding.axis] = Reason(finding, share, against=True)
    for region in regions:
        if len(shown) < MAX_TRADE_OFFS and region.axis not in (*told, *shown) and speaks_against(region, shape, better):
            for number, finding in enumerate(found.findings):
                if (finding.axis, finding.side) == (region.axis, better):
                    placed = replace(finding, where=region.box, value=math.copysign(region.intensity, finding.value))
                    shown[finding.axis] = Reason(placed, found.share(number), region, against=True)
    return (*told.values(), *shown.values())


def speaks_against(region: Region, shape: tuple[int, int], better: Side) -> bool:
    """Whether a small place is so much worse in the better image that it has to be told, however small it is."""
    return region.side == better and is_plain(region, shape)


def is_plain(region: Region, shape: tuple[int, int]) -> bool:
    """Whether one image is so much worse in a small place that it has to be told, whatever the verdict is."""
    return region.part_of(shape) <= SMALL and abs(region.margin) >= PLAINLY_WORSE


def _told(finding: Finding, share: float) -> bool:
    return share >= MIN_TOLD and finding.intensity >= MIN_INTENSITY


def _with_opposite(reason: Reason, finding: Finding, share: float) -> Reason:
    """The reason that is told of one direction of an axis, with what is found of the other."""
    return replace(reason, share=reason.share + share, opposite=finding)


def _placed(found: Attribution, number: int, share: float, regions: Sequence[Region], shape: tuple[int, int]) -> Reason:
    """The reason with its region, where there is one."""
    finding, part = found.findings[number], found.parts[number]
    total = float(part.sum())
    for region in regions:
        if region.axis == finding.axis and region.side == finding.side:
            if (
                region.part_of(shape) <= SMALL
                and float(part[region.window(shape, part.shape)].sum()) >= MOSTLY_INSIDE * total
            ):
                return Reason(replace(finding, where=region.box), share, region)
    return Reason(finding, share)
