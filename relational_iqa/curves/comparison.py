"""Codecs against an anchor: BD-rate and BD-quality, means over pictures, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from relational_iqa.curves.bjontegaard import bd_log_rate, bd_quality, percent
from relational_iqa.curves.names import Interpolation
from relational_iqa.curves.points import Measured, Point

DRAWS = 500
LEVEL = 0.95
MIN_PICTURES = 5
"""With fewer pictures they are not resampled: the interval is then that of the noise of the qualities alone."""

Curves = Mapping[str, np.ndarray]
"""Picture -> (bits per pixel, quality) of the encodes of one codec."""


@dataclass(frozen=True)
class Saving:
    """One codec against the anchor.

    Args:
        codec: the codec.
        anchor: the other one.
        pictures: how many have a range that both cover.
        of: how many have encodes of both.
        rate: BD-rate in percent; negative: fewer bits at equal quality. None where no picture has a common range.
        rate_interval: 95 %; None where neither noise nor pictures are known well enough.
        quality: BD-quality in levels; positive: better at equal rate.
        quality_interval: 95 %.
    """

    codec: str
    anchor: str
    pictures: int
    of: int
    rate: float | None
    rate_interval: tuple[float, float] | None
    quality: float | None
    quality_interval: tuple[float, float] | None

    def line(self) -> str:
        """For a terminal."""
        if self.rate is None:
            return f"{self.codec} against {self.anchor}: no quality that both reach; encode at settings that overlap"
        said = f"{self.codec} against {self.anchor}: BD-rate {self.rate:+.1f} %"
        if self.rate_interval is not None:
            said += f", 95 % interval {self.rate_interval[0]:+.1f} to {self.rate_interval[1]:+.1f} %"
        if self.quality is not None:
            said += f"; BD-quality {self.quality:+.2f} levels"
            if self.quality_interval is not None:
                said += f", {self.quality_interval[0]:+.2f} to {self.quality_interval[1]:+.2f}"
        left = "" if self.pictures == self.of else f" of {self.of}"
        return f"{said} ({self.pictures}{left} picture{'s' if self.of != 1 else ''})"

    def to_json(self) -> dict[str, Any]:
        """Plain Python."""
        rate, quality = self.rate_interval or (None, None), self.quality_interval or (None, None)
        return {
            "codec": self.codec, "anchor": self.anchor, "pictures": self.pictures,
            "bd_rate_percent": {"mean": self.rate, "low": rate[0], "high": rate[1]},
            "bd_quality": {"mean": self.quality, "low": quality[0], "high": quality[1]},
        }  # fmt: skip


def curves_of(points: Sequence[Point]) -> dict[str, dict[str, np.ndarray]]:
    """Codec -> picture -> (n, 2) bits per pixel and quality, by rate."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for point in points:
        found.setdefault(point.encode.codec, {}).setdefault(point.encode.picture, []).append((point.bpp, point.quality))
    return {
        codec: {picture: np.array(sorted(rows)) for picture, rows in sorted(pictures.items())}
        for codec, pictures in sorted(found.items())
    }


def savings(measured: Measured, anchor: str, how: Interpolation = "pchip", seed: int = 0) -> list[Saving]:
    """Every other codec against the anchor.

    The interval is a bootstrap: each draw adds Gaussian noise of `measured.noise` to every quality and, from
    MIN_PICTURES pictures on, draws pictures with replacement.

    Args:
        measured: the encodes.
        anchor: name of a codec.
        how: interpolation between encodes.
        seed: the same encodes and seed give the same intervals.
    """
    curves = curves_of(measured.points)
    return [
        _saving(codec, anchor, curves[anchor], curves[codec], measured.noise, how, seed)
        for codec in curves
        if codec != anchor
    ]


def _saving(
    codec: str, anchor: str, of_anchor: Curves, of_test: Curves, noise: float | None, how: Interpolation, seed: int
) -> Saving:
    pictures = [picture for picture in of_anchor if picture in of_test]
    pairs = [(of_anchor[picture], of_test[picture]) for picture in pictures]
    each = [_differences(*pair, how) for pair in pairs]
    measured, common = _means(each), sum(rate is not None for rate, _ in each)
    generator = np.random.default_rng(seed)
    draws: list[tuple[float | None, float | None]] = []
    resampled = len(pictures) >= MIN_PICTURES
    if noise is not None or resampled:
        for _ in range(DRAWS):
            drawn = generator.integers(0, len(pictures), len(pictures)) if resampled else np.arange(len(pictures))
            if noise is None:
                draws.append(_means([each[i] for i in drawn]))
            else:
                noisy = [[_noisy(points, noise, generator) for points in pairs[i]] for i in drawn]
                draws.append(_means([_differences(a, b, how) for a, b in noisy]))
    rate, quality = measured
    rates, qualities = ([draw[k] for draw in draws if draw[k] is not None] for k in (0, 1))
    ends = _interval(rates) if rate is not None else None
    return Saving(
        codec, anchor, common, len(pictures), None if rate is None else percent(rate),
        None if ends is None else (percent(ends[0]), percent(ends[1])), quality,
        _interval(qualities) if quality is not None else None,
    )  # fmt: skip


def _differences(anchor: np.ndarray, test: np.ndarray, how: Interpolation) -> tuple[float | None, float | None]:
    """ln of the rates and difference of the qualities, of one picture."""
    return bd_log_rate(anchor, test, how), bd_quality(anchor, test, how)


def _means(each: Sequence[tuple[float | None, float | None]]) -> tuple[float | None, float | None]:
    """Means over the pictures that have a common range."""
    rates = [rate for rate, _ in each if rate is not None]
    qualities = [quality for _, quality in each if quality is not None]
    return (float(np.mean(rates)) if rates else None, float(np.mean(qualities)) if qualities else None)


def _noisy(points: np.ndarray, noise: float, generator: np.random.Generator) -> np.ndarray:
    return np.column_stack([points[:, 0], points[:, 1] + generator.normal(0, noise, len(points))])


def _interval(values: Sequence[Any]) -> tuple[float, float] | None:
    if len(values) < DRAWS // 2:
        return None
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.array(values, np.float64), (tail, 1 - tail))
    return float(low), float(high)
