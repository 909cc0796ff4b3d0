"""The answer of a comparison as seen from the original and its edited version: what is told, in order, which regions
are named, and who is blamed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from distortion_engine.catalog import AXES
from experiments.words.places import Box
from relational_iqa.results.words.findings import OVERDONE, Finding, worth_saying

Side = Literal["original", "edited"]
NAMES: Mapping[Side, str] = {"original": "photo.png", "edited": "edit.png"}
"""What the model is told to call the images."""
_SAID_OF_ORIGINAL = re.compile(
    re.escape(NAMES["original"]) + r" ((?:is|(?:more so |mostly )?(?:in|at|on|elsewhere)) (?!\d)[^.;,]*)"
)
_NO_PLACE = ("everywhere", "in scattered places")
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
        """Axis and direction, as in "sharpness-"; "" where no axis explains it."""
        return "" if self.axis is None else f"{self.axis}{_direction(self.axis, self.word)}"

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
    reasons = [
        Reason(sides[one.side], one.axis, one.word, _box(one.region), one.region is not None, bool(one.against))
        for one in comparison.told
    ]
    if comparison.better in ("a", "b") and all(reason.against for reason in reasons):
        reasons.insert(0, _without_reason(comparison.faint, sides["b" if comparison.better == "a" else "a"]))
    elif comparison.better not in ("a", "b"):
        reasons += [
            Reason(sides[one.side], one.axis, one.word, None, one.where not in _NO_PLACE, False)
            for one in worth_saying(comparison.findings)
        ]
    sentence = comparison.summary()
    return Answer(
        winner=sides.get(comparison.better),
        margin=comparison.margin if original_first else -comparison.margin,
        sentence=sentence,
        reasons=tuple(reasons),
        regions=tuple((_box_of(region), sides[region.side]) for region in comparison.regions),
        explained=comparison.explained_share,
        blamed=(
            *_blamed_in_json(comparison.to_json(), "a" if original_first else "b"),
            *_blamed_in_sentence(_with_names(sentence, sides.get(comparison.better), original_first)),
        ),
    )


def _without_reason(faint: Finding | None, side: Side) -> Reason:
    """What stands in the place of a reason: a faint one, or that there is none."""
    if faint is None:
        return Reason(side, None, "", None, False, False)
    return Reason(side, faint.axis, faint.word, None, faint.where not in _NO_PLACE, False)


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


def _with_names(sentence: str, winner: Side | None, original_first: bool) -> str:
    """The sentence with a name wherever it says "the other", "the first", "the second" or "it" in place of one."""
    first, second = NAMES["original"], NAMES["edited"]
    if not original_first:
        first, second = second, first
    said = sentence.replace("the first ", f"{first} ").replace("the second ", f"{second} ")
    if winner is None:
        return said
    better = NAMES[winner]
    said = said.replace("the other ", f"{better} ").replace(" it is ", f" {better} is ")
    return re.sub(r"(is ahead [^;]*), though (?=\w)", rf"\1, though {better} is ", said)


def _blamed_in_sentence(sentence: str) -> Iterator[str]:
    """Defects that the sentence gives the original: its name before "is" and no praise, or before a place, as in
    "edit.png is noisier in some places (strong) and photo.png in others (moderate)"."""
    for match in _SAID_OF_ORIGINAL.finditer(sentence):
        said = match[1].strip()
        if not _PRAISE.match(said):
            yield f"sentence: {said}"
