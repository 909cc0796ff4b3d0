"""What the product answers: Comparison (two images), Score (one against its reference), Ranking (several).

Plain frozen data; `summary()` is one sentence a person would say, `to_json()` everything but the arrays.
Signs: margin and local_margin > 0 where **a** is better (unit: severity levels); maps > 0 where **b** has more.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any, Literal

import numpy as np

from relational_iqa.findings import (
    TIE_MARGIN,
    Finding,
    axes_table,
    check_maps,
    find,
    levels,
    margin_word,
    means,
    worth_saying,
)
from relational_iqa.grid_map import MapLike, enlarged_when_read, stored, stored_maps, summarise_map
from relational_iqa.sentences import join_words, reasons, remarks

UNIT = "severity levels"
MAX_DEFECTS = 3  # reasons named in a sentence
MAX_TRADE_OFFS = 2  # merits of the worse image named after "though"


@enlarged_when_read("local_margin", "weight")
@dataclass(frozen=True)
class Comparison:
    """Two images compared. `margin` > 0: a is better, in severity levels (1.0: one level of a five-level ladder).

    maps: axis name -> float32 (H, W) in [-1, 1], positive where b has more; local_margin: float32 (H, W) levels,
    positive where a is better; weight: float32 (H, W) > 0, for the pooling; quality_a, quality_b: <= 0 levels,
    0 equals the reference, only where one was given; names: how to call the two; meta: version, weights, seconds ...
    Maps of the model are kept on a grid of 1/4 of the size: each look at one enlarges it anew.
    Raises ValueError if the margin is not finite, an axis is unknown or the sizes of the arrays differ.
    """

    margin: float
    maps: Mapping[str, np.ndarray]
    local_margin: np.ndarray
    weight: np.ndarray
    has_reference: bool = False
    quality_a: float | None = None
    quality_b: float | None = None
    names: tuple[str, str] = ("A", "B")
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not math.isfinite(self.margin):
            raise ValueError(f"margin is {self.margin}, expected a finite number of levels: check the images for NaN")
        check_maps(stored_maps(self.maps), self.shape)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the images that were compared, px."""
        return self.stored_margin.shape

    @property
    def stored_margin(self) -> MapLike:
        """The local margin as it is kept, which may be on the grid."""
        return stored(self, "local_margin")

    @property
    def better(self) -> Literal["a", "b", "tie"]:
        """Which image is better; "tie" where |margin| < TIE_MARGIN."""
        return "tie" if abs(self.margin) < TIE_MARGIN else "a" if self.margin > 0 else "b"

    @property
    def identical(self) -> bool:
        """True where nothing at all differs: margin, local margin and every map are exactly 0."""
        return self.margin == 0 and not any(x.any() for x in (self.stored_margin, *stored_maps(self.maps).values()))

    @property
    def labels(self) -> tuple[str, str]:
        """The two names, told apart by a letter where they are equal."""
        a, b = self.names
        return (a, b) if a != b else (f"A ({a})", f"B ({b})")

    @cached_property
    def intensities(self) -> dict[str, float]:
        """Axis -> mean signed value over the image, in [-1, 1]; positive: b has more."""
        return means(stored_maps(self.maps))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What differs, most salient first; `finding.matters` marks what deserves a sentence."""
        return find(stored_maps(self.maps), self.stored_margin, self.margin)

    def verdict(self, labels: tuple[str, str] | None = None) -> str:
        """The short answer: "B is clearly better by 1.3 levels"."""
        a, b = labels or self.labels
        if self.identical:
            return f"{a} and {b} are identical"
        if self.better == "tie":
            return f"{a} and {b} look equally good (margin {levels(self.margin)}, below {TIE_MARGIN})"
        return f"{a if self.better == 'a' else b} is {margin_word(self.margin).word} by {levels(self.margin)}"

    def reasons(self, labels: tuple[str, str] | None = None) -> str:
        """Why: "A is blurrier (0.4, lower left) and noisier (0.2, top), though B is blockier (0.1, everywhere)".

        Defects of the worse image first (at most MAX_DEFECTS), then the trade-offs (at most MAX_TRADE_OFFS); in a tie
        the image with the most salient finding first. An axis is named once, also where it differs in both directions.
        Empty where nothing matters.
        """
        return reasons(self.findings, self.better, labels or self.labels, MAX_DEFECTS, MAX_TRADE_OFFS)

    def summary(self, labels: tuple[str, str] | None = None) -> str:
        """One sentence a person would say; `labels` replaces the names."""
        verdict, reasons = self.verdict(labels), self.reasons(labels)
        if not reasons:
            return f"{verdict}." if self.identical else f"{verdict}; no single kind of distortion stands out."
        return f"{verdict}{', ' if reasons.startswith('though ') else ': '}{reasons}."

    def to_json(self) -> dict[str, Any]:
        """Everything but the arrays, as plain Python for json.dumps (numbers that are not finite become None)."""
        a, b = self.labels
        height, width = self.shape
        local = summarise_map(self.stored_margin, beyond=TIE_MARGIN)
        return _plain({
            "verdict": self.verdict(),
            "sentence": self.summary(),
            "better": self.better,
            "margin": self.margin,
            "margin_means": "positive: a is better; negative: b is better",
            "unit": UNIT,
            "word": "identical" if self.identical else margin_word(self.margin).word,
            "tie_below": TIE_MARGIN,
            "names": {"a": a, "b": b},
            "has_reference": self.has_reference,
            "quality": {"a": self.quality_a, "b": self.quality_b} if self.has_reference else None,
            "size": {"width": width, "height": height},
            "local_margin": {
                "min": local.min, "max": local.max, "mean": local.mean,
                "share_a_better": local.above, "share_b_better": local.below,
            },
            "axes": axes_table(stored_maps(self.maps), self.findings),
            "meta": self.meta,
        })  # fmt: skip


@enlarged_when_read("local_quality")
@dataclass(frozen=True)
class Score:
    """One image against its reference. `quality` <= 0 levels, 0: no difference; higher is better; -5 is about the
    strongest level of the engine, compositions of distortions can fall below it.

    local_quality: float32 (H, W) levels, <= 0 where the image is worse; distortions: axis -> mean signed value; maps:
    axis -> float32 (H, W) in [-1, 1], positive where the image has more than the reference.
    """

    quality: float
    local_quality: np.ndarray
    distortions: Mapping[str, float]
    maps: Mapping[str, np.ndarray]
    name: str = "the image"
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not math.isfinite(self.quality):
            raise ValueError(f"quality is {self.quality}, expected a finite number of levels: check the images for NaN")
        check_maps(stored_maps(self.maps), stored(self, "local_quality").shape)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What differs from the reference, most salient first; side "b" is the image."""
        worse = -stored(self, "local_quality")
        return find(stored_maps(self.maps), worse, max(-self.quality, TIE_MARGIN))

    def summary(self) -> str:
        """One sentence: "x.jpg is 1.3 levels below the reference: blurrier (0.4, mostly lower left)"."""
        if self.quality == 0 and not any(values.any() for values in stored_maps(self.maps).values()):
            return f"{self.name} is identical to the reference."
        own = [finding for finding in worth_saying(self.findings) if finding.side == "b"]
        said = [remark.predicate() for remark in remarks(own)][:MAX_DEFECTS]
        head = "as good as" if abs(self.quality) < TIE_MARGIN else f"{levels(self.quality)} below"
        return f"{self.name} is {head} the reference{': ' + join_words(said) if said else ''}."

    def to_json(self) -> dict[str, Any]:
        """Everything but the arrays, as plain Python."""
        return _plain({
            "name": self.name, "quality": self.quality, "quality_means": "0: equals the reference; lower is worse",
            "unit": UNIT, "sentence": self.summary(), "distortions": self.distortions,
            "axes": axes_table(stored_maps(self.maps), self.findings), "meta": self.meta,
        })  # fmt: skip


