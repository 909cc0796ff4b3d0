"""Findings in sentences: every axis is named once, also where it sets the images apart in both directions.

"B is noisier (strong, everywhere)" is one finding. Where B has more of an axis in one area and A in another, the
two findings make one remark: "B is more smeared in the middle (strong) and A at the top (faint)". Where two areas have
no place to name, they are told apart as "in some places" and "in others", so that a sentence never says the same of
both images.

Where no finding of the worse image explains the verdict, the sentence names a faint one (`fallback_reasons.py`). Where
there is none either, it says so and says on how much of the picture the better image is ahead. Naming only the merits
of the better image would leave the reader without a reason.

Names of files are long, and the verdict has named them. After it, a name is said once, and then "the other"; where
neither image is better they are "the first" and "the second". Names like A and B stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from relational_iqa.results.words.fallback_reasons import Advantage
from relational_iqa.results.words.findings import Finding, Side, worth_saying
from relational_iqa.results.words.places import NO_PLACE, at_place

MAX_DEFECTS = 3  # reasons named in a sentence
MAX_TRADE_OFFS = 2  # merits of the worse image named after "though"
UNEXPLAINED = "no known kind of defect explains that"
NOTHING_STANDS_OUT = "no difference stands out"
PARTLY = "that explains less than half of the difference"
SMALL = 0.1  # of the picture; a smaller region is named by its box
SHORT_NAME = 2  # characters; a longer name is said once


@dataclass(frozen=True)
class Remark:
    """What a sentence says about one axis.

    Args:
        finding: the finding that is named first; the more salient one, unless `led_by` exchanged the two.
        opposite: the finding of the opposite sign, None where there is none.
    """

    finding: Finding
    opposite: Finding | None = None

    @property
    def of_both(self) -> bool:
        """Whether it describes both images, so that it needs a clause of its own."""
        return self.opposite is not None and self.opposite.side != self.finding.side

    @property
    def says_something(self) -> bool:
        """Whether the reader learns where each image has it: not so where both do, and neither place can be named."""
        places = {finding.where for finding in (self.finding, self.opposite) if finding is not None}
        return not self.of_both or not places <= set(NO_PLACE)

    def led_by(self, side: str) -> "Remark":
        """The same remark; if it describes both images, it begins with the image `side`."""
        if self.opposite is None or not self.of_both or self.finding.side == side:
            return self
        return Remark(self.opposite, self.finding)

    def predicate(self) -> str:
        """What follows "A is" in a sentence about one image: "blurrier (moderate, top)", "brighter on the left
        side (moderate) but darker on the right side (faint)"."""
        if self.opposite is None:
            return str(self.finding)
        here, there = _apart(self.finding, self.opposite)
        return f"{self.finding.word} {here} but {self.opposite.word} {there}"

    def clause(self, names: tuple[str, str]) -> str:
        """A whole clause, with `names` for a and b.

        Two examples: "A is blurrier (moderate, top)", "B is more smeared in the middle (strong) and A at the top
        (moderate)".
        """
        called = dict(zip(("a", "b"), names, strict=True))
        if self.opposite is None or not self.of_both:
            return f"{called[self.finding.side]} is {self.predicate()}"
        here, there = _apart(self.finding, self.opposite)
        return f"{called[self.finding.side]} is {self.finding.word} {here} and {called[self.opposite.side]} {there}"


def remarks(findings: Sequence[Finding]) -> list[Remark]:
    """One remark for each axis, most salient first; `findings` must be in the order in which `findings.find` gives
    them."""
    by_axis: dict[str, list[Finding]] = {}
    for finding in findings:
        by_axis.setdefault(finding.axis, []).append(finding)
    return [Remark(*own[:2]) for own in by_axis.values()]  # an axis has one finding a sign


def join_words(parts: Sequence[str]) -> str:
    """Parts as a list in a sentence: "x", "x and y", "x, y and z"; empty without parts."""
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


def said_together(said: Sequence[Remark]) -> str:
    """What follows "A is": "blurrier (strong, top) and noisier (faint, everywhere)"; neighbours that agree in strength
    and place share them, as in "harsher and noisier (strong, everywhere)"."""
    return join_words(_predicates(said))


