"""What the product answers: Comparison (two images); Score and Ranking are in modules of their own.

Plain frozen data; `summary()` is one sentence a person would say, `to_json()` everything but the arrays.
Signs: margin and local_margin > 0 where **a** is better (unit: severity levels); maps > 0 where **b** has more.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distortion_engine.errors import UsageError
from relational_iqa.results.attribution import Attribution
from relational_iqa.results.explanation import Explanation
from relational_iqa.results.inputs import Inputs
from relational_iqa.results.local_damage import is_local_damage, with_local_damage
from relational_iqa.results.map import Map, check_maps
from relational_iqa.results.noticed import Noticed
from relational_iqa.results.outputs import made_by, save
from relational_iqa.results.plain_json import plain_dict
from relational_iqa.results.ranking import Ranking
from relational_iqa.results.reasons import Reason, is_plain
from relational_iqa.results.region_answer import RegionAnswer
from relational_iqa.results.regions import Region, find_pieces, regions_of
from relational_iqa.results.score import Score
from relational_iqa.results.words.confidence import CANNOT_TELL, MIN_CONFIDENCE, Better, can_tell, odds, percent
from relational_iqa.results.words.findings import Finding, axes_table, check_axes, defect_map, find, means
from relational_iqa.results.words.margins import TIE_MARGIN, UNIT, check_levels, levels, margin_word
from relational_iqa.results.words.sentences import (
    NOTHING_STANDS_OUT,
    UNEXPLAINED,
    in_order,
    undecided_reasons,
)
from relational_iqa.results.words.visibility import LOOKS_THE_SAME, check_visible, facts, is_unseen, look_the_same
from relational_iqa.viewing.condition import PIXEL_PEEP

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["UNIT", "Comparison", "Ranking", "Score"]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two images compared.

    Args:
        margin: severity levels, positive where a is better; 1.0 is one level of a five-level distortion ladder.
        maps: axis -> map (H, W) in [-1, 1], positive where b has more.
        local_margin: map (H, W) in levels, positive where a is better.
        weight: map (H, W) > 0: how much each pixel counts in the margin.
        has_reference: whether the pristine image was given.
        quality_a: levels <= 0, 0 equals the reference; None without a reference.
        quality_b: the same of b.
        names: what to call the two images.
        meta: version, weights, size, device, seconds.
        confidence: probability that the sign of the margin is right, in [.5, 1]; None where the weights tell none.
        lacks: with a reference, for axes on which less than the reference is a defect too (sharpness, contrast ...):
            axis -> map (H, W), positive where b lacks more of it than a. Empty without a reference, where nobody knows
            how much there should be.
        visible_difference: the largest difference of the two images that an eye can see, in units of the threshold of
            visibility: 0 to 1, 1 where something is visible. None where it is unknown.
        inputs: where the images can be had again, for `save` and `plot`; None where nobody knows.
        noticed: about the images before they were judged: whether they lie on each other and show one scene, and what
            reading them changed.
        origin: where the upper left pixel of what was compared lies in the whole picture, x and y in px; (0, 0) unless
            a region was compared.
        rois: the answers for regions of interest, each as if there were nothing else, in the order of the question.

    Raises:
        ValueError: for a margin that no images have, a confidence outside [.5, 1], a visible difference outside
            [0, 1], an unknown axis, an array in place of a map, or maps of different sizes.
    """

    margin: float
    maps: Mapping[str, Map]
    local_margin: Map
    weight: Map
    has_reference: bool = False
    quality_a: float | None = None
    quality_b: float | None = None
    names: tuple[str, str] = ("A", "B")
    meta: Mapping[str, Any] = field(default_factory=dict)
    confidence: float | None = None
    lacks: Mapping[str, Map] = field(default_factory=dict)
    visible_difference: float | None = None
    inputs: Inputs | None = field(default=None, compare=False)
    noticed: Noticed = Noticed()
    origin: tuple[int, int] = (0, 0)
    rois: "tuple[RegionAnswer[Comparison], ...]" = ()

    def __post_init__(self) -> None:
        check_levels(self.margin, "margin")
        if self.confidence is not None and not 0.5 <= self.confidence <= 1:
            raise UsageError(f"confidence is {self.confidence}, expected a probability from .5 to 1, or None")
        check_visible(self.visible_difference)
        lacks = {f"lacks of {name}": values for name, values in self.lacks.items()}
        check_maps({"local_margin": self.local_margin, "weight": self.weight, **self.maps, **lacks})
        check_axes([*self.maps, *self.lacks])

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the images that were compared, px."""
        return self.local_margin.shape

    @property
    def better(self) -> Better:
        """Which image is better. "tie" where nothing is visible; else "cannot tell" where the confidence is known and
        below MIN_CONFIDENCE, except for identical images; else "tie" where |margin| < TIE_MARGIN."""
        if self.looks_the_same:
            return "tie"
        if not can_tell(self.confidence) and not self.identical:
            return CANNOT_TELL
        return "tie" if abs(self.margin) < TIE_MARGIN else "a" if self.margin > 0 else "b"

    @property
    def told_margin(self) -> float:
        """The margin, or 0 where its sign cannot be told or nothing is visible; `riqa compare --fail-below` judges by
        it."""
        return 0.0 if self.better == CANNOT_TELL or self.looks_the_same else self.margin

    @property
    def looks_the_same(self) -> bool:
        """True where the images differ, but nowhere by as much as an eye could see. The margin stays what was measured;
        nothing is told of it."""
        return is_unseen(self.visible_difference) and not self.identical

    @property
    def identical(self) -> bool:
        """True where nothing at all differs: margin, local margin and every map are exactly 0."""
        return self.margin == 0 and all(
            x.is_zero for x in (self.local_margin, *self.maps.values(), *self.lacks.values())
        )

    @property
    def labels(self) -> tuple[str, str]:
        """The two names, told apart by a letter where they are equal."""
        a, b = self.names
        return (a, b) if a != b else (f"A ({a})", f"B ({b})")

    @cached_property
    def intensities(self) -> dict[str, float]:
        """Axis -> mean signed value over the image, in [-1, 1]; positive: b has more."""
        return means(self.maps)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What differs, most salient first; `finding.matters` marks what deserves a sentence. Empty where nothing is
        visible."""
        return () if self.looks_the_same else find(self.maps, self.local_margin, self.margin, self.lacks)

    @property
    def defects(self) -> tuple[Finding, ...]:
        """What differs enough for a sentence: the findings that matter, and local damage, however small its place."""
        return tuple(one for one in self._located[0].findings if one.matters or is_local_damage(one))

    def map_of(self, finding: Finding) -> Map:
        """The map of one finding: positive where the image that it describes has the defect, and more than the
        other."""
        return defect_map(self.maps, self.lacks, finding)

    @cached_property
    def _located(self) -> tuple[Attribution, tuple[Region, ...]]:
        """How much of the margin each finding accounts for, and where the margin is made."""
        found = Attribution.of(self.findings, self.map_of, self.local_margin, self.weight)
        pieces = find_pieces(found.lead, self.local_margin)
        regions = regions_of(found, self.local_margin, pieces, self.origin)
        damaged = with_local_damage(found, regions, self.local_margin)
        return (
            (found, regions)
            if damaged is found
            else (damaged, regions_of(damaged, self.local_margin, pieces, self.origin))
        )

    @property
    def regions(self) -> tuple[Region, ...]:
        """Where one image leads the other most, the region that holds most first; empty where the difference is alike
        everywhere, and where nothing is visible. Each names the axis that explains it, or none."""
        return () if self.looks_the_same else self._located[1]

    @cached_property
    def _explanation(self) -> Explanation | None:
        """Why one image is better; None where neither is."""
        better = self.better
        if better != "a" and better != "b":
            return None
        found, regions = self._located
        return Explanation.of(better, self.findings, found, regions, self.maps, self.lacks, self.local_margin)

    @property
    def told(self) -> tuple[Reason, ...]:
        """The reasons in the order in which they are told, with how much of the margin they hold; those that speak
        against the verdict last. Empty where neither image is better, and where nothing explains the verdict."""
        return () if self._explanation is None else self._explanation.told

    @property
    def faint(self) -> Finding | None:
        """The faint defect that is told where none of `told` speaks for the verdict; None where there is none."""
        return None if self._explanation is None else self._explanation.faint

    @property
    def named(self) -> tuple[Reason, ...]:
        """What the sentence names of a verdict, in its order: `told`, after the faint defect where there is one, whose
        share is 0."""
        return () if self._explanation is None else self._explanation.named

    @property
    def explained_share(self) -> float | None:
        """Share of the better image's lead that the reasons hold, 0 to 1; None where neither image is better."""
        return None if self._explanation is None else self._explanation.share

    def verdict(self, labels: tuple[str, str] | None = None) -> str:
        """The short answer: "B is clearly better by 1.3 levels", and where it is known how sure: "... (95 % sure)"."""
        a, b = labels or self.labels
        if self.identical:
            return f"{a} and {b} are identical"
        if self.visible_difference is not None and self.looks_the_same:
            return look_the_same((a, b), self.visible_difference)
        size, sure = levels(self.margin), "" if self.confidence is None else f"{percent(self.confidence)} sure"
        if self.better == CANNOT_TELL:
            known = odds(self.confidence or 0.5, self.margin, in_order((a, b)))
            return f"Cannot tell which of {a} and {b} is better ({known}, margin {size})"
        if self.better == "tie":
            ahead = in_order((a, b))[0 if self.margin > 0 else 1]
            lead = f"; {sure} that {ahead} is ahead" if sure and self.margin else ""
            return f"{a} and {b} look equally good (margin {size}, below {TIE_MARGIN}{lead})"
        said = f"{a if self.better == 'a' else b} is {margin_word(self.margin).word} by {size}"
        return f"{said} ({sure})" if sure else said

    def reasons(self, labels: tuple[str, str] | None = None) -> str:
        """Why: "A is blurrier (moderate, lower left) and noisier (faint, top), though B is blockier (faint, middle)".

        At most three defects of the worse image come first, that which holds most of the margin at the head, then at
        most two of the better one; if neither is better, the image with the most salient finding comes first. Each axis
        is named once, and so is each image (`sentences.py`). If no finding of the worse image explains the verdict, the
        text names a faint one that agrees with the local margin. If there is none, it says so, and says where the
        better image is ahead.
        If neither image is better, the text also names the small places in which either is plainly worse; it is empty
        if there is none and no finding matters.
        """
        names = labels or self.labels
        if self._explanation is not None:
            return self._explanation.said(names)
        return undecided_reasons(self.findings, names, [r for r in self.regions if is_plain(r, self.shape)])

    def summary(self, labels: tuple[str, str] | None = None) -> str:
        """One sentence a person would say; `labels` replaces the names. What was noticed about the images stands before
        it, and what reading them changed behind it, in sentences of their own."""
        names = labels or self.labels
        parts = (self.noticed.before(names), self._sentence(labels), self.noticed.after(names))
        return " ".join(part for part in parts if part)

    @property
    def said(self) -> str:
        """The sentence alone, without what was noticed about the images."""
        return self._sentence(None)

    def _sentence(self, labels: tuple[str, str] | None) -> str:
        verdict, reasons = self.verdict(labels), self.reasons(labels)
        if not reasons:
            nothing = self.identical or self.looks_the_same
            return f"{verdict}." if nothing else f"{verdict}; {NOTHING_STANDS_OUT}."
        return f"{verdict}{'; ' if reasons.startswith(UNEXPLAINED) else ': '}{reasons}."

    def __repr__(self) -> str:
        """The sentence."""
        return self.summary()

    def _repr_html_(self) -> str:
        """What a notebook shows: verdict, scale of the margin, and the maps that matter."""
        shown: str = made_by("notebook")(self)
        return shown

    def save(self, path: str | os.PathLike[str], images: Sequence[Any] | None = None) -> Path:
        """Writes a file, whole or not at all, and returns its path. The suffix says what: `.html` the report, `.npz`
        all maps, `.png` a panel of images and maps, `.json` everything but the arrays.

        Args:
            path: the file; missing folders are made.
            images: a, b and, where there was one, the reference, for `.html` and `.png`; by default the files that were
                compared, or the arrays and tensors, as long as they are in memory: a result does not keep them there.

        Raises:
            UsageError: for another suffix, for images that are not to be had, where the file cannot be written, and for
                a panel without matplotlib.
            ImageError: for images that do not fit the maps.
        """
        return save(self, path, images)

    def plot(self, images: Sequence[Any] | None = None) -> "Figure":
        """A matplotlib figure: the images, the local margin, and the strongest defects, under the verdict.

        Args:
            images: as of `save`; where they are not to be had, the figure has the maps alone.

        Raises:
            UsageError: where matplotlib is not installed.
            ImageError: for images that do not fit the maps.
        """
        figure: Figure = made_by("plot")(self, images)
        return figure

    def _word(self) -> str:
        """The size of the margin in words, or why it has none."""
        if self.identical:
            return "identical"
        if self.looks_the_same:
            return LOOKS_THE_SAME
        return CANNOT_TELL if self.better == CANNOT_TELL else margin_word(self.margin).word

    def to_json(self) -> dict[str, Any]:
        """Everything but the arrays, as plain Python for json.dumps (numbers that are not finite become None)."""
        a, b = self.labels
        height, width = self.shape
        local = self.local_margin.statistics(TIE_MARGIN)
        return plain_dict({
            "verdict": self.verdict(),
            "sentence": self.summary(),
            "better": self.better,
            "margin": self.margin,
            "margin_means": "positive: a is better; negative: b is better",
            "told_margin": self.told_margin,
            "confidence": self.confidence,
            "confidence_means": "probability that the sign of the margin is right",
            "visible_difference": facts(self.visible_difference),
            "noticed": self.noticed.to_json(self.labels),
            "unit": UNIT,
            "word": self._word(),
            "tie_below": TIE_MARGIN,
            "cannot_tell_below": MIN_CONFIDENCE,
            "names": {"a": a, "b": b},
            "has_reference": self.has_reference,
            "quality": {"a": self.quality_a, "b": self.quality_b} if self.has_reference else None,
            "size": {"width": width, "height": height},
            "viewing": self.meta.get("viewing", PIXEL_PEEP),
            "local_margin": {
                "min": local.min, "max": local.max, "mean": local.mean,
                "share_a_better": local.above, "share_b_better": local.below,
            },
            "reasons": [reason.to_json() for reason in self.named],
            "explained_share": self.explained_share,
            "regions": [region.to_json() for region in self.regions],
            "axes": axes_table(self.maps, self.findings),
            "rois": [part.to_json() for part in self.rois],
            "meta": self.meta,
        })  # fmt: skip
