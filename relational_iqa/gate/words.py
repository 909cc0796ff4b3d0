"""How the results of a gate are said: in a sentence, on a terminal, and as plain data."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from glob import escape
from typing import Any

from relational_iqa.gate.verdicts import Outcome, Status, counts
from relational_iqa.results.words.confidence import percent
from relational_iqa.results.words.margins import UNIT

MAX_LISTED = 20
"""Pictures of a kind that a terminal lists; files have all."""
TITLES: dict[Status, str] = {
    "failed": "failed", "error": "could not be compared", "undecided": "undecided",
    "new": "new, with nothing to compare with", "passed": "passed", "unchanged": "unchanged since they were accepted",
}  # fmt: skip


@dataclass(frozen=True)
class Results:
    """Everything that a report of a gate needs.

    Args:
        outcomes: of all pictures.
        labels: what the new outputs are called, and what they are compared with.
        command: words of the command that made them, without what it writes; empty where nothing can be accepted.
        only: the pattern of names that it looked at; None for all.
        seconds: how long it took.
        meta: version and weights.
    """

    outcomes: Sequence[Outcome]
    labels: tuple[str, str]
    command: Sequence[str] = ()
    only: str | None = None
    seconds: float = 0.0
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether nothing failed and everything could be compared."""
        return not self.of("failed") and not self.of("error")

    def of(self, status: Status) -> list[Outcome]:
        """The pictures of a status."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def headline(self) -> str:
        """ "2 of 24 pictures failed, 1 undecided"."""
        found, total = counts(self.outcomes), len(self.outcomes)
        noun = f"picture{'s' if total != 1 else ''}"
        parts = []
        if found["failed"]:
            parts.append(f"{found['failed']} of {total} {noun} failed")
        if found["error"]:
            parts.append(f"{found['error']}{'' if parts else f' of {total} {noun}'} could not be compared")
        if not parts:
            undecided = found["undecided"]
            parts.append(f"{total - undecided} of {total} {noun} passed" if undecided else f"{total} {noun} passed")
        if found["undecided"]:
            parts.append(f"{found['undecided']} undecided")
        if found["new"]:
            parts.append(f"{found['new']} new")
        return ", ".join(parts)

    @property
    def accept(self) -> str:
        """The command that accepts the new state; "" where there is nothing to accept."""
        return self._accept(self.only)

    def accept_only(self, outcome: Outcome) -> str:
        """The command that accepts one picture."""
        return self._accept(escape(outcome.name))

    def _accept(self, only: str | None) -> str:
        if not self.command or not (self.of("failed") or self.of("undecided")):
            return ""
        return shlex.join([*self.command, *([] if only is None else ["--only", only]), "--accept"])

    def lines(self) -> list[str]:
        """What a terminal shows."""
        lines = [f"{self.headline}."]
        for status in ("failed", "error", "undecided", "new"):
            listed = self.of(status)
            if listed:
                lines.append(f"{TITLES[status]}:")
                lines += [line for outcome in listed[:MAX_LISTED] for line in _lines(outcome)]
            if len(listed) > MAX_LISTED:
                lines.append(f"  and {len(listed) - MAX_LISTED} more; --json has all")
        return lines

    def to_json(self) -> dict[str, Any]:
        """All results as plain data."""
        return {
            "passes": self.passes,
            "headline": self.headline,
            "counts": counts(self.outcomes),
            "names": {"new": self.labels[0], "against": self.labels[1]},
            "unit": UNIT,
            "margin_means": "positive: the new picture is better",
            "pictures": [_plain(outcome) for outcome in self.outcomes],
            "accept": self.accept or None,
            "meta": dict(self.meta),
        }


def numbers(outcome: Outcome) -> tuple[str, str, str]:
    """Margin, confidence and accepted margin as cells of a table; "" where there are none."""
    measured, accepted = outcome.measured, outcome.accepted
    margin = "" if measured is None else f"{measured.margin:+.2f}"
    sure = ""
    if measured is not None and measured.confidence is not None and measured.margin != 0:
        sure = percent(measured.confidence)
    floor = "" if accepted is None or accepted.margin is None else f"{accepted.margin:+.2f}"
    return margin, sure, floor


def _lines(outcome: Outcome) -> list[str]:
    said = "; ".join(outcome.verdict.problems)
    sentence = [] if outcome.measured is None else [f"    {outcome.measured.sentence}"]
    return [f"  {outcome.name}: {said}" if said else f"  {outcome.name}", *sentence]


def _plain(outcome: Outcome) -> dict[str, Any]:
    measured, accepted = outcome.measured, outcome.accepted
    return {
        "name": outcome.name,
        "status": outcome.status,
        "problems": list(outcome.verdict.problems),
        "margin": None if measured is None else measured.margin,
        "confidence": None if measured is None else measured.confidence,
        "strength": {} if measured is None else dict(measured.strengths),
        "sentence": None if measured is None else measured.sentence,
        "judged_against": outcome.floor,
        "accepted_margin": None if accepted is None else accepted.margin,
        "sha256": None if outcome.files is None else outcome.files.new or None,
        "seconds": round(outcome.seconds, 3),
    }