def _predicates(said: Sequence[Remark]) -> list[str]:
    parts: list[tuple[list[str], str]] = []
    for remark in said:
        finding = remark.finding
        strength = "" if remark.opposite is not None else f" ({finding.strength}, {finding.where})"
        if parts and strength and parts[-1][1] == strength:
            parts[-1][0].append(finding.word)
        else:
            parts.append(([finding.word if strength else remark.predicate()], strength))
    return [join_words(words) + strength for words, strength in parts]


class Told(Protocol):
    """What a sentence needs of a reason, see `relational_iqa.results.reasons`."""

    @property
    def finding(self) -> Finding:
        """The defect."""
        ...

    @property
    def against(self) -> bool:
        """Whether it speaks against the verdict."""
        ...

    @property
    def opposite(self) -> Finding | None:
        """What is found of the same image in the other direction of the axis."""
        ...


class Unnamed(Protocol):
    """What a sentence needs of a region that nothing explains."""

    @property
    def box(self) -> str:
        """The box as people write it."""
        ...


class WorsePlace(Unnamed, Protocol):
    """What a sentence needs of a region in which one image is plainly worse."""

    @property
    def side(self) -> Side:
        """That image."""
        ...

    @property
    def axis(self) -> str | None:
        """Name of the axis that explains it, None where none does."""
        ...

    @property
    def word(self) -> str:
        """Comparative, as in "A is blurrier"."""
        ...

    @property
    def strength(self) -> str | None:
        """In words; None without an axis."""
        ...


def decided_reasons(
    told: Sequence[Told],
    better: Side,
    names: tuple[str, str],
    faint: Finding | None = None,
    advantage: Advantage | None = None,
    unnamed: Unnamed | None = None,
    partly: bool = False,
    lost: Unnamed | None = None,
) -> str:
    """Why one image is better, for example "A is blurrier (moderate, lower left) and noisier (faint, top), though B is
    blockier (faint, everywhere)". The worse image is named once and the better one not at all: it is "the other",
    unless its name is as short as a letter.

    Args:
        told: the reasons in their order, those against the verdict last.
        better: the better image.
        names: what to call a and b.
        faint: a faint finding that is the reason where the other findings do not explain the verdict, see
            `fallback_reasons.py`.
        advantage: where the better image is ahead. It is described after UNEXPLAINED where there is no other reason.
        unnamed: a region that no kind of distortion explains and that holds much of the margin.
        partly: whether the reasons hold less than half of the better image's lead, which is said after them.
        lost: a region that no kind of distortion explains and in which the better image is plainly worse.
    """
    own = [Remark(faint)] if faint is not None else []
    own += [Remark(reason.finding, reason.opposite) for reason in told if not reason.against]
    winner, loser = names if better == "a" else names[::-1]
    defects = _predicates(own)
    merits = _predicates([Remark(reason.finding) for reason in told if reason.against])
    against = join_words(merits + ([f"worse in a box of {lost.box}"] if lost is not None else []))
    though = f", though {_short(winner, 'the other')} is {against}" if against else ""
    if unnamed is not None:
        place = f"worse in a box of {unnamed.box} in a way that has no name"
        return f"{loser} is {join_words([*defects, place])}{though}"
    if not defects:
        return unexplained(advantage, against)
    said = f"{loser} is {join_words(defects)}{though}"
    return f"{said}; {PARTLY}" if partly else said


