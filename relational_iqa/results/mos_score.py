"""What the pMOS system answers about one image: its MOS, the MOS of every pixel, and how much every pixel counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from distortion_engine.errors import UsageError
from relational_iqa.results.plain_json import plain_dict
from relational_iqa.results.words.places import place

MOS_MIN, MOS_MAX = 1.0, 5.0  # of the scale, as in `networks.pmos_head`; torch is not needed to read a result
SCALE = "MOS, 1 (bad) to 5 (excellent), higher is better"
# The grades of ITU-R BT.500 / P.910 absolute category rating; a score belongs to the nearest.
GRADES = ("bad", "poor", "fair", "good", "excellent")
NOTABLE = 0.5  # grades; a worst region that is less below the rest stays out of the sentence
WORST_DEPTH = 0.5  # the worst region: pixels in the lower half between the typical good place and the worst one
_CLOSE_TO_EXTREME = 0.05  # share of pixels left out at either end, so that no single pixel decides


@dataclass(frozen=True)
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
    def worst(self) -> Bool[np.ndarray, "h w"]:
        """The pixels of the worst region, see `worst_region`."""
        return worst_region(self.pmos)

    @cached_property
    def worst_mos(self) -> float:
        """Mean pMOS of the worst region; the image's MOS where the map is flat."""
        return float(self.pmos[self.worst].mean(dtype=np.float64)) if self.worst.any() else self.mos

    @cached_property
    def where(self) -> str:
        """Where the worst region lies: "lower left", "mostly top", "everywhere"; "nowhere" in a flat map."""
        return place(self.worst.astype(np.float32))

    def summary(self) -> str:
        """One sentence: "x.jpg: MOS 3.2 of 5 (fair), worst upper left (1.9)."."""
        head = f"{self.name}: MOS {self.mos:.1f} of 5 ({self.grade})"
        if self.mos - self.worst_mos < NOTABLE or self.where == "everywhere":
            return f"{head}, much the same everywhere."
        return f"{head}, worst {self.where} ({self.worst_mos:.1f})."

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
            "worst": {"where": self.where, "mos": self.worst_mos, "share": self.worst.mean(dtype=np.float64)},
            "size": {"width": self.pmos.shape[1], "height": self.pmos.shape[0]}, "meta": self.meta,
        })  # fmt: skip


def worst_region(pmos: Float[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The pixels below the middle between the 5 % and the 95 % quantile of a map.

    The threshold depends on the map alone. A flat map has no worst region: no pixel belongs to it.
    """
    low, high = (float(x) for x in np.quantile(pmos, (_CLOSE_TO_EXTREME, 1 - _CLOSE_TO_EXTREME)))
    return pmos < low + WORST_DEPTH * (high - low) if high - low > 1e-4 else np.zeros(pmos.shape, dtype=bool)
