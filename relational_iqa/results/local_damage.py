"""Small places that are much worse than their maps account for: a scratch, letters, a foreign block.

A map value is a severity, and a severity of 0.2 is about one level, so the defects of a place account for five times
their strength in levels. Where a small region leads by several times as much, and the rest of the picture hardly at
all, what is there is not the faint change of brightness or shape that the maps show: something lies on the picture or
is missing from it. That is local damage, and its severity is that of the local margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from relational_iqa.results.attribution import Attribution
from relational_iqa.results.map import Map
from relational_iqa.results.regions import Region
from relational_iqa.results.words.areas import AREA_THRESHOLD
from relational_iqa.results.words.findings import Finding

AXIS, WORD = "local_damage", "more damaged"
LEVELS = 5.0  # of a severity of 1
SMALL = 0.1  # of the picture; what is larger has a name or none, but is no local damage
LEAST_MARGIN = 1.0  # levels, mean of the region
BEYOND = 3.0  # times what the defects of the region account for
APART = 10.0  # times the mean margin of the rest of the picture
_LEAST_STRENGTH = 0.05  # of the defects of a region; where the maps show nothing at all, nothing is claimed
_PEAK = 0.9  # quantile of the local margin of the region: a scratch fills little of its box


def with_local_damage(found: Attribution, regions: Sequence[Region], local_margin: Map) -> Attribution:
    """The attribution with a finding of local damage for each image that has such regions; itself where there are none.

    Args:
        found: what explains the leads, by the maps.
        regions: of the same pair.
        local_margin: (H, W) in levels, positive where a is better.
    """
    margin = np.abs(local_margin.reduced(max(found.lead.shape))).astype(np.float64)
    for side in ("a", "b"):
        strength, boxes = np.zeros(found.lead.shape), []
        for region in regions:
            if region.side == side and region.part_of(local_margin.shape) <= SMALL:
                window = region.window(local_margin.shape, found.lead.shape)
                if _is_damage(found, region, margin, window):
                    ahead = margin[window] * (found.against(region.side)[window] > 0)
                    strength[window] = np.minimum(ahead / LEVELS, 1.0)
                    boxes.append(region.box)
        area = strength > AREA_THRESHOLD
        if area.any():
            sign = 1 if side == "b" else -1
            where = boxes[0] if len(boxes) == 1 else "in several places"
            new = Finding(AXIS, side, WORD, sign * float(strength[area].mean()), float(area.mean()), where)
            found = _added(found, new, strength)
    return found


def is_local_damage(finding: Finding) -> bool:
    """Whether a finding is one of local damage."""
    return finding.axis == AXIS and finding.word == WORD


def _is_damage(found: Attribution, region: Region, margin: np.ndarray, window: tuple[slice, slice]) -> bool:
    inside, outside = margin[window], np.ones(margin.shape, bool)
    outside[window] = False
    lead = found.against(region.side)[window]
    own = [number for number, finding in enumerate(found.findings) if finding.side == region.side]
    strength = float((found.strength[own].sum(0)[window] * lead).sum()) / max(float(lead.sum()), 1e-12) if own else 0.0
    peak, mean = round(float(np.quantile(inside, _PEAK)), 6), round(float(inside.mean()), 6)
    beyond = strength >= _LEAST_STRENGTH and peak >= BEYOND * LEVELS * strength
    return beyond and mean >= max(LEAST_MARGIN, APART * float(margin[outside].mean()))


def _added(found: Attribution, new: Finding, strength: np.ndarray) -> Attribution:
    """With `new` in place of what the maps show of this axis and image, the most salient finding first."""
    old = [number for number, one in enumerate(found.findings) if (one.axis, one.side) == (new.axis, new.side)]
    kept = [number for number in range(len(found.findings)) if number not in old]
    strengths = [np.maximum.reduce([strength, *found.strength[old]]), *found.strength[kept]]
    findings = [new, *(found.findings[number] for number in kept)]
    order = sorted(range(len(findings)), key=lambda number: -findings[number].salience)
    return replace(found, findings=tuple(findings[n] for n in order), strength=np.stack([strengths[n] for n in order]))
