"""What every reader gives: rated images, judged pairs, and the facts of the data set they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RatedImage:
    """One image with the opinion of people.

    Args:
        image: existing file.
        reference: existing file, None where the set has none.
        score: higher is better, in the unit of the data set.
        scene: what versions of one photograph share; "" where the set does not say.
        distortion: its name; "" where the set does not say.
        level: its strength; "" where the set does not say.
        original: the published number, None where it is `score` itself.
        deviation: standard deviation of the single opinions behind `score`, in its unit; None where the set does not
            say.
    """

    image: Path
    reference: Path | None
    score: float
    scene: str = ""
    distortion: str = ""
    level: str = ""
    original: float | None = None
    deviation: float | None = None

    @property
    def published(self) -> float:
        """The number as the data set has it."""
        return self.score if self.original is None else self.original


@dataclass(frozen=True)
class JudgedPair:
    """Two versions of one reference that people chose between.

    Args:
        first: existing file.
        second: existing file.
        reference: existing file.
        prefer_second: share of people, in [0, 1], to whom `second` is closer to the reference.
        scene: what versions of one photograph share; "" where the set does not say.
        distortion: its name; "" where the set does not say.
    """

    first: Path
    second: Path
    reference: Path
    prefer_second: float
    scene: str = ""
    distortion: str = ""


@dataclass(frozen=True)
class Opinion:
    """What the published numbers of a set are.

    Args:
        kind: "MOS", "DMOS" or another name.
        low: lower end of the nominal range, None where it is open.
        high: upper end of the nominal range, None where it is open.
        higher_is_better: whether higher published numbers mean better images.
    """

    kind: str
    low: float | None
    high: float | None
    higher_is_better: bool

    def oriented(self, value: float) -> float:
        """The number turned so that higher is better: as it is, or mirrored inside the range (negated where open)."""
        if self.higher_is_better:
            return value
        return (self.low or 0.0) + self.high - value if self.high is not None else -value

    def plausible(self, value: float) -> bool:
        """False for a number that can only come from another column or another file: z-scores and re-alignment leave
        the nominal range by a little, never by half its width."""
        if self.low is None or self.high is None:
            return self.low is None or value >= self.low
        slack = 0.5 * (self.high - self.low)
        return self.low - slack <= value <= self.high + slack

    def __str__(self) -> str:
        ends = "open" if self.low is None and self.high is None else f"{_end(self.low)} to {_end(self.high)}"
        return f"{self.kind}, {ends}, {'higher' if self.higher_is_better else 'lower'} is better"


@dataclass(frozen=True)
class Benchmark:
    """A data set as read from disk: rated images or judged pairs, never both.

    Args:
        name: of the data set.
        root: its folder or CSV.
        opinion: what its published numbers are.
        images: rated images, empty for a set of pairs.
        pairs: judged pairs, empty for a set of rated images.
        aligned: whether images of one scene show the same content pixel by pixel, so that they can be compared without
            a reference.
        notes: what was left out and why; a report that uses the set repeats them.
    """

    name: str
    root: Path
    opinion: Opinion
    images: tuple[RatedImage, ...] = ()
    pairs: tuple[JudgedPair, ...] = ()
    aligned: bool = False
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> list[str]:
        """One scene name an image or pair, as `splits.grouped_splits` wants it: where the set names no scene the
        reference, else versions of one photograph would be on both sides of a split."""
        items: Sequence[RatedImage | JudgedPair] = self.images or self.pairs
        return [item.scene or ("" if item.reference is None else str(item.reference)) for item in items]

    @property
    def with_reference(self) -> bool:
        """True where every image has a reference (pairs always do)."""
        return all(image.reference is not None for image in self.images)


def _end(value: float | None) -> str:
    return "open" if value is None else f"{value:g}"
