"""The head of the pMOS system: a MOS for every cell, a region-of-interest weight for every cell, and their pooling.

After pMOS (arXiv 2206.06541): a local IQA branch, an ROI branch, and a high-level embedding that is injected into the
local branch; image MOS = ROI-weighted mean of the pMOS map. The paper's abstract is silent below that level: FiLM
(Perez et al., arXiv:1709.07871) as the injection, 1x1 convolutions and the ranges are ours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.blocks import SpatialBlock
from relational_iqa.networks.local_analysis import opponent

MOS_MIN, MOS_MAX = 1.0, 5.0  # the five-grade scale of ITU-R BT.500: bad, poor, fair, good, excellent
THUMBNAIL_PX = 96
_LOG_WEIGHT_LIMIT = 3.0  # one place counts at most 400 times another
_GREY = torch.tensor([0.45, 0.0, 0.0]).view(3, 1, 1)  # about the mean of photographs, in opponent planes
_FIRST_LOGIT = 0.5  # maps begin at MOS 3.5, near the mean of the pseudo-labels


class MosMaps(NamedTuple):
    """Maps of one or more images.

    Attributes:
        mos: MOS in [1, 5].
        roi: region-of-interest weights > 0, of which only ratios matter.
    """

    mos: Float[Tensor, "b 1 h w"]
    roi: Float[Tensor, "b 1 h w"]


def thumbnail(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 96 96"]:
    """Images of THUMBNAIL_PX by area means; the aspect ratio is given up, small images are enlarged."""
    return F.adaptive_avg_pool2d(image, THUMBNAIL_PX)


def full_resolution(maps: MosMaps, height: int, width: int) -> MosMaps:
    """Maps on the 1/4 grid -> bilinear at full resolution, cut to (height, width). Ranges are kept: weights convex."""
    both = F.interpolate(torch.cat(maps, 1), scale_factor=4, mode="bilinear", align_corners=False)
    both = both[..., :height, :width]
    return MosMaps(both[:, :1], both[:, 1:])


def image_mos(maps: MosMaps) -> Float[Tensor, " b"]:
    """MOS of the images: sum(roi * mos) / sum(roi) over the maps as they are."""
    return (maps.roi * maps.mos).sum((1, 2, 3)) / maps.roi.sum((1, 2, 3))


class ThumbnailEncoder(nn.Module):
    """Thumbnail (B, 3, 96, 96) in [0, 1] -> high-level embedding (B, size): what kind of picture this is."""

    def __init__(self, size: int = 48, width: int = 24) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 5, stride=2, padding=2)
        self.second = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.third = nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)
        self.fourth = nn.Conv2d(4 * width, 5 * width, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(SpatialBlock(5 * width), SpatialBlock(5 * width))
        self.out = nn.Linear(5 * width, size)

    def forward(self, thumbnails: Float[Tensor, "b 3 96 96"]) -> Float[Tensor, "b {self.out.out_features}"]:
        x = 4 * (opponent(thumbnails) - _GREY.to(thumbnails))
        for layer in (self.stem, self.second, self.third, self.fourth):
            x = F.silu(layer(x))
        return torch.tanh(self.out(self.blocks(x).mean((2, 3))))


class PmosHead(nn.Module):
    """Features (B, width, h, w) and embedding (B, size) -> `MosMaps`; each cell is computed by itself.

    FiLM has no bias, so an embedding of zeros has the same effect as `film=False`.

    Args:
        width: channels of the features.
        embedding: size of the embedding.
        film: whether the embedding modulates the local branch; False for an ablation.
        roi: whether region-of-interest weights are predicted; False, for an ablation, sets them to 1.
    """

    def __init__(self, width: int = 48, embedding: int = 48, film: bool = True, roi: bool = True) -> None:
        super().__init__()
        self.use_film, self.use_roi = film, roi
        self.local = nn.Conv2d(width, width, 1)
        self.film = nn.Linear(embedding, 2 * width, bias=False)
        self.mix = nn.Conv2d(width, width, 1)
        self.score = nn.Conv2d(width, 1, 1)
        self.roi_local = nn.Conv2d(width, width // 2, 1)
        self.roi = nn.Conv2d(width // 2, 1, 1)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.roi.weight)

    def forward(
        self,
        features: Float[Tensor, "b {self.local.in_channels} h w"],
        embedding: Float[Tensor, "b {self.film.in_features}"],
    ) -> MosMaps:
        local = self.local(features)
        if self.use_film:
            gain, offset = self.film(embedding)[:, :, None, None].chunk(2, 1)
            local = local * (1 + gain) + offset
        logit = self.score(features + self.mix(F.silu(local))) + _FIRST_LOGIT
        mos = MOS_MIN + (MOS_MAX - MOS_MIN) * torch.sigmoid(logit)
        if not self.use_roi:
            return MosMaps(mos, torch.ones_like(mos))
        interest = self.roi(F.silu(self.roi_local(features)))
        return MosMaps(mos, torch.exp(interest.clamp(-_LOG_WEIGHT_LIMIT, _LOG_WEIGHT_LIMIT)))
