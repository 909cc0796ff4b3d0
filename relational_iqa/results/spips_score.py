"""SpipsScore: what the SPIPS system answers: the quality of an image against its reference, and the difference maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True)
class SpipsScore:
    """One image against its reference.

    Args:
        quality: <= 0 severity levels, 0 for an image equal to its reference; higher is better.
        maps: stream -> difference of every pixel, in [0, 1]; 0 where nothing differs.
        fusion: stream -> share of its map in the fused one, at every pixel; the shares of all streams sum to 1.
        difference: the fused map, in [0, 1].
        mos: the quality on the scale of the ratings that the weights were fitted to, cut at both ends of that scale;
            None for weights fitted to nobody's ratings.
        name: what to call the image.
        meta: version, weights, size, device, seconds.
    """

    quality: float
    maps: Mapping[str, Float32[np.ndarray, "h w"]]
    fusion: Mapping[str, Float32[np.ndarray, "h w"]]
    difference: Float32[np.ndarray, "h w"]
    mos: float | None = None
    name: str = "the image"
    meta: Mapping[str, Any] = field(default_factory=dict)

    def summary(self) -> str:
        """One sentence."""
        if self.quality == 0:
            return f"{self.name} equals its reference: quality 0 levels"
        mos = "" if self.mos is None else f" (MOS {self.mos:.2f})"
        parts = sorted(((float((self.maps[s] * self.fusion[s]).mean()), s) for s in self.maps), reverse=True)
        total = sum(value for value, _ in parts) or 1.0
        told = ", ".join(f"{name} {100 * value / total:.0f} %" for value, name in parts[:3])
        return f"{self.name}: quality {self.quality:.2f} levels{mos}; fused difference from {told}"

    def to_json(self) -> dict[str, Any]:
        """Everything but the arrays; of those the means."""
        means = {name: {"difference": float(self.maps[name].mean()), "share": float(self.fusion[name].mean())}
                 for name in self.maps}  # fmt: skip
        return {"name": self.name, "quality": self.quality, "mos": self.mos, "unit": "severity levels, 0 is best",
                "streams": means, "difference": float(self.difference.mean()), **self.meta}  # fmt: skip
