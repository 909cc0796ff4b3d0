"""One picture judged: worse only where the margin says so by more than the tolerance, and surely enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from relational_iqa.gate.accepted import Accepted, Files, Measured, confidence_below
from relational_iqa.gate.tolerances import Tolerance
from relational_iqa.results.words.confidence import percent
from relational_iqa.results.words.margins import levels

Status = Literal["passed", "unchanged", "new", "undecided", "failed", "error"]
STATUSES: tuple[Status, ...] = ("failed", "error", "undecided", "new", "passed", "unchanged")
"""In the order in which they are listed."""


@dataclass(frozen=True)
class Verdict:
    """Whether a picture may pass.

    Args:
        status: `failed` where it is worse than it may be, `undecided` where it may be worse and it cannot be told,
            `unchanged` where its file is the accepted one, `new` where there is nothing to compare it with, `error`
            where files cannot be compared, else `passed`.
        problems: why it does not pass, a line each.
    """

    status: Status
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The result of one picture.

    Args:
        name: of the picture.
        verdict: whether it may pass.
        files: hashes; None where a file cannot be read.
        measured: numbers; None where nothing was compared.
        accepted: its accepted state; None where there is none.
        floor: margin that it is judged against: the accepted one where that is comparable, else 0.
        seconds: how long it took.
        report: address of its report, relative to the page of the evidence; "" where there is none.
        thumbnails: data URIs of the new picture and of the other one.
        weights: what the numbers were measured with.
    """

    name: str
    verdict: Verdict
    files: Files | None = None
    measured: Measured | None = None
    accepted: Accepted | None = None
    floor: float = 0.0
    seconds: float = 0.0
    report: str = ""
    thumbnails: tuple[str, ...] = ()
    weights: str = ""

    @property
    def status(self) -> Status:
        """That of the verdict."""
        return self.verdict.status


def judge(
    measured: Measured, accepted: Accepted | None, tolerance: Tolerance, other: str, refused: str = ""
) -> Verdict:
    """The verdict on a new picture.

    Args:
        measured: what a comparison says of it.
        accepted: the accepted state, whose numbers are comparable; None where there is none.
        tolerance: how much worse it may be.
        other: what it was compared with, for people: "OLD", "the reference".
        refused: why it fails whatever was measured, since it is compared with the reference, which no output equals,
            and has no accepted state; empty where it has one.
    """
    if refused:
        return Verdict("failed", (f"{refused}; it is {levels(measured.margin)} below the reference",))
    floor = accepted_floor(accepted)
    than = "the accepted state" if floor else other
    problems, undecided = [], []
    if measured.margin - floor < -tolerance.margin:
        sure = confidence_below(measured.margin, measured.confidence, floor, measured.scale)
        known = "" if sure is None else f", {percent(max(sure, 0.5))} sure"
        by = _beyond(measured.margin - floor, tolerance.margin)
        said = f"{by} worse than {than} (allowed: {tolerance.margin:g}{known})"
        if sure is None or sure >= tolerance.confidence:
            problems.append(said)
        else:
            undecided.append(f"cannot tell whether it is {said[:-1]}, needed: {percent(tolerance.confidence)})")
    most = tolerance.region_limit(0.0 if accepted is None else accepted.region)
    if most is not None and measured.region > most:
        by = _beyond(measured.region, most)
        problems.append(f"{by} worse than {other} in a region of {measured.place} (allowed: {most:.3g})")
    strengths = {} if accepted is None else accepted.strengths
    for axis, strength in sorted(measured.strengths.items()):
        limit = tolerance.limit(axis, strengths.get(axis, 0.0))
        if limit is not None and strength > limit:
            problems.append(
                f"{measured.words.get(axis, axis)} than {other}: {axis} {strength:.2f} (allowed: {limit:g})"
            )
    if problems:
        return Verdict("failed", (*problems, *undecided))
    if undecided:
        return Verdict("failed" if tolerance.fail_undecided else "undecided", tuple(undecided))
    return Verdict("passed")


def _beyond(margin: float, allowed: float) -> str:
    """A margin in levels, with the digits that show it to be larger than what is allowed."""
    size = abs(margin)
    if float(levels(size).split()[0]) > allowed:
        return levels(size)
    digits = next((digits for digits in range(2, 6) if float(f"{size:.{digits}f}") > allowed), 6)
    return f"{size:.{digits}f} levels"


def accepted_floor(accepted: Accepted | None) -> float:
    """The margin that a new picture is judged against."""
    return 0.0 if accepted is None or accepted.margin is None else accepted.margin


def counts(outcomes: Sequence[Outcome]) -> dict[Status, int]:
    """How many pictures have each status, in the order of STATUSES."""
    return {status: sum(outcome.status == status for outcome in outcomes) for status in STATUSES}
