"""Why one image is better: the reasons that hold the margin, and what is told where they do not explain it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relational_iqa.results.attribution import Attribution
from relational_iqa.results.map import Map
from relational_iqa.results.reasons import MIN_TOLD, NAMED_HALF, Reason, reasons_of, speaks_against
from relational_iqa.results.regions import Region
from relational_iqa.results.words.fallback_reasons import Advantage, faint_reason, find_advantage
from relational_iqa.results.words.findings import Finding, Side
from relational_iqa.results.words.sentences import SMALL, decided_reasons


@dataclass(frozen=True)
class Explanation:
    """Why one of two images is better.

    Args:
        better: that image.
        told: the reasons in the order in which they are told, those that speak against the verdict last; empty where
            nothing explains it.
        faint: the faint defect that is told where none of `told` speaks for the verdict; None where there is none.
        advantage: where the better image is ahead, where nothing else is told for it.
        unnamed: the small region that nothing explains and that holds most of the lead, where the reasons hold less
            than half of it.
        lost: the region that nothing explains and in which the better image is plainly worse.
    """

    better: Side
    told: tuple[Reason, ...]
    faint: Finding | None
    advantage: Advantage | None
    unnamed: Region | None
    lost: Region | None

    @classmethod
    def of(
        cls,
        better: Side,
        findings: Sequence[Finding],
        found: Attribution,
        regions: Sequence[Region],
        maps: Mapping[str, Map],
        lacks: Mapping[str, Map],
        local_margin: Map,
    ) -> Explanation:
        """Explains a verdict.

        Args:
            better: the better image.
            findings: what differs, most salient first.
            found: how much of the margin each of them accounts for, and each small place that is damaged.
            regions: where one image leads the other most.
            maps: as of `Comparison`.
            lacks: likewise.
            local_margin: likewise.
        """
        shape = local_margin.shape
        told = reasons_of(found, regions, shape, better)
        faint, advantage = None, None
        if all(reason.against for reason in told):
            faint = faint_reason(maps, local_margin, better, findings, lacks)
            advantage = None if faint is not None else find_advantage(local_margin, better)
        unnamed = _unnamed(better, found, regions, shape) if _is_part(told, faint) else None
        lost = (region for region in regions if region.axis is None and speaks_against(region, shape, better))
        return cls(better, told, faint, advantage, unnamed, next(lost, None))

    @property
    def share(self) -> float:
        """Share of the better image's lead that the reasons hold, 0 to 1."""
        return _share(self.told)

    @property
    def named(self) -> tuple[Reason, ...]:
        """What the sentence names, in its order: `told`, after the faint defect where there is one, whose share is
        0."""
        return self.told if self.faint is None else (Reason(self.faint, 0.0), *self.told)

    def said(self, names: tuple[str, str]) -> str:
        """In words, with `names` for a and b: see `decided_reasons`."""
        partly = _is_part(self.told, self.faint)
        return decided_reasons(
            self.told, self.better, names, self.faint, self.advantage, self.unnamed, partly, self.lost
        )


def _share(told: Sequence[Reason]) -> float:
    return min(1.0, sum(reason.share for reason in told if not reason.against))


def _is_part(told: Sequence[Reason], faint: Finding | None) -> bool:
    """Whether the reasons hold less than half of the better image's lead; a faint defect is not measured by it."""
    return faint is None and _share(told) < NAMED_HALF


def _unnamed(better: Side, found: Attribution, regions: Sequence[Region], shape: tuple[int, int]) -> Region | None:
    worse: Side = "b" if better == "a" else "a"
    ahead, behind = (float(found.against(side).sum()) for side in (worse, better))
    if ahead <= behind:
        return None
    unnamed = (region for region in regions if region.axis is None and region.side == worse)
    small = (region for region in unnamed if region.part_of(shape) <= SMALL and region.share >= MIN_TOLD)
    return next(small, None)