def undecided_reasons(findings: Sequence[Finding], names: tuple[str, str], places: Sequence[WorsePlace] = ()) -> str:
    """What differs where neither image is better: "the first is noisier (faint, top), the second blockier (faint,
    everywhere)"; the image with the most salient finding comes first, and names as short as a letter are kept. An axis
    that both have more of in places that no word tells apart is left out. The text is empty if no finding matters and
    there are no `places`.

    Args:
        findings: what differs, most salient first.
        names: what to call the two images.
        places: small regions in which either image is plainly worse; at most MAX_TRADE_OFFS of each image are told.
    """
    called = dict(zip(("a", "b"), in_order(names), strict=True))
    said = [remark for remark in remarks(worth_saying(findings)) if remark.says_something]
    sides = [*(remark.finding.side for remark in said), *(place.side for place in places)]
    if not sides:
        return ""
    said = [remark.led_by(sides[0]) for remark in said]
    parts = []
    for side in sorted(set(sides), key=sides.index):
        most = MAX_DEFECTS if side == sides[0] else MAX_TRADE_OFFS
        own = [remark for remark in said if remark.finding.side == side][:most]
        boxes = [place for place in places if place.side == side][:MAX_TRADE_OFFS]
        # What lies in a box alone is told with the box, and only there.
        small = {place.axis for place in boxes}
        own = [one for one in own if one.of_both or one.finding.axis not in small or one.finding.share > SMALL]
        known = {one.finding.axis for one in (*own, *(one for one in said if one.of_both))}
        parts += _clauses(own, called, side, [_at_box(place, place.axis in known) for place in boxes])
    return "; ".join(parts)


def _at_box(place: WorsePlace, told: bool) -> str:
    """What follows "A is" of a region, whose axis may have been told already."""
    if place.axis is None or told:
        return f"worse in a box of {place.box}{'' if told else ' in a way that has no name'}"
    return f"{place.word} ({place.strength}, {place.box})"


def unexplained(advantage: Advantage | None, against: str = "") -> str:
    """That no reason is known, where the better image ("it") is ahead, and what speaks against it: "no known kind of
    defect explains that; it is ahead on 38 % of the picture, mostly at the top, and behind on 3 %, though noisier"."""
    if advantage is None or advantage.ahead < 0.01 or advantage.ahead <= advantage.behind:
        return UNEXPLAINED + (f", and it is {against}" if against else "")
    though = f", though {against}" if against else ""
    if advantage.ahead >= 0.995:
        return f"{UNEXPLAINED}; it is ahead everywhere{though}"
    rest = f" and behind on {100 * advantage.behind:.0f} %" if advantage.behind >= 0.005 else ""
    where = "" if advantage.where in NO_PLACE else f", {at_place(advantage.where)}{',' if rest else ''}"
    return f"{UNEXPLAINED}; it is ahead on {100 * advantage.ahead:.0f} % of the picture{where}{rest}{though}"


def in_order(names: tuple[str, str]) -> tuple[str, str]:
    """What to call two images after a sentence has named them: "the first" and "the second", or their short names."""
    return _short(names[0], "the first"), _short(names[1], "the second")


def _short(name: str, otherwise: str) -> str:
    """The name where it is as short as a letter, else what stands for it after its first mention."""
    return name if len(name) <= SHORT_NAME else otherwise


def _clauses(own: Sequence[Remark], called: Mapping[str, str], side: str, boxes: Sequence[str] = ()) -> list[str]:
    """Remarks that begin with one image, and what it has in `boxes`: those of it alone in one clause, each of the
    others in its own."""
    alone = [remark for remark in own if not remark.of_both]
    together = [f"{called[side]} is {join_words([*_predicates(alone), *boxes])}"] if alone or boxes else []
    clauses: list[str] = []
    for remark in own:
        if remark.of_both:
            clauses.append(remark.clause((called["a"], called["b"])))
        else:
            clauses += together
            together = []
    return clauses + together


def _apart(first: Finding, second: Finding) -> tuple[str, str]:
    """Where two findings of one axis lie, in words that do not contradict each other, with their strengths."""
    base, other = (finding.where.removeprefix("mostly ") for finding in (first, second))
    if base in NO_PLACE:
        here = "in most places" if base == "everywhere" else "in some places"
        others = "in most others" if other == "everywhere" and base != other else "in others"
        there = others if other in NO_PLACE else at_place(second.where)
    elif other in NO_PLACE:
        here, there = at_place(first.where), "elsewhere"
    elif base == other:
        here, there = f"in some places {at_place(base)}", "in others"
    else:
        here, there = at_place(first.where), at_place(second.where)
    return f"{here} ({first.strength})", f"{there} ({second.strength})"
