"""The answer of a comparison in one form: what is told, in order, and which regions are named.

`Comparison` tells its reasons itself (`told`, `regions`, `explained_share`) where its version does; otherwise they are
taken from its findings and from `worst_regions`, in the order in which its sentence says them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from distortion_engine.catalog import AXES
from experiments.words.places import Box
from relational_iqa.results.words.findings import OVERDONE

Side = Literal["original", "edited"]
NAMES: Mapping[Side, str] = {"original": "photo.png", "edited": "edit.png"}
"""What the model is told to call the images."""
_SAID_OF_ORIGINAL = re.compile(
    re.escape(NAMES["original"]) + r" ((?:is|(?:more so |mostly )?(?:in|at|on|elsewhere)) (?!\d)[^.;,]*)"
)
_IN_OTHERS = re.compile(
    rf"and (?:{'|'.join(map(re.escape, NAMES.values()))}) (?:more so )?(?:in (?:most )?others|elsewhere)"
)
_PRAISE = re.compile(r"is (?:\w+ )?(?:better|ahead|identical)\b")


@dataclass(frozen=True)
class Reason:
    """One reason that is told.

    Args:
        side: the image that has the defect.
        axis: name of an axis, None where no axis explains it.
        word: comparative, "" where no axis explains it.
        box: where it lies, None for the whole image.
        placed: whether a place is named.
        against: whether it speaks against the verdict.
    """

    side: Side
    axis: str | None
    word: str
    box: Box | None
    placed: bool
    against: bool

    @property
    def claim(self) -> str:
        """Axis and direction, as in "sharpness-"; "" where no axis explains it. Words for green and magenta are claims
        on "green", whatever the axis is called."""
        if self.axis is None:
            return ""
        if "green" in self.word:
            return "green+"
        if any(hue in self.word for hue in ("magenta", "pink", "purple")):
            return "green-"
        return f"{self.axis}{_direction(self.axis, self.word)}"

    def __str__(self) -> str:
        return f"{self.side} {self.word or 'unexplained'}" + (" (against)" if self.against else "")


@dataclass(frozen=True)
class Answer:
    """What is said of a pair.

    Args:
        winner: the image that is called better, None where neither is.
        margin: in levels, positive where the original is better.
        sentence: the whole sentence.
        reasons: in the order told.
        regions: boxes that are named, the most important one first, with the image that has the defect.
        explained: share of the margin that reasons and regions hold, None where it is not known.
        blamed: every defect that sentence or JSON gives the original.
    """

    winner: Side | None
    margin: float
    sentence: str
    reasons: tuple[Reason, ...]
    regions: tuple[tuple[Box, Side], ...]
    explained: float | None
    blamed: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether one axis is said of both images without places that tell them apart: "edit.png is noisier in some
        places and photo.png in others"."""
        if _IN_OTHERS.search(self.sentence):
            return True
        by_axis: dict[str, list[Reason]] = {}
        for reason in self.reasons:
            if reason.axis is not None:
                by_axis.setdefault(reason.axis, []).append(reason)
        return any(
            len({reason.side for reason in same}) == 2 and not all(reason.placed for reason in same)
            for same in by_axis.values()
        )


def answer(comparison: Any, original_first: bool) -> Answer:
    """The answer of a `Comparison` whose images were called by NAMES; original_first: whether a is the original."""
    sides: Mapping[str, Side] = {"a": "original", "b": "edited"} if original_first else {"a": "edited", "b": "original"}
    told = getattr(comparison, "told", None)
    if told is None:
        reasons = tuple(_todays_reasons(comparison, sides))
        regions, explained = _todays_regions(comparison, sides)
    else:
        reasons = tuple(
            Reason(sides[one.side], one.axis, one.word if one.axis else "", _box(one.region), one.region is not None,
                   bool(one.against))
            for one in told
        )  # fmt: skip
        regions = tuple((_box_of(region), sides[region.side]) for region in comparison.regions)
        explained = comparison.explained_share
    sentence = comparison.summary()
    return Answer(
        winner=sides.get(comparison.better),
        margin=comparison.margin if original_first else -comparison.margin,
        sentence=sentence,
        reasons=reasons,
        regions=regions,
        explained=explained,
        blamed=(
            *_blamed_in_json(comparison.to_json(), "a" if original_first else "b"),
            *_blamed_in_sentence(sentence),
        ),
    )


