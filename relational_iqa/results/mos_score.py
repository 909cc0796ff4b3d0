"""What the pMOS system answers about one image: its MOS, the MOS of every pixel, and how much every pixel counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from distortion_engine.errors import UsageError
from relational_iqa.results.plain_json import plain_dict
from relational_iqa.results.words.single_image import Defect, index_of, is_sharp, named_defects, said_defects
from relational_iqa.results.worst_region import WorstRegion, find_worst

MOS_MIN, MOS_MAX = 1.0, 5.0  # of the scale, as in `networks.pmos_head`; torch is not needed to read a result
CELL_PX = 8  # side of a cell of the defects, as in `networks.pmos_encoder`
SCALE = "MOS, 1 (bad) to 5 (excellent), higher is better"
# The grades of ITU-R BT.500 / P.910 absolute category rating; a score belongs to the nearest.
GRADES = ("bad", "poor", "fair", "good", "excellent")


@dataclass(frozen=True, repr=False)
class MosScore:
    """MOS of one image, with its maps.

    Args:
        mos: 1 (bad) to 5 (excellent), exactly sum(roi * pmos) / sum(roi) over the two maps.
        pmos: MOS of every pixel, (H, W), in [1, 5].
        roi: how much every pixel counts, (H, W), > 0; only ratios matter.
        name: what to call the image.
        opinions: whose scores the weights were fitted to, "none" if nobody's.
        meta: version, weights, size, device, seconds.
        doubt: the MOS is within this of what the metrics say with a reference in four of five held-back images of the
            photographs that were trained on, and in two of three of others; of weights fitted to people, of what they
            say. Grades; None where that is not known.
        defects: severity of more, then of less of each axis in cells, (2 K, h, w) in [0, 1]; None where not known.
        named_from: the mean severity from which each of them is named.

    Raises:
        ValueError: for a score that is not finite, maps of different sizes, or defects without their severities.
    """

    mos: float
    pmos: Float32[np.ndarray, "*_"]
    roi: Float32[np.ndarray, "*_"]
    name: str = "the image"
    opinions: str = "none"
    meta: Mapping[str, Any] = field(default_factory=dict)
    doubt: float | None = None
    defects: Float32[np.ndarray, "*_"] | None = None
    named_from: Sequence[float] = ()

    def __post_init__(self) -> None:
        if not math.isfinite(self.mos):
            raise UsageError(f"mos is {self.mos}, expected a number from 1 to 5: check image and weights")
        if self.pmos.shape != self.roi.shape or self.pmos.ndim != 2:
            raise ValueError(f"pmos has shape {self.pmos.shape}, roi {self.roi.shape}: expected the same (H, W)")
        if self.defects is not None and len(self.defects) != len(self.named_from):
            raise ValueError(f"{len(self.defects)} defects and {len(self.named_from)} severities: expected as many")

    @property
    def grade(self) -> str:
        """The nearest of bad, poor, fair, good, excellent."""
        return GRADES[min(len(GRADES), max(1, math.floor(self.mos + 0.5))) - 1]

    @cached_property
    def _worst(self) -> tuple[WorstRegion, Bool[np.ndarray, "h w"]] | None:
        return find_worst(self.pmos)

    @property
    def worst_region(self) -> WorstRegion | None:
        """The part that is notably worse than the rest; None where the picture is much the same everywhere."""
        return None if self._worst is None else self._worst[0]

    @property
    def worst(self) -> Bool[np.ndarray, "h w"]:
        """The pixels of the worst region; none where there is no such region."""
        return np.zeros(self.pmos.shape, dtype=bool) if self._worst is None else self._worst[1]

    def __repr__(self) -> str:
        """The sentence."""
        return self.summary()

    @cached_property
    def named(self) -> tuple[Defect, ...]:
        """The defects of the whole image that are named, most severe first."""
        return () if self.defects is None else tuple(named_defects(self.defects, self.named_from))

    @cached_property
    def named_worst(self) -> Defect | None:
        """What the worst region suffers from more than the rest, if that can be told."""
        if self.defects is None or self._worst is None:
            return None
        inside = _in_cells(self.worst, self.defects.shape[1:])
        if not inside.any() or inside.all():
            return None
        own = named_defects(self.defects, self.named_from, inside)
        rest = self.defects[:, ~inside].mean(1, dtype=np.float64)
        more = [(defect.severity - rest[index_of(defect.axis, defect.more)], defect) for defect in own]
        most = max(more, key=lambda pair: pair[0], default=None)
        return most[1] if most is not None and most[0] > 0 else None

    def summary(self) -> str:
        """One sentence: "x.jpg: MOS 3.2 ± 0.4 of 5 (fair), sharp but noisy (moderate); worst in 96 × 80 px at
        (120, 40), 1.4 below the rest: blurred (strong)."."""
        doubt = "" if self.doubt is None else f" ± {self.doubt:.1f}"
        head, region = f"{self.name}: MOS {self.mos:.1f}{doubt} of 5 ({self.grade})", self.worst_region
        if self.defects is not None and (said := said_defects(self.named, is_sharp(self.defects))):
            head = f"{head}, {said}"
        if region is None:
            return f"{head}; no part stands out."
        why = f": {self.named_worst.said}" if self.named_worst is not None else ""
        return f"{head}; worst {region.said_place(self.pmos.shape)}, {region.below:.1f} below the rest{why}."

    def picture(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The map over a grey version of the image: orange where MOS is lost, strongest at MOS 1.

        Raises ValueError for an image of another size than the map.
        """
        from relational_iqa.results.colormaps import overlay

        if image.shape[:2] != self.pmos.shape:
            raise ValueError(f"image has shape {image.shape}, the map {self.pmos.shape}: give what was scored")
        return overlay((MOS_MAX - self.pmos) / (MOS_MAX - MOS_MIN), image)

    def to_json(self) -> dict[str, Any]:
        """Everything but the arrays, as plain Python."""
        levels = np.quantile(self.pmos, (0.05, 0.25, 0.5, 0.75, 0.95))
        return plain_dict({
            "name": self.name, "mos": self.mos, "scale": SCALE, "grade": self.grade, "sentence": self.summary(),
            "opinions": self.opinions,
            "pmos": dict(zip(("p05", "p25", "median", "p75", "p95"), levels.tolist(), strict=True))
            | {"mean": self.pmos.mean(dtype=np.float64)},
            "worst": None if self.worst_region is None else self.worst_region.to_json() | {
                "defect": None if self.named_worst is None else self.named_worst.to_json()},
            "doubt": self.doubt, "defects": [defect.to_json() for defect in self.named],
            "size": {"width": self.pmos.shape[1], "height": self.pmos.shape[0]}, "meta": self.meta,
        })  # fmt: skip


def _in_cells(inside: Bool[np.ndarray, "h w"], shape: tuple[int, ...]) -> Bool[np.ndarray, "rows columns"]:
    """The cells whose middle is inside; of those that reach beyond the picture, the last pixel."""
    middles = (np.arange(count) * CELL_PX + CELL_PX // 2 for count in shape)
    rows, columns = (np.minimum(at, side - 1) for at, side in zip(middles, inside.shape, strict=True))
    chosen: np.ndarray = inside[np.ix_(rows, columns)]
    return chosen
