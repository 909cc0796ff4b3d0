"""Asks about every edit, with and without the reference, and judges what is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from distortion_engine.augment import random_crop
from distortion_engine.dataset import read_photo
from experiments.words.answers import NAMES, Answer, Reason, answer
from experiments.words.manipulation import Edit, Manipulation
from experiments.words.places import Box, found
from relational_iqa.results.words.findings import TWO_SIDED

LEAST_CHANGE = 10.0
"""`Edit.change`, in code values, below which an edit of this photograph is not asked about: the colour of a grey
photograph cannot be taken away."""
_LEAST_SCALE = 0.7


class Model(Protocol):
    """What is used of `relational_iqa.RelationalIQA`."""

    def compare(self, a: Any, b: Any, reference: Any = None, *, names: Any = None) -> Any: ...


@dataclass(frozen=True)
class Judged:
    """What was said of one pair in one mode, and whether it is true.

    Args:
        answer: what was said.
        winner_right: whether the original was called better, or, of an edit that nobody sees, neither; None where
            nobody can say.
        reason_right: whether the first reason is true of the edit; None where no image was called better, or where
            there is nothing to see.
        place_found: "overlap" or "centre" where a region that is named lies at the edit, "" where none does, None for
            edits without a box.
        first_found: the same of the first region alone.
        quiet: of an edit that nobody sees: whether neither image is better and no reason is told; None for others.
    """

    answer: Answer
    winner_right: bool | None
    reason_right: bool | None
    place_found: str | None
    first_found: str | None
    quiet: bool | None

    @property
    def first(self) -> Reason | None:
        """The first reason that is told."""
        return self.answer.reasons[0] if self.answer.reasons else None


@dataclass(frozen=True)
class Case:
    """One edit of one photograph.

    Args:
        manipulation: which edit.
        photo: name of the photograph's file.
        edit: the images.
        given: what is said with the original as the reference.
        swapped: the same with the images exchanged.
        alone: what is said without a reference.
    """

    manipulation: Manipulation
    photo: str
    edit: Edit
    given: Judged
    swapped: Judged
    alone: Judged

    @property
    def blamed(self) -> tuple[str, ...]:
        """Defects that the reference is given, in either order."""
        return tuple(dict.fromkeys((*self.given.answer.blamed, *self.swapped.answer.blamed)))

    @property
    def failures(self) -> tuple[str, ...]:
        """What is not as it should be, in words."""
        said = ["reference blamed"] if self.blamed else []
        for mode, judged in (("with", self.given), ("without", self.alone)):
            wrong = {
                "winner": judged.winner_right is False,
                "first reason": judged.reason_right is False,
                "place": judged.place_found == "",
                "not quiet": judged.quiet is False,
                "empty": judged.answer.empty,
            }
            said += [f"{name} ({mode} reference)" for name, failed in wrong.items() if failed]
        return tuple(said)


def measure(
    model: Model,
    photos: Sequence[Path],
    manipulations: Sequence[Manipulation],
    each: int,
    crop_px: int,
    seed: int,
    log: Callable[[str], None] = lambda text: None,
) -> tuple[list[Case], int]:
    """All cases, and the number of edits that were left out because they change too little.

    Args:
        model: answers.
        photos: held-out photographs; every manipulation gets `each` of them, or all where there are fewer.
        manipulations: which edits.
        each: photographs for each edit.
        crop_px: side of the crops.
        seed: decides crops, edits and which photographs.
        log: is told how far it is.
    """
    cases: list[Case] = []
    left_out = 0
    for index, manipulation in enumerate(manipulations):
        for number in _numbers(len(photos), each, index, seed):
            edit = manipulation.edit(_crop(photos[number], crop_px, seed + number), seed, number)
            if manipulation.winner != "neutral" and edit.change < LEAST_CHANGE:
                left_out += 1
                continue
            cases.append(ask(model, manipulation, edit, photos[number].name, original_first=bool((index + number) % 2)))
        log(f"{index + 1} of {len(manipulations)}: {manipulation.name}")
    return cases, left_out


def ask(model: Model, manipulation: Manipulation, edit: Edit, photo: str, original_first: bool = True) -> Case:
    """One case; original_first: the order without a reference."""
    given, swapped = (_answer(model, edit, order, with_reference=True) for order in (True, False))
    alone = _answer(model, edit, original_first, with_reference=False)
    return Case(
        manipulation,
        photo,
        edit,
        given=judge(manipulation, edit, given, with_reference=True),
        swapped=judge(manipulation, edit, swapped, with_reference=True),
        alone=judge(manipulation, edit, alone, with_reference=False),
    )


def judge(manipulation: Manipulation, edit: Edit, said: Answer, with_reference: bool) -> Judged:
    """Whether what is said of an edit is true."""
    if manipulation.winner == "neutral":
        quiet = said.winner is None and not said.reasons
        return Judged(said, None, None, None, None, quiet)
    asked = with_reference or manipulation.winner == "original"
    right = None
    if said.winner is not None:
        right = bool(said.reasons) and is_true(said.reasons[0], manipulation.truths, with_reference)
    boxes = [region for region, _ in said.regions]
    place, first = (None, None) if edit.box is None else (_found(boxes, edit), _found(boxes[:1], edit))
    return Judged(said, said.winner == "original" if asked else None, right, place, first, None)


def is_true(reason: Reason, truths: frozenset[str], with_reference: bool) -> bool:
    """Whether a reason is true of an edit.

    It is where it gives the edited image one of the truths. Without a reference "photo.png is flatter" is as true as
    "edit.png is harsher"; with one, the reference has no defects. Only axes with two bad directions can be turned round
    in this way: an original is never noisier than its smoothed copy in a way that speaks for the copy.
    """
    if reason.side == "edited":
        return reason.claim in truths
    axis, sign = reason.claim[:-1], reason.claim[-1:]
    turned = f"{axis}{'-' if sign == '+' else '+'}"
    return not with_reference and axis in TWO_SIDED and turned in truths and axis != "sharpness"


def _found(regions: Sequence[Box], edit: Edit) -> str:
    if edit.box is None:
        return ""
    rows, columns = edit.edited.shape[:2]
    how = {found(region, edit.box, rows * columns) for region in regions}
    return next((word for word in ("overlap", "centre") if word in how), "")


def _answer(model: Model, edit: Edit, original_first: bool, with_reference: bool) -> Answer:
    pair = (edit.original, edit.edited)
    names = (NAMES["original"], NAMES["edited"])
    if not original_first:
        pair, names = pair[::-1], names[::-1]
    return answer(model.compare(*pair, edit.original if with_reference else None, names=names), original_first)


def _numbers(photos: int, each: int, index: int, seed: int) -> Iterator[int]:
    """Photographs of one manipulation: all are used equally often."""
    order = np.random.default_rng(seed).permutation(photos)
    return (int(order[(index * each + step) % photos]) for step in range(min(each, photos)))


def _crop(photo: Path, side_px: int, seed: int) -> np.ndarray:
    """A crop, of the whole shorter side where the photograph is smaller."""
    pixels = read_photo(photo)
    return random_crop(pixels, min(side_px, *pixels.shape[:2]), seed, min_scale=_LEAST_SCALE)
