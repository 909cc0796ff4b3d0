"""Rows of the table: shares over all cases, what they must be, and their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from experiments.pixel_perfect.measures import share
from experiments.pixel_perfect.table import Row
from experiments.words.measurement import Case, Judged

MUST_WINNER = {"with": 0.99, "without": 0.96}
MUST_REASON = {"with": 0.96, "without": 0.88}
MUST_PLACE = 0.97
MUST_EXPLAIN = 0.8
_MODES: tuple[tuple[str, Callable[[Case], Judged]], ...] = (
    ("with", lambda case: case.given),
    ("without", lambda case: case.alone),
)


def truth_rows(cases: Sequence[Case], left_out: int) -> list[Row]:
    """All rows; left_out: edits that were not asked about because they change too little."""
    rows: list[Row] = []
    note = f"{left_out} edits left out: nothing to see in them" if left_out else ""
    for mode, judged in _MODES:
        rows += _winner_rows(cases, mode, judged, note)
    for mode, judged in _MODES:
        rows += _reason_rows(cases, mode, judged)
    blamed = [(case, bool(case.blamed)) for case in cases]
    rows.append(_row("reference given a defect, in sentence or JSON", blamed, most=0.0, note="either order"))
    in_words = [(case, any(said.startswith("sentence:") for said in case.blamed)) for case in cases]
    rows.append(_row("in the sentence", in_words, part=True))
    for mode, judged in _MODES:
        rows += _place_rows(cases, mode, judged)
    for mode, judged in _MODES:
        quiet = [(case, judged(case).quiet) for case in cases]
        rows.append(_row(f"nothing to see: no verdict and no reason, {mode} reference", quiet, must=1.0))
    for mode, judged in _MODES:
        empty = [(case, judged(case).answer.empty) for case in cases]
        rows.append(_row(f"empty sentences, {mode} reference", empty, most=0.0))
    for mode, judged in _MODES:
        rows.append(_explained_row(cases, mode, judged))
    return rows


def _winner_rows(cases: Sequence[Case], mode: str, judged: Callable[[Case], Judged], note: str) -> list[Row]:
    asked = [(case, judged(case)) for case in cases if judged(case).winner_right is not None]
    open_ = [(case, one.answer.winner is None) for case, one in asked]
    return [
        _row(f"winner, {mode} reference", ((case, one.winner_right) for case, one in asked),
             must=MUST_WINNER[mode], note=note),
        *_parts((case, one.winner_right) for case, one in asked),
        _row("tie, or cannot tell", open_, part=True),
    ]  # fmt: skip


def _reason_rows(cases: Sequence[Case], mode: str, judged: Callable[[Case], Judged]) -> list[Row]:
    asked = [(case, judged(case)) for case in cases if judged(case).reason_right is not None]
    right = [(case, one.reason_right) for case, one in asked]
    unexplained = [(case, one.first is not None and one.first.axis is None) for case, one in asked]
    of_winner = [(case, one.first is not None and one.first.side == "original") for case, one in asked]
    return [
        _row(f"first reason, {mode} reference", right, must=MUST_REASON[mode], note="where an image is called better"),
        *_parts(right),
        _row("no kind of defect explains the verdict", unexplained, part=True),
        _row("a defect of the original", of_winner, part=True),
    ]


def _place_rows(cases: Sequence[Case], mode: str, judged: Callable[[Case], Judged]) -> list[Row]:
    asked = [(case, judged(case)) for case in cases if judged(case).place_found is not None]
    note = "half of the smaller box in the other one, or the centre of one in the other"
    return [
        _row(f"place of local edits, {mode} reference", ((case, bool(one.place_found)) for case, one in asked),
             must=MUST_PLACE, note=note),
        _row("by the first region", ((case, bool(one.first_found)) for case, one in asked), part=True),
        _row("by the centre alone", ((case, one.place_found == "centre") for case, one in asked), part=True),
    ]  # fmt: skip


def _explained_row(cases: Sequence[Case], mode: str, judged: Callable[[Case], Judged]) -> Row:
    known = [
        judged(case).answer.explained
        for case in cases
        if case.manipulation.winner != "neutral" and judged(case).answer.explained is not None
    ]
    shares = [value for value in known if value is not None]
    return Row(
        f"share of the margin that is named, median, {mode} reference",
        median(shares) if shares else None,
        f"{len(shares)} pairs",
        MUST_EXPLAIN,
        "share",
    )


def _parts(answers: Iterable[tuple[Case, bool | None]]) -> list[Row]:
    listed = list(answers)
    return [
        _row(name, [(case, right) for case, right in listed if case.manipulation.local == local], part=True)
        for name, local in (("whole image", False), ("local", True))
    ]


def _row(
    name: str,
    answers: Iterable[tuple[Case, bool | None]],
    must: float | None = None,
    most: float | None = None,
    note: str = "",
    part: bool = False,
) -> Row:
    """A share of cases; its interval is over manipulations. Answers that are None do not count."""
    groups: dict[str, list[bool]] = {}
    for case, value in answers:
        if value is not None:
            groups.setdefault(case.manipulation.name, []).append(value)
    seen = share(groups.values())
    if not seen.answers:
        return Row(name, None, "no pairs", must, "share", note=note, part=part, most=most)
    samples = f"{seen.answers} pairs of {seen.groups} edits"
    return Row(name, seen.value, samples, must, "share", seen.spread, note, part, most)