def _direction(axis: str, word: str) -> str:
    """ "+" or "-" of a word; "?" where no version of the axis has it."""
    known = next((one for one in AXES if one.name == axis), None)
    if known is None:
        return "?"
    if word in (known.more, OVERDONE.get(axis)):
        return "+"
    return "-" if word == known.less else "?"


def _box(region: Any) -> Box | None:
    return None if region is None else _box_of(region)


def _box_of(region: Any) -> Box:
    return Box(region.left, region.top, region.width, region.height)


def _todays_reasons(comparison: Any, sides: Mapping[str, Side]) -> Iterator[Reason]:
    """Those of the sentence: defects of the worse image, then of the better one, a remark about both where its axis is
    first said."""
    from relational_iqa.results.words.fallback_reasons import faint_reason
    from relational_iqa.results.words.findings import worth_saying
    from relational_iqa.results.words.sentences import MAX_DEFECTS, MAX_TRADE_OFFS, Remark, explained, remarks

    better, findings = comparison.better, comparison.findings
    decided = better in ("a", "b")
    said = remarks(worth_saying(findings))
    first = said[0].finding.side if said else "a"
    if decided:
        first = "b" if better == "a" else "a"
        if not explained(findings, better):
            faint = faint_reason(comparison.maps, comparison.local_margin, better, findings)
            if faint is not None:
                same = next((one.finding for one in said if one.finding.axis == faint.axis), None)
                said = [Remark(faint, same), *(one for one in said if one.finding.axis != faint.axis)]
        said = [remark.led_by(first) for remark in said]
    defects = [remark for remark in said if remark.finding.side == first][:MAX_DEFECTS]
    merits = [remark for remark in said if remark.finding.side != first][:MAX_TRADE_OFFS]
    if decided and not defects:
        yield Reason(sides[first], None, "", None, False, False)
    for remark in (*defects, *merits):
        for finding in (remark.finding, remark.opposite):
            if finding is not None:
                placed = finding.where not in ("everywhere", "in scattered places")
                against = decided and finding.side == better
                yield Reason(sides[finding.side], finding.axis, finding.word, None, placed, against)


def _todays_regions(comparison: Any, sides: Mapping[str, Side]) -> tuple[tuple[tuple[Box, Side], ...], float | None]:
    """The boxes of `worst_regions`, and the share of the lead that lies in them; None where neither image is better."""
    from relational_iqa.results.regions import worst_regions

    regions = tuple((_box_of(region), sides[region.side]) for region in worst_regions(comparison))
    if comparison.better not in ("a", "b"):
        return regions, None
    sign = 1 if comparison.better == "a" else -1
    lead = np.maximum(sign * comparison.local_margin.full(), 0) * comparison.weight.full()
    inside = np.zeros(lead.shape, bool)
    for box, _ in regions:
        inside[box.inside] = True
    return regions, float(lead[inside].sum() / lead.sum()) if lead.sum() > 0 else None


def _blamed_in_json(value: Any, original: str, path: str = "") -> Iterator[str]:
    """Where the JSON gives the original a defect: entries with a side and a word."""
    if isinstance(value, Mapping):
        if value.get("side") == original and ("word" in value or "axis" in value):
            said = value.get("word") or value.get("axis") or "unexplained"
            yield f"{path.lstrip('.') or 'JSON'}: {said}"
        for key, item in value.items():
            yield from _blamed_in_json(item, original, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from _blamed_in_json(item, original, path)


def _blamed_in_sentence(sentence: str) -> Iterator[str]:
    """Defects that the sentence gives the original: its name before "is" and no praise, or before a place, as in
    "edit.png is noisier in some places (0.5) and photo.png in others (0.4)"."""
    for match in _SAID_OF_ORIGINAL.finditer(sentence):
        said = match[1].strip()
        if not _PRAISE.match(said):
            yield f"sentence: {said}"
