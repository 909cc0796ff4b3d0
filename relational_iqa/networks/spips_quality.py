"""What every SPIPS network has in common: maps of streams and their fusion, pooled by sums, and a monotone MLP that
makes a quality of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from relational_iqa.networks.error_maps import CONVENTIONAL
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY, Monotone, Sums

DEEP = ("perceptual", "semantic")
STREAMS = (*CONVENTIONAL, *DEEP)
_HIDDEN = 64


def check_streams(streams: Sequence[str], shares_from: str) -> None:
    """UsageError for a stream that is unknown or named twice, for no stream, and for an unknown `shares_from`."""
    if not streams or len(set(streams)) != len(streams) or not set(streams) <= set(STREAMS):
        raise UsageError(f"streams {list(streams)}: expected one or more of {', '.join(STREAMS)}, each once")
    if shares_from not in ("pair", "reference"):
        raise UsageError(f"shares_from {shares_from!r}: expected 'pair' or 'reference'")


@dataclass(frozen=True)
class LocalDifference:
    """Difference of a test image and its reference before pooling.

    Args:
        conventional: maps of the conventional metrics in use, at full resolution.
        maps: maps of all streams in [0, 1], 0 where nothing differs, on the grid of the network.
        fusion: share of each stream at each place, on the same grid; the shares sum to 1 over the streams.
    """

    conventional: Float[Tensor, "b used _ _"]
    maps: Float[Tensor, "b streams h w"]
    fusion: Float[Tensor, "b streams h w"]

    @property
    def fused(self) -> Float[Tensor, "b 1 h w"]:
        """The fused difference map in [0, 1], on the grid of the network."""
        return (self.maps * self.fusion).sum(1, keepdim=True)

    def sums(self, inside: Float[Tensor, "_ 1 h w"]) -> Sums:
        """Sums over the cells of which `inside`, of one image or of each, says how much counts, 0 to 1."""
        weighted = self.maps * self.fusion
        count = inside.expand(len(weighted), -1, -1, -1)
        return Sums(count.sum((2, 3)), (count * weighted).sum((2, 3)), (count * weighted.square()).sum((2, 3)))


class SpipsQuality(nn.Module, ABC):
    """Quality in severity levels, <= 0, higher is better; 0 for a test image that equals its reference.

    Inputs are sRGB in [0, 1], with sides that are multiples of 16. The number of test images is a multiple m of the
    number of references; test images i m to i m + m - 1 belong to reference i, whose features are computed once.

    Args:
        streams: which maps are fused, some of `STREAMS`.

    Attributes:
        pool: makes the quality of pooled values.
        gain: factors that bring the pooled values to one scale.
        mos_range: (2,) opinion scores that correspond to a quality of -LEVELS_PER_SEVERITY and of 0; NaN until the
            network is fitted to a rated set.
    """

    def __init__(self, streams: tuple[str, ...]) -> None:
        super().__init__()
        self.streams = streams
        self.gain: Tensor
        self.mos_range: Tensor
        self.register_buffer("mos_range", torch.full((2,), float("nan")))

    def _pool_of(self, count: int) -> None:
        """Makes what turns `count` pooled values into the quality, after all that comes before it."""
        self.pool = Monotone(count, _HIDDEN)
        self.register_buffer("gain", torch.ones(count))

    def forward(self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "n 3 h w"]) -> Float[Tensor, " b"]:
        """Quality of b tests, whose number is a multiple of that of the references."""
        local = self.local(test, reference)
        return self.quality(local.sums(torch.ones_like(local.maps[:1, :1])))

    @abstractmethod
    def local(self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "n 3 h w"]) -> LocalDifference:
        """The maps and their fusion, with nothing pooled: tiles give what the whole image gives."""

    @abstractmethod
    def calibrate(self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "n 3 h w"]) -> None:
        """Brings what the learned parts see to one scale on a first batch."""

    def quality(self, sums: Sums) -> Float[Tensor, " b"]:
        """Quality from pooled sums: a function that falls in every pooled value."""
        quality: Tensor = -LEVELS_PER_SEVERITY * self.pool(self._pooled(sums) * self.gain)
        return quality

    @torch.no_grad()
    def _calibrate_gain(self, sums: Sums, rms: float, floor: float) -> None:
        """Scales every pooled value to `rms` on a first batch: streams differ in size by orders of magnitude."""
        self.gain.copy_(rms / self._pooled(sums).square().mean(0).sqrt().clamp_min(floor))

    @staticmethod
    @abstractmethod
    def _pooled(sums: Sums) -> Float[Tensor, "b pooled"]:
        """The pooled values >= 0, 0 where nothing differs."""