@dataclass(frozen=True)
class Ranking:
    """Several images, best first.

    order: indices into names; margins: of each in order over the next one (n - 1 of them); pairwise: (n, n), [i, j] > 0
    where i is better than j, antisymmetric; qualities: one for each of `names`, or None without a reference.
    """

    order: Sequence[int]
    names: Sequence[str]
    margins: Sequence[float]
    qualities: Sequence[float] | None
    pairwise: np.ndarray
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sorted(self.order) != list(range(len(self.names))) or len(self.margins) != max(len(self.names) - 1, 0):
            raise ValueError(
                f"order {list(self.order)} with {len(self.margins)} margins does not fit {len(self.names)} names: "
                "expected a permutation of their indices and one margin fewer"
            )

    def summary(self) -> str:
        """One sentence: "b.png is best, then a.png (0.8 levels behind), then c.png (equal, 0.02 levels)."."""
        if not self.names:
            return "No images to rank."
        parts = [f"{self.names[self.order[0]]} is best"]
        for index, margin in zip(self.order[1:], self.margins, strict=True):
            gap = f"equal, {levels(margin)}" if abs(margin) < TIE_MARGIN else f"{levels(margin)} behind"
            parts.append(f"then {self.names[index]} ({gap})")
        return ", ".join(parts) + "."

    def to_json(self) -> dict[str, Any]:
        """Everything as plain Python, the images best first."""
        ranked = [
            {"rank": rank, "index": index, "name": self.names[index],
             "quality": None if self.qualities is None else self.qualities[index],
             "margin_over_next": self.margins[rank - 1] if rank <= len(self.margins) else None}
            for rank, index in enumerate(self.order, start=1)
        ]  # fmt: skip
        return _plain({
            "sentence": self.summary(), "unit": UNIT, "ranking": ranked,
            "pairwise": self.pairwise, "pairwise_means": "[i][j] positive: i is better than j", "meta": self.meta,
        })  # fmt: skip


def _plain(value: Any) -> Any:
    """The same value in dict, list, str, int, float, bool and None; not-finite numbers become None, paths text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return value.as_posix() if isinstance(value, PurePath) else str(value)
