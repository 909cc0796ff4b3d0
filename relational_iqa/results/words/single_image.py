"""Words for what is wrong with one image, seen without a reference: "sharp but noisy", "blurred"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from distortion_engine.axes import AXES
from relational_iqa.results.words.strengths import strength_word

_WORDS: dict[tuple[str, bool], str] = {
    ("sharpness", False): "blurred",
    ("sharpness", True): "over-sharpened",
    ("pixelation", True): "pixelated",
    ("noise", True): "noisy",
    ("chroma_noise", True): "noisy in colour",
    ("impulse", True): "specked",
    ("blocking", True): "blocky",
    ("smearing", True): "smeared",
    ("brightness", True): "too bright",
    ("brightness", False): "too dark",
    ("contrast", True): "harsh",
    ("contrast", False): "flat",
    ("saturation", True): "too saturated",
    ("saturation", False): "pale",
    ("color_cast", True): "too warm",
    ("color_cast", False): "too cool",
    ("tint", True): "greenish",
    ("tint", False): "tinged with magenta",
    ("hue", True): "wrong in hue",
    ("hue", False): "wrong in hue",
    ("chroma_defect", True): "fringed with colour",
    ("quantization", True): "banded",
    ("geometric", True): "warped",
    ("local_damage", True): "damaged",
    ("haze", True): "hazy",
}
_UNSHARP = (("sharpness", False), ("smearing", True), ("pixelation", True))
SHARP_BELOW = 0.04
"""Mean severity of all that takes sharpness, below which an image that has another defect is called sharp."""
MOST = 2
"""Defects of an image that are named."""


@dataclass(frozen=True)
class Defect:
    """A defect of an image, or of a part of it.

    Args:
        axis: name of its axis.
        more: whether the image has too much of it, or too little.
        severity: mean over the cells that are asked about, 0 to 1.
        share: of these cells in which it is at least half as severe as in the worst twentieth.
    """

    axis: str
    more: bool
    severity: float
    share: float

    @property
    def word(self) -> str:
        """The adjective: "noisy"."""
        return _WORDS[self.axis, self.more]

    @property
    def said(self) -> str:
        """The adjective with its strength: "noisy (moderate)"."""
        return f"{self.word} ({strength_word(self.severity)})"

    def to_json(self) -> dict[str, Any]:
        """All fields and the word, as plain Python."""
        return {
            "axis": self.axis,
            "direction": "more" if self.more else "less",
            "word": self.word,
            "severity": self.severity,
            "share": self.share,
        }


def index_of(axis: str, more: bool) -> int:
    """The channel of a defect: more of each axis, then less of each."""
    names = [one.name for one in AXES]
    return names.index(axis) + (0 if more else len(names))


def named_defects(
    defects: Float32[np.ndarray, "d h w"], named_from: Sequence[float], where: Bool[np.ndarray, "h w"] | None = None
) -> list[Defect]:
    """The defects that are severe enough to be named, most severe first.

    Args:
        defects: severity of every defect in every cell, 0 to 1.
        named_from: the mean severity from which each of them is named.
        where: the cells that are asked about; None for all.
    """
    chosen = defects.reshape(len(defects), -1) if where is None else defects[:, where]
    if not chosen.shape[1]:
        return []
    mean = chosen.mean(1, dtype=np.float64)
    found = []
    for axis, more in _WORDS:
        channel = index_of(axis, more)
        if mean[channel] >= named_from[channel]:
            values = chosen[channel]
            share = float((values >= np.quantile(values, 0.95) / 2).mean())
            found.append(Defect(axis, more, float(mean[channel]), share))
    return sorted(found, key=lambda defect: -defect.severity)


def is_sharp(defects: Float32[np.ndarray, "d h w"]) -> bool:
    """Whether next to nothing takes the sharpness of an image."""
    return sum(float(defects[index_of(*key)].mean(dtype=np.float64)) for key in _UNSHARP) < SHARP_BELOW


def said_defects(found: Sequence[Defect], sharp: bool) -> str:
    """The named defects, the most severe ones: "sharp but noisy (strong) and pale (faint)"; empty where none is."""
    said = found[:MOST]
    words = " and ".join(defect.said for defect in said)
    return f"sharp but {words}" if sharp and said and all(one.axis != "sharpness" for one in said) else words
