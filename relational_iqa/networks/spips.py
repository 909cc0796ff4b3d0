"""SPIPS, a full-reference score fused from conventional, perceptual and semantic difference maps.

After Lao and Yu, arXiv:2504.17234, as far as it is known: three inverted conventional maps, two maps of feature
differences (early layers: perceptual, late layers: semantic), fusion weights predicted from the pair, an MLP. Ours are
the sizes, a monotone MLP that maps "no difference" to 0, pooling by sums over pixels, and the backbone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from relational_iqa.conventional.common import safe_sqrt
from relational_iqa.networks.error_maps import CONVENTIONAL, conventional_maps
from relational_iqa.networks.local_analysis import opponent
from relational_iqa.networks.pooling import Sums
from relational_iqa.networks.resnet import ResNet
from relational_iqa.networks.spips_quality import DEEP, STREAMS, LocalDifference, SpipsQuality, check_streams
from relational_iqa.networks.stage_features import EARLY, STAGES, Backbone, ResNetBackbone, SmallBackbone

STRIDE = 4
# Feature vectors fainter than this rms are not blown up to unit length, or flat regions would be all noise.
_FAINT = 0.1
_POOLED_RMS = 0.7  # of every pooled value after calibration


@dataclass(frozen=True)
class SpipsArchitecture:
    """Parts and sizes of a `SpipsNetwork`.

    Args:
        streams: which maps are fused, some of `STREAMS` (fewer for an ablation).
        width: channels of the first stage of the small backbone, or of the stem of a ResNet.
        resnet_depth: 0 for the small backbone, else 18, 34 or 50.
        imagenet_input: whether the ResNet expects the normalisation of ImageNet.
        hidden: channels of the network that predicts the fusion.
        shares_from: what that network sees: the "pair" and its maps, or the "reference" alone; with the reference
            alone, more of any map is never better.

    Raises:
        UsageError: for a stream that is unknown or named twice, for no stream, for an unknown `shares_from`, and for
            sizes below 1.
    """

    streams: tuple[str, ...] = STREAMS
    width: int = 16
    resnet_depth: int = 0
    imagenet_input: bool = True
    hidden: int = 32
    shares_from: Literal["pair", "reference"] = "pair"

    def __post_init__(self) -> None:
        check_streams(self.streams, self.shares_from)
        if self.width < 1 or self.hidden < 1:
            raise UsageError(f"width {self.width} and hidden {self.hidden}: expected 1 or more")


class FeatureDifference(nn.Module):
    """Squared difference of two stages' softly unit-normalised features, weighted by channel as in LPIPS (Zhang et al.,
    CVPR 2018, there with weights clamped at 0) and saturated to [0, 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Float[Tensor, "b c h w"], y: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
        weights = torch.softmax(self.share.flatten(), 0).view_as(self.share)
        distance = (weights * (_unit(x) - _unit(y)).square()).sum(1, keepdim=True)
        return distance / (1 + distance)


class FusionWeights(nn.Module):
    """Predicts the share of every stream at every place, from a pair of images and its maps or from the reference
    alone."""

    def __init__(self, streams: int, hidden: int, pair: bool = True) -> None:
        super().__init__()
        self.pair = pair
        self.stem = nn.Conv2d(9 if pair else 3, hidden, 7, stride=STRIDE, padding=3)
        self.mix = nn.Conv2d(hidden + streams if pair else hidden, hidden, 3, padding=1)
        self.last = nn.Conv2d(hidden, streams, 1)
        with torch.no_grad():  # training starts with equal shares
            for parameter in self.last.parameters():
                parameter.zero_()

    def forward(
        self,
        test: Float[Tensor, "b 3 h w"],
        reference: Float[Tensor, "b 3 h w"],
        maps: Float[Tensor, "b streams h//4 w//4"],
    ) -> Float[Tensor, "b streams h//4 w//4"]:
        """Positive shares of the maps, which sum to 1 over the streams."""
        y = opponent(reference)
        if self.pair:
            x = opponent(test)
            hidden = F.gelu(self.stem(torch.cat([x, y, 4 * (x - y).abs()], 1)))
            hidden = torch.cat([hidden, maps], 1)
        else:
            hidden = F.gelu(self.stem(y))
        return torch.softmax(self.last(F.gelu(self.mix(hidden))), 1)


class SpipsNetwork(SpipsQuality):
    """SPIPS with a backbone of its own, see `SpipsQuality`."""

    def __init__(self, architecture: SpipsArchitecture = SpipsArchitecture()) -> None:
        count = len(architecture.streams)
        super().__init__(architecture.streams)
        self.architecture = architecture
        self.used = [CONVENTIONAL.index(name) for name in self.streams if name in CONVENTIONAL]
        self.backbone: Backbone | None = None
        if set(self.streams) & set(DEEP):
            self.backbone = _backbone(architecture)
            self.differences = nn.ModuleDict(
                {
                    str(index): FeatureDifference(channels)
                    for index, channels in enumerate(self.backbone.channels)
                    if _stream_of(index) in self.streams
                }
            )
        self.fusion = FusionWeights(count, architecture.hidden, architecture.shares_from == "pair")
        self._pool_of(2 * count)

    def local(self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "n 3 h w"]) -> LocalDifference:
        """The maps and their fusion, with nothing pooled: tiles give what the whole image gives."""
        whole = reference.repeat_interleave(len(test) // len(reference), 0)
        conventional = test[:, :0]
        if self.used:
            conventional = conventional_maps(test, whole)[:, self.used]
        by_name = dict(
            zip([name for name in self.streams if name in CONVENTIONAL],
                F.avg_pool2d(conventional, STRIDE).split(1, 1) if self.used else (), strict=True)
        )  # fmt: skip
        if self.backbone is not None:
            by_name |= self._deep(self.backbone, test, reference)
        maps = torch.cat([by_name[name] for name in self.streams], 1)
        return LocalDifference(conventional, maps, self.fusion(test, whole, maps))

    def _deep(self, backbone: Backbone, test: Tensor, reference: Tensor) -> dict[str, Tensor]:
        """The early stages make the perceptual map, the late ones the semantic one; 1/4 grid."""
        grid = (test.shape[-2] // STRIDE, test.shape[-1] // STRIDE)
        parts: dict[str, list[Tensor]] = {name: [] for name in DEEP}
        pairs = zip(backbone.features(test), backbone.features(reference), strict=True)
        for index, (x, y) in enumerate(pairs):
            if str(index) in self.differences:
                whole = y.repeat_interleave(len(x) // len(y), 0)
                parts[_stream_of(index)].append(_on_grid(self.differences[str(index)](x, whole), grid))
        return {name: torch.stack(found).mean(0) for name, found in parts.items() if found}

    @staticmethod
    def _pooled(sums: Sums) -> Tensor:
        return torch.cat([sums.value / sums.weight, safe_sqrt(sums.square / sums.weight)], 1)

    @torch.no_grad()
    def calibrate(self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "n 3 h w"]) -> None:
        local = self.local(test, reference)
        self._calibrate_gain(local.sums(torch.ones_like(local.maps[:1, :1])), _POOLED_RMS, 1e-4)


def _backbone(architecture: SpipsArchitecture) -> Backbone:
    if architecture.resnet_depth == 0:
        return SmallBackbone(architecture.width, STAGES if "semantic" in architecture.streams else EARLY)
    return ResNetBackbone(ResNet(architecture.resnet_depth, architecture.width), architecture.imagenet_input)


def _stream_of(stage: int) -> str:
    return DEEP[stage >= EARLY]


def _unit(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + _FAINT**2)


def _on_grid(values: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 1, h, w) at any resolution -> on the 1/4 grid: mean of cells of finer ones, bilinear between coarser ones."""
    if values.shape[-2] >= size[0] and values.shape[-1] >= size[1]:
        return F.adaptive_avg_pool2d(values, size)
    return F.interpolate(values, size, mode="bilinear", align_corners=False)
