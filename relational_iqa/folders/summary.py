"""What many pairs say together: mean margin with a bootstrap interval, counts, axes that differ, the worst pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distortion_engine.axes import AXES
from relational_iqa.folders.comparison import Row
from relational_iqa.results.comparison import UNIT
from relational_iqa.results.words.confidence import CANNOT_TELL, percent
from relational_iqa.results.words.margins import TIE_MARGIN, levels, margin_word

LEVEL = 0.95
DRAWS = 4000
_DRAWS_AT_A_TIME = 100  # of n pairs and 17 columns each: 14 MB for a thousand pairs
MIN_PAIRS = 5
"""With fewer pairs an interval by resampling is far too narrow, so there is none."""

MIN_AXIS_MEAN = 0.02
"""An axis that differs by less on the mean is left out of the sentence: a tenth of the first severity level."""
MAX_AXES = 6


@dataclass(frozen=True)
class Estimate:
    """A mean over pairs and its 95 % interval by the bootstrap over pairs; None for fewer than MIN_PAIRS."""

    mean: float
    interval: tuple[float, float] | None

    @property
    def differs(self) -> bool:
        """Whether the interval excludes 0."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.mean:+.2f}"
        return f"{self.mean:+.2f}, 95 % interval {self.interval[0]:+.2f} to {self.interval[1]:+.2f}"

    def to_json(self) -> dict[str, Any]:
        """mean, low and high; None where there is no interval."""
        low, high = self.interval or (None, None)
        return {"mean": self.mean, "low": low, "high": high}


def but_single_ones(*counts: tuple[str, int]) -> str:
    """What follows a mean that says nothing, where single pairs do: ", but new is better in 6 of them and old in none".

    Args:
        counts: name and number of pairs in which it is better, of both.
    """
    (more, count), (less, other) = sorted(counts, key=lambda one: -one[1])
    return f", but {more} is better in {count} of them and {less} in {other or 'none'}" if count else ""


