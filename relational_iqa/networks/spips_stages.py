"""SPIPS on a frozen backbone: early stages are the perceptual stream, late ones the semantic one, beside the
conventional maps.

Every stream but the conventional ones has several components: distances in structure and in mean of each of its stages,
at full and at half size (`stage_maps`). A feature extractor gives each component its share at every cell of 16 px; the
weighted components are pooled and a monotone MLP, 0 at 0, makes the quality of them. The features are those of a
network that knows ImageNet's class labels; it holds no opinion of quality.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite
from relational_iqa.networks.blocks import Pointwise
from relational_iqa.networks.error_maps import CONVENTIONAL, conventional_maps
from relational_iqa.networks.local_analysis import pool
from relational_iqa.networks.pooling import Sums, safe_root
from relational_iqa.networks.spips_quality import STREAMS, LocalDifference, SpipsQuality, check_streams
from relational_iqa.networks.stage_maps import CELL_PX, OPPONENT, StageComparison

SEMANTIC_STRIDE = 16
"""Stages of this stride and coarser ones make the semantic stream, finer ones the perceptual stream."""
_ROOT_FLOOR = 1e-5
_POOLED_RMS = 0.15  # of every pooled value after calibration: there are about a hundred of them


@dataclass(frozen=True)
class StageSpipsArchitecture:
    """Parts and sizes of a `StageSpips`.

    Args:
        streams: which maps are fused, some of `STREAMS` (fewer for an ablation).
        backbone: its stages.
        full_taps: how many of the stages, from the finest on, are compared at full size.
        half_taps: how many are compared at half size.
        hidden: channels of the network that predicts the fusion.
        shares_from: what that network sees: the "pair" and its maps, or the "reference" alone; with the reference
            alone, more of any map is never better.

    Raises:
        UsageError: for a stream that is unknown or named twice, for no stream, for an unknown `shares_from`, and for
            a `hidden` below 1.
    """

    streams: tuple[str, ...] = STREAMS
    backbone: BackboneArchitecture = BackboneArchitecture(taps=(0, 2, 4, 7, 10, 14, 15))
    full_taps: int = 2
    half_taps: int = 7
    hidden: int = 48
    shares_from: Literal["pair", "reference"] = "pair"

    def __post_init__(self) -> None:
        check_streams(self.streams, self.shares_from)
        if self.hidden < 1:
            raise UsageError(f"hidden {self.hidden}: expected 1 or more")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> StageSpipsArchitecture:
        """The inverse of `to_dict`, of JSON too, which has lists where we have tuples."""
        backbone = facts["backbone"]
        shape = BackboneArchitecture(**{**backbone, "taps": tuple(backbone["taps"])})
        return cls(**{**facts, "streams": tuple(facts["streams"]), "backbone": shape})


class Seen(NamedTuple):
    """What is seen of b images and their references on the grid of cells of 16 px.

    Attributes:
        components: maps in [0, 1], exactly 0 where the images are equal: the conventional ones, then those of the
            stages in structure, then in mean.
        reference: context, see `StageMaps`.
        test: context, see `StageMaps`.
    """

    components: Float[Tensor, "b components h w"]
    reference: Float[Tensor, "b context h w"]
    test: Float[Tensor, "b context h w"]


@dataclass(frozen=True)
class StageDifference(LocalDifference):
    """See `LocalDifference`, here on the grid of cells of 16 px.

    Args:
        weighted: every component times its share.
    """

    weighted: Float[Tensor, "b components h w"]

    def sums(self, inside: Float[Tensor, "_ 1 h w"]) -> Sums:
        """Sums over the cells; `inside`, on this grid or on a finer one, says how much counts, 0 to 1."""
        count = F.avg_pool2d(inside, inside.shape[-1] // self.weighted.shape[-1])
        count = count.expand(len(self.weighted), -1, -1, -1)
        values = torch.cat([self.weighted, safe_root(self.weighted, _ROOT_FLOOR)], 1)
        return Sums(count.sum((2, 3)), (count * values).sum((2, 3)), (count * self.weighted.square()).sum((2, 3)))


class ComponentShares(nn.Module):
    """Predicts the share of every component at every cell, from what is seen of a pair or of its reference alone.

    Args:
        components: their number.
        context: channels of what is seen of one image.
        hidden: channels inside.
        pair: whether it sees the test image and the components too.
    """

    def __init__(self, components: int, context: int, hidden: int, pair: bool) -> None:
        super().__init__()
        self.pair = pair
        inputs = 2 * context + components if pair else context
        self.offset: Tensor
        self.scale: Tensor
        self.register_buffer("offset", torch.zeros(inputs, 1, 1))
        self.register_buffer("scale", torch.ones(inputs, 1, 1))
        self.around = nn.Conv2d(inputs, hidden, 3, padding=1)
        self.mix = Pointwise(hidden, hidden)
        self.last = Pointwise(hidden, components)
        with torch.no_grad():  # training starts with equal shares
            for parameter in self.last.parameters():
                parameter.zero_()

    def forward(self, seen: Seen) -> Float[Tensor, "b components h w"]:
        """Positive shares, which sum to 1 over the components."""
        x = (self._inputs(seen) - self.offset) * self.scale
        return torch.softmax(self.last(F.gelu(self.mix(F.gelu(self.around(x))))), 1)

    def _inputs(self, seen: Seen) -> Tensor:
        if not self.pair:
            return seen.reference
        return torch.cat([seen.reference, seen.test - seen.reference, safe_root(seen.components, _ROOT_FLOOR)], 1)

    @torch.no_grad()
    def calibrate(self, seen: Seen) -> None:
        """Brings every input to zero mean and unit spread on a first batch."""
        inputs = self._inputs(seen)
        self.offset.copy_(inputs.mean((0, 2, 3))[:, None, None])
        self.scale.copy_(1 / inputs.std((0, 2, 3)).clamp_min(1e-2)[:, None, None])


class StageSpips(SpipsQuality):
    """SPIPS on the frozen backbone, see `SpipsQuality`. The pooled values are means, means of roots and roots of mean
    squares of the weighted components.

    Attributes:
        comparison: the backbone, frozen, and what compares images in its stages.
        of_stream: for every component that is used, the number of its stream.
        backbone_source: facts of the file that the backbone is read from, in place of a copy in the weights; None where
            weights hold it.
    """

    def __init__(self, architecture: StageSpipsArchitecture = StageSpipsArchitecture()) -> None:
        comparison = StageComparison(
            EfficientNetLite(architecture.backbone), architecture.full_taps, architecture.half_taps
        )
        streams, strides = architecture.streams, comparison.own_strides
        deep = ["perceptual" if stride < SEMANTIC_STRIDE else "semantic" for stride in strides]
        names = [*CONVENTIONAL, *deep, *deep]
        used = [index for index, name in enumerate(names) if name in streams]
        super().__init__(streams)
        self.architecture, self.comparison, self.used = architecture, comparison, used
        self.of_stream = [streams.index(names[index]) for index in used]
        context = len(strides) + OPPONENT
        self.shares = ComponentShares(len(used), context, architecture.hidden, architecture.shares_from == "pair")
        self._pool_of(3 * len(used))
        self.backbone_source: dict[str, str] | None = None

    def local(self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "n 3 h w"]) -> StageDifference:
        """The maps and their fusion, with nothing pooled: tiles give what the whole image gives."""
        conventional, seen = self.see(test, reference)
        weighted, maps, fusion = self.fuse(seen)
        used = [CONVENTIONAL.index(name) for name in self.streams if name in CONVENTIONAL]
        return StageDifference(conventional[:, used], maps, fusion, weighted)

    def see(self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "n 3 h w"]) -> tuple[Tensor, Seen]:
        """The conventional maps at full resolution, and what there is to fuse; nothing of it is learned."""
        conventional = conventional_maps(test, reference.repeat_interleave(len(test) // len(reference), 0))
        stages = self.comparison(test, reference)
        components = torch.cat([pool(conventional, CELL_PX), stages.structure, stages.mean], 1)
        return conventional, Seen(components, stages.reference, stages.test)

    def fuse(self, seen: Seen) -> tuple[Tensor, Tensor, Tensor]:
        """Weighted components, and maps and shares (b, streams, h, w) of the streams: a map is the mean of the
        components of its stream, weighted by their shares."""
        seen = seen._replace(components=seen.components[:, self.used])
        shares = self.shares(seen)
        weighted = seen.components * shares
        fusion, total = self._by_stream(shares), self._by_stream(weighted)
        return weighted, total / fusion.clamp_min(torch.finfo(fusion.dtype).tiny), fusion

    @torch.no_grad()
    def calibrate(self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "n 3 h w"]) -> None:
        self.calibrate_fusion(self.see(test, reference)[1])

    @torch.no_grad()
    def calibrate_fusion(self, seen: Seen) -> None:
        """`calibrate`, from what is seen."""
        self.shares.calibrate(seen._replace(components=seen.components[:, self.used]))
        self._calibrate_gain(self._sums(seen), _POOLED_RMS, 1e-5)

    def quality_of(self, seen: Seen) -> Float[Tensor, " b"]:
        """Quality of whole images from what is seen of them."""
        return self.quality(self._sums(seen))

    def _sums(self, seen: Seen) -> Sums:
        weighted, maps, fusion = self.fuse(seen)
        local = StageDifference(maps[:, :0], maps, fusion, weighted)
        return local.sums(torch.ones_like(weighted[:1, :1]))

    @staticmethod
    def _pooled(sums: Sums) -> Tensor:
        return torch.cat([sums.value / sums.weight, safe_root(sums.square / sums.weight, 1e-8)], 1)

    def _by_stream(self, values: Tensor) -> Tensor:
        parts = [values[:, [c for c, s in enumerate(self.of_stream) if s == n]] for n in range(len(self.streams))]
        return torch.cat([part.sum(1, keepdim=True) for part in parts], 1)
