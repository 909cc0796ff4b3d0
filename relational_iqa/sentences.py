"""Findings in sentences: every axis is named once, also where it sets the images apart in both directions.

"B is noisier (0.5, everywhere)" is one finding. Where B has more in one area and A in another, the two findings make
one remark, "B is more smeared in the middle (0.5) and A at the top (0.4)", and places that are no places are told apart
as "in some places" and "in others": a sentence never says the same of both images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from relational_iqa.findings import Finding, worth_saying

_NO_PLACE = ("everywhere", "in scattered places")


@dataclass(frozen=True)
class Remark:
    """What is said of one axis: a finding, the more salient one unless turned, and that of the opposite sign if any."""

    finding: Finding
    opposite: Finding | None = None

    @property
    def of_both(self) -> bool:
        """Whether it speaks of both images, so that it needs a clause of its own."""
        return self.opposite is not None and self.opposite.side != self.finding.side

    def led_by(self, side: str) -> "Remark":
        """The same, begun with the image `side` where it speaks of both."""
        if self.opposite is None or not self.of_both or self.finding.side == side:
            return self
        return Remark(self.opposite, self.finding)

    def predicate(self) -> str:
        """What follows "A is" where only one image is spoken of: "blurrier (0.4, top)", "brighter on the left side
        (0.4) but darker on the right side (0.3)"."""
        if self.opposite is None:
            return str(self.finding)
        here, there = _apart(self.finding, self.opposite)
        return f"{self.finding.word} {here} but {self.opposite.word} {there}"

    def clause(self, names: tuple[str, str]) -> str:
        """A whole clause: "A is blurrier (0.4, top)", "B is more smeared in the middle (0.5) and A at the top (0.4)".
        names: what to call a and b."""
        called = dict(zip(("a", "b"), names, strict=True))
        if self.opposite is None or not self.of_both:
            return f"{called[self.finding.side]} is {self.predicate()}"
        here, there = _apart(self.finding, self.opposite)
        return f"{called[self.finding.side]} is {self.finding.word} {here} and {called[self.opposite.side]} {there}"


def remarks(findings: Sequence[Finding]) -> list[Remark]:
    """One remark an axis, most salient first. findings: most salient first, as `findings.find` gives them."""
    by_axis: dict[str, list[Finding]] = {}
    for finding in findings:
        by_axis.setdefault(finding.axis, []).append(finding)
    return [Remark(*own[:2]) for own in by_axis.values()]  # an axis has one finding a sign


def join_words(parts: Sequence[str]) -> str:
    """Parts as a list in a sentence: "x", "x and y", "x, y and z"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def reasons(
    findings: Sequence[Finding], better: str, names: tuple[str, str], max_defects: int, max_trade_offs: int
) -> str:
    """Why a comparison came out as it did: "A is blurrier (0.4, lower left) and noisier (0.2, top), though B is
    blockier (0.1, everywhere)".

    Defects of the worse image first, then trade-offs; in a tie (`better` is "tie", not "a" or "b") the image with the
    most salient remark first. A remark of both images begins with the worse one, as its share of it is a reason; in a
    tie with the one in which it is stronger. Empty where no finding matters.
    """
    said = remarks(worth_saying(findings))
    if not said:
        return ""
    first = said[0].finding.side if better == "tie" else "a" if better == "b" else "b"
    if better != "tie":
        said = [remark.led_by(first) for remark in said]
    second = "b" if first == "a" else "a"
    groups = [
        _clauses([remark for remark in said if remark.finding.side == side][:limit], names)
        for side, limit in ((first, max_defects), (second, max_trade_offs))
        if any(remark.finding.side == side for remark in said)
    ]
    if better != "tie" and not any(remark.finding.side == first for remark in said):
        return f"though {groups[0]}"
    return ("; " if better == "tie" else ", though ").join(groups)


def _clauses(own: Sequence[Remark], names: tuple[str, str]) -> str:
    """Remarks that lead with one image: those of it alone in one clause, each of the others in its own."""
    name = names["ab".index(own[0].finding.side)]
    alone = [remark.predicate() for remark in own if not remark.of_both]
    clauses = []
    for remark in own:
        if remark.of_both:
            clauses.append(remark.clause(names))
        elif alone:
            clauses.append(f"{name} is {join_words(alone)}")
            alone = []
    return "; ".join(clauses)


def _apart(first: Finding, second: Finding) -> tuple[str, str]:
    """Where two findings of one axis lie, in words that do not contradict each other, with their intensities."""
    base, other = (finding.where.removeprefix("mostly ") for finding in (first, second))
    if base in _NO_PLACE:
        here = "in most places" if base == "everywhere" else "in some places"
        others = "in most others" if other == "everywhere" and base != other else "in others"
        there = others if other in _NO_PLACE else _at(second.where)
    elif other in _NO_PLACE:
        here, there = _at(first.where), "elsewhere"
    elif base == other:
        here, there = f"in some places {_at(base)}", "in others"
    else:
        here, there = _at(first.where), _at(second.where)
    return f"{here} ({first.intensity:.1f})", f"{there} ({second.intensity:.1f})"


def _at(where: str) -> str:
    """A place of `findings.place` with its preposition: "mostly top" -> "mostly at the top"."""
    base = where.removeprefix("mostly ")
    preposition = "on" if base.endswith("side") else "in" if base in ("centre", "middle", "middle column") else "at"
    return f"{where[: len(where) - len(base)]}{preposition} the {base}"