@dataclass(frozen=True)
class FolderSummary:
    """Statistics of all pairs that could be compared.

    Args:
        compared: number of those pairs.
        margin: mean margin in severity levels, positive where A is better.
        median: median margin.
        told_mean: mean margin with 0 for the pairs of which it cannot be told which image is better.
        better_a: number of pairs in which A is better.
        ties: number of ties.
        better_b: number of pairs in which B is better.
        cannot_tell: number of pairs of which that cannot be told.
        confidence: mean and least confidence of the pairs with a margin; None where some have none.
        quality: mean quality of A and of B in severity levels below the reference; None without references.
        axes: mean over pairs by the name of the axis, positive where B has more.
        worst: the rows with the lowest margins, lowest first.
        failed: the rows with an error.
    """

    compared: int
    margin: Estimate
    median: float
    told_mean: float
    better_a: int
    ties: int
    better_b: int
    cannot_tell: int
    confidence: tuple[float, float] | None
    quality: tuple[float, float] | None
    axes: dict[str, Estimate]
    worst: tuple[Row, ...]
    failed: tuple[Row, ...]

    def verdict(self, labels: tuple[str, str]) -> str:
        """One sentence: "new is slightly better than old on the mean of 24 pairs, by 0.3 levels.". No folder is called
        better if the pairs that can be told do not say the same on their mean."""
        a, b = labels
        pairs = f"the mean of {self.compared} pair{'s' if self.compared != 1 else ''}"
        if self.margin.mean == 0 and not any(estimate.mean for estimate in self.axes.values()):
            return f"{a} and {b} do not differ on {pairs}."
        size = levels(self.margin.mean)
        if self.margin.interval is not None and not self.margin.differs:
            single = but_single_ones((a, self.better_a), (b, self.better_b))
            return f"{a} and {b}: no difference on {pairs} to rely on ({size}, the interval includes 0){single}."
        if self.cannot_tell and self.told_mean * self.margin.mean <= 0:
            told = f"{size}, but {self.cannot_tell} of {self.compared} cannot be told"
            return f"Cannot tell which of {a} and {b} is better on {pairs} ({told})."
        if abs(self.margin.mean) < TIE_MARGIN:
            return f"{a} and {b} are equally good on {pairs} ({size} apart, below {TIE_MARGIN})."
        better, worse = (a, b) if self.margin.mean > 0 else (b, a)
        return f"{better} is {margin_word(self.margin.mean).word} than {worse} on {pairs}, by {size}."

    def lines(self, labels: tuple[str, str]) -> list[str]:
        """What a terminal shows, without the lists of files."""
        a, b = labels
        untold = f", cannot tell in {self.cannot_tell}" if self.cannot_tell else ""
        lines = [
            self.verdict(labels),
            f"margin: mean {self.margin}, median {self.median:+.2f} {UNIT} (positive: {a} is better)",
            f"pairs: {a} better in {self.better_a}, {self.ties} ties, {b} better in {self.better_b}{untold}",
        ]
        if self.confidence is not None:
            mean, least = (percent(confidence) for confidence in self.confidence)
            lines.append(f"confidence: mean {mean}, least {least} (that the better image of a pair is named rightly)")
        if self.quality is not None:
            qualities = f"{a} {self.quality[0]:.2f}, {b} {self.quality[1]:.2f}"
            lines.append(f"quality: mean {qualities} (0 equals the reference)")
        told = self.told_axes()
        if told:
            parts = [f"{b if mean > 0 else a} is {word} ({abs(mean):.2f})" for word, mean in told]
            lines.append(f"on the mean: {', '.join(parts)}")
        return lines

    def told_axes(self) -> list[tuple[str, float]]:
        """(word for more, mean) of the axes that differ on the mean, largest first."""
        words = {axis.name: axis.more for axis in AXES}
        sure = [
            (words[name], estimate.mean)
            for name, estimate in self.axes.items()
            if estimate.differs and abs(estimate.mean) >= MIN_AXIS_MEAN
        ]
        return sorted(sure, key=lambda entry: -abs(entry[1]))[:MAX_AXES]

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain Python; rows are left to the caller."""
        return {
            "compared": self.compared,
            "failed": len(self.failed),
            "margin": self.margin.to_json() | {"median": self.median, "told_mean": self.told_mean},
            "margin_means": "positive: a is better; low and high: 95 % interval, bootstrap over pairs; "
            "told_mean: with 0 for the pairs of which it cannot be told which image is better",
            "unit": UNIT,
            "better": {"a": self.better_a, "tie": self.ties, "b": self.better_b, CANNOT_TELL: self.cannot_tell},
            "confidence": None
            if self.confidence is None
            else {"mean": self.confidence[0], "least": self.confidence[1]},
            "quality": None if self.quality is None else {"a": self.quality[0], "b": self.quality[1]},
            "axes": {name: estimate.to_json() for name, estimate in self.axes.items()},
            "worst": [row.pair.name for row in self.worst],
        }


def summarise(rows: Sequence[Row], worst: int) -> FolderSummary | None:
    """The summary of rows, with `worst` of them listed; None where every row has an error."""
    good = [row for row in rows if not row.error]
    if not good:
        return None
    names = [axis.name for axis in AXES]
    values = np.array([[row.margin, *(row.axes.get(name, 0.0) for name in names)] for row in good], np.float64)
    intervals = bootstrap_intervals(values)
    estimates = [
        Estimate(float(mean), None if intervals is None else (float(intervals[0, i]), float(intervals[1, i])))
        for i, mean in enumerate(values.mean(0))
    ]
    qualities = [(r.quality_a, r.quality_b) for r in good if r.quality_a is not None and r.quality_b is not None]
    quality = None
    if len(qualities) == len(good):
        quality_a, quality_b = np.array(qualities, np.float64).mean(0)
        quality = float(quality_a), float(quality_b)
    counts = [sum(row.verdict == side for row in good) for side in ("a", "tie", "b", CANNOT_TELL)]
    apart = [row.confidence for row in good if row.margin != 0]  # of identical images neither is better
    known = [confidence for confidence in apart if confidence is not None]
    confidence = (float(np.mean(known)), min(known)) if known and len(known) == len(apart) else None
    return FolderSummary(
        len(good), estimates[0], float(np.median(values[:, 0])), float(np.mean([row.told_margin for row in good])),
        counts[0], counts[1], counts[2], counts[3], confidence, quality,
        dict(zip(names, estimates[1:], strict=True)),
        tuple(sorted(good, key=lambda row: (row.margin, row.pair.name))[:worst]),
        tuple(row for row in rows if row.error),
    )  # fmt: skip


def bootstrap_intervals(values: np.ndarray, seed: int = 0) -> np.ndarray | None:
    """95 % intervals of means over pairs, by the percentile bootstrap over pairs.

    Args:
        values: (n, c), one row per pair.
        seed: the same rows and seed give the same intervals.

    Returns:
        (2, c), low and high ends of the intervals of the c means; None for fewer than MIN_PAIRS pairs.
    """
    if len(values) < MIN_PAIRS:
        return None
    from scipy.stats import bootstrap

    found = bootstrap(
        (values,), np.mean, n_resamples=DRAWS, batch=_DRAWS_AT_A_TIME, axis=0, confidence_level=LEVEL,
        method="percentile", rng=np.random.default_rng(seed),
    )  # fmt: skip
    return np.stack(found.confidence_interval)
