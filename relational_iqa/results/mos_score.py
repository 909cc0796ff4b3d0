"""What the pMOS system answers about one image: its MOS, the MOS of every pixel, and how much every pixel counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from distortion_engine.errors import UsageError
from relational_iqa.results.plain_json import plain_dict
from relational_iqa.results.worst_region import WorstRegion, find_worst

MOS_MIN, MOS_MAX = 1.0, 5.0  # of the scale, as in `networks.pmos_head`; torch is not needed to read a result
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

    Raises:
        ValueError: for a score that is not finite, or maps of different sizes.
    """

    mos: float
    pmos: Float32[np.ndarray, "*_"]
    roi: Float32[np.ndarray, "*_"]
    name: str = "the image"
    opinions: str = "none"
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not math.isfinite(self.mos):
            raise UsageError(f"mos is {self.mos}, expected a number from 1 to 5: check image and weights")
        if self.pmos.shape != self.roi.shape or self.pmos.ndim != 2:
            raise ValueError(f"pmos has shape {self.pmos.shape}, roi {self.roi.shape}: expected the same (H, W)")

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

    def summary(self) -> str:
        """One sentence: "x.jpg: MOS 3.2 of 5 (fair), worst in 96 × 80 px at (120, 40), 1.4 below the rest."."""
        head, region = f"{self.name}: MOS {self.mos:.1f} of 5 ({self.grade})", self.worst_region
        if region is None:
            return f"{head}, much the same everywhere."
        return f"{head}, worst {region.said_place(self.pmos.shape)}, {region.below:.1f} below the rest."

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
            "worst": None if self.worst_region is None else self.worst_region.to_json(),
            "size": {"width": self.pmos.shape[1], "height": self.pmos.shape[0]}, "meta": self.meta,
        })  # fmt: skip
