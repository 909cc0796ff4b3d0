"""From maps to words: what differs between two images, how strongly, over how much of the picture, and where.

The numbers that are quoted to people are defined here and nowhere else:

intensity  mean |value| of one axis over its *area*, the pixels that count (`areas.py`); values of the two signs are
           kept apart, so "A blurrier on the left, B blurrier on the right" stays two findings.
share      that area as a fraction of the image.
where      the place of |value| in the area, in words (`places.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from distortion_engine.axes import AXES, Axis
from relational_iqa.results.map import Map
from relational_iqa.results.words.areas import Area, areas_of
from relational_iqa.results.words.strengths import strength_word

MIN_SHARE = 0.005  # an area under half a percent of the image is not worth a sentence
MIN_INTENSITY = 0.12  # just above the threshold itself: an area that only grazes it is not a finding
RELATIVE_SALIENCE = 0.25  # a finding this much weaker than the strongest one stays out of the sentence
LOCAL_EVIDENCE = 0.05  # levels; a local margin below this does not tell which image is the worse one in an area

FAINT_THRESHOLD = 0.02  # |value| above which a pixel counts where no finding explains a verdict (`fallback_reasons.py`)

# Axes that can go wrong in both directions. On all others "more" is a defect and "less" is its absence.
TWO_SIDED = frozenset(axis.name for axis in AXES if axis.two_sided)
# What to call the image that has more of a two-sided axis when that alone is what makes it worse.
OVERDONE = {"sharpness": "oversharpened"}
LOOKS_SHARP = ("noise", "chroma_noise", "impulse")  # where one of these matters, too much sharpness is its work
EXPLAINS = 0.3  # and any other defect's, if it is so salient beside it

Side = Literal["a", "b"]


@dataclass(frozen=True)
class Finding:
    """One axis on which the images differ in one direction: "`side` is `word` (`strength`, `where`)".

    Args:
        axis: name of the distortion axis.
        side: image that the word describes.
        word: comparative, as in "A is blurrier".
        value: mean of the map over the area, in [-1, 1]; positive where b has more of the axis.
        share: share of the pixels that are in the area, 0 to 1.
        where: place of the area in words.
    """

    axis: str
    side: Side
    word: str
    value: float
    share: float
    where: str

    @property
    def intensity(self) -> float:
        """Mean |value| over the area, 0 to 1; 0.2 is about the first of five severity levels."""
        return abs(self.value)

    @property
    def salience(self) -> float:
        """Rank among findings, see the function of this name."""
        return salience(self.value, self.share)

    @property
    def matters(self) -> bool:
        """Whether it is worth a sentence and an unfolded map: MIN_INTENSITY over at least MIN_SHARE of the image."""
        return self.intensity >= MIN_INTENSITY and self.share >= MIN_SHARE

    @property
    def strength(self) -> str:
        """The intensity in words: "faint", "moderate" or "strong"."""
        return strength_word(self.intensity)

    def __str__(self) -> str:
        return f"{self.word} ({self.strength}, {self.where})"


def find(
    maps: Mapping[str, Map], local_margin: Map, margin: float, lacks: Mapping[str, Map] | None = None
) -> tuple[Finding, ...]:
    """All findings of a pair, most salient first, including those that do not matter.

    On one-sided axes a finding describes the image that has more. On two-sided axes it describes the image that is
    farther from the reference in that direction. Where there is none, it describes the one that is worse in that area
    by the local margin or, where that does not tell, worse overall. Sharpness is described as "blurrier", unless
    the sharper image is the worse one and has no other defect that is nearly as salient.

    Args:
        maps: (H, W) in [-1, 1] by the name of the axis; positive where b has more.
        local_margin: (H, W) in levels, positive where a is better.
        margin: margin of the pair in levels, positive if a is better.
        lacks: of two-sided axes, positive where b lacks more beside a reference than a; None or empty without one.
    """
    areas = _all_areas(maps, lacks or {}, local_margin)
    found = []
    for axis in AXES:
        if axis.name in maps and axis.name not in TWO_SIDED:
            found += [
                Finding(axis.name, "b" if sign > 0 else "a", axis.more, sign * value, share, where)
                for sign, value, share, where, _ in areas[axis.name, "all"]
            ]
    explained = _explained(found)
    for axis in AXES:
        if axis.name in maps and lacks and axis.name in lacks:
            found += _beside_reference(axis, areas[axis.name, "less"], areas[axis.name, "more"], explained)
        elif axis.name in maps and axis.name in TWO_SIDED:
            for sign, value, share, where, evidence in areas[axis.name, "all"]:
                has_more: Side = "b" if sign > 0 else "a"
                has_less: Side = "a" if sign > 0 else "b"
                verdict = evidence if abs(evidence) >= LOCAL_EVIDENCE else margin
                worse: Side | None = None if abs(verdict) < LOCAL_EVIDENCE else "b" if verdict > 0 else "a"
                overdone = worse == has_more and abs(evidence) >= LOCAL_EVIDENCE
                overdone &= explained[has_more] <= EXPLAINS * salience(value, share)
                tell_more = overdone if axis.name in OVERDONE else worse != has_less
                word = (OVERDONE.get(axis.name, axis.more)) if tell_more else axis.less
                found.append(Finding(axis.name, has_more if tell_more else has_less, word, sign * value, share, where))
    return tuple(sorted(found, key=lambda finding: -finding.salience))


def salience(value: float, share: float) -> float:
    """Rank of a finding: intensity * sqrt(share), between peak (ignores area) and mean (drowns small areas)."""
    return abs(value) * float(np.sqrt(share))


def _explained(found: Sequence[Finding]) -> dict[Side, float]:
    """How salient the strongest one-sided defect of each image is: 0 where none matters, infinite for what looks sharp
    itself."""
    own: dict[Side, float] = {"a": 0.0, "b": 0.0}
    for finding in found:
        if finding.matters:
            strength = math.inf if finding.axis in LOOKS_SHARP else finding.salience
            own[finding.side] = max(own[finding.side], strength)
    return own


def _beside_reference(
    axis: Axis, less: Sequence[Area], more: Sequence[Area], explained: Mapping[Side, float]
) -> Iterator[Finding]:
    """Findings of a two-sided axis where it is known how much the reference has: by areas of what an image lacks, and
    of what it has too much of."""
    for sign, value, share, where, _ in less:
        yield Finding(axis.name, "b" if sign > 0 else "a", axis.less, -sign * value, share, where)
    for sign, value, share, where, evidence in more:
        side: Side = "b" if sign > 0 else "a"
        if axis.name not in OVERDONE:
            yield Finding(axis.name, side, axis.more, sign * value, share, where)
        elif explained[side] <= EXPLAINS * salience(value, share) and sign * evidence >= LOCAL_EVIDENCE:
            yield Finding(axis.name, side, OVERDONE[axis.name], sign * value, share, where)


def defect_map(maps: Mapping[str, Map], lacks: Mapping[str, Map], finding: Finding) -> Map:
    """The map of one finding, positive where the image that it describes has more of the defect; arguments as of
    `find`."""
    sign = 1 if finding.value > 0 else -1
    values = maps[finding.axis]
    if finding.axis in lacks:
        lack = lacks[finding.axis]
        side = 1 if finding.side == "b" else -1
        values, sign = (values.plus(lack) if side == sign else lack), side
    return values if sign > 0 else -values


def _all_areas(
    maps: Mapping[str, Map], lacks: Mapping[str, Map], local_margin: Map
) -> dict[tuple[str, str], list[Area]]:
    """The areas of all axes, positive ones first: by axis and "all", or for axes of which it is known how much the
    reference has, "less" (what is lacked) and "more" (what is too much)."""
    parts: dict[tuple[str, str], tuple[Map, bool]] = {}
    for axis in (axis for axis in AXES if axis.name in maps):
        if axis.name in TWO_SIDED and axis.name in lacks:
            parts[axis.name, "less"] = lacks[axis.name], False
            parts[axis.name, "more"] = maps[axis.name].plus(lacks[axis.name]), axis.name in OVERDONE
        else:
            parts[axis.name, "all"] = maps[axis.name], axis.name in TWO_SIDED
    return areas_of(parts, local_margin)


def worth_saying(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that matter and are not dwarfed by the strongest of them, most salient first."""
    matter = [finding for finding in findings if finding.matters]
    return [finding for finding in matter if finding.salience >= RELATIVE_SALIENCE * matter[0].salience]


def check_axes(names: Iterable[str]) -> None:
    """Raises ValueError where a name is that of no axis."""
    known = [axis.name for axis in AXES]
    for name in names:
        if name not in known:
            raise ValueError(f"unknown axis {name!r}, expected one of {', '.join(known)}")


def means(maps: Mapping[str, Map]) -> dict[str, float]:
    """Axis -> mean signed value over the image."""
    return {name: float(values.mean()) for name, values in maps.items()}


def axes_table(maps: Mapping[str, Map], findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """One row an axis: mean, then signed intensity and place of its strongest finding, then all its findings."""
    rows = []
    for name, mean in means(maps).items():
        own = [finding for finding in findings if finding.axis == name]
        rows.append({
            "name": name,
            "mean": mean,
            "intensity": own[0].value if own else 0.0,
            "share": sum(finding.share for finding in own),
            "where": own[0].where if own else "nowhere",
            "matters": any(finding.matters for finding in own),
            "findings": [
                {
                    "side": f.side, "word": f.word, "intensity": f.value, "strength": f.strength, "share": f.share,
                    "where": f.where,
                }
                for f in own
            ],
        })  # fmt: skip
    return rows
