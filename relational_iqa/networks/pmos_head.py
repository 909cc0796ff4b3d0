"""The head of the pMOS system: a MOS for every cell, a region-of-interest weight for every cell, and their pooling.

After pMOS (arXiv 2206.06541): a local IQA branch, an ROI branch, and a high-level embedding that is injected into the
local branch; image MOS = ROI-weighted mean of the pMOS map. The paper's abstract is silent below that level: FiLM
(Perez et al., arXiv:1709.07871) as the injection, 1x1 convolutions and the ranges are ours. Ours too are the defects
of every cell, which give the words, and how sure the score of an image is.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.axes import AXES
from relational_iqa.networks.blocks import Pointwise, PointwiseBlock
from relational_iqa.networks.pmos_encoder import Features
from relational_iqa.networks.pooling import LOG_WEIGHT_LIMIT

MOS_MIN, MOS_MAX = 1.0, 5.0  # the five-grade scale of ITU-R BT.500: bad, poor, fair, good, excellent
THUMBNAIL_PX = 128
DEFECTS = 2 * len(AXES)
"""More of each axis, then less of each."""
NEVER = 2.0
"""A severity that no defect reaches."""
_FIRST_DEFECT = -3.0  # logit: defects are rare
_SCENE_DROPOUT = 0.5
_LEAST_DOUBT, _MOST_DOUBT = 0.02, 2.0  # grades


class MosMaps(NamedTuple):
    """Maps of one or more images.

    Attributes:
        mos: MOS in [1, 5].
        roi: region-of-interest weights > 0, of which only ratios matter.
    """

    mos: Float[Tensor, "b 1 h w"]
    roi: Float[Tensor, "b 1 h w"]


class Places(NamedTuple):
    """All that the head says of the places of images.

    Attributes:
        maps: MOS and weights.
        defects: severity of each of `DEFECTS` in [0, 1].
        hidden: what it was read from.
    """

    maps: MosMaps
    defects: Float[Tensor, "b defects h w"]
    hidden: Float[Tensor, "b hidden h w"]


def thumbnail(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 128 128"]:
    """Images of THUMBNAIL_PX by area means; the aspect ratio is given up, small images are enlarged."""
    return F.adaptive_avg_pool2d(image, THUMBNAIL_PX)


def full_resolution(maps: Float[Tensor, "b c _ _"], height: int, width: int, cell_px: int) -> Float[Tensor, "b c _ _"]:
    """Maps in cells -> bilinear at full resolution, cut to (height, width). Ranges are kept: weights are convex."""
    full = F.interpolate(maps, scale_factor=cell_px, mode="bilinear", align_corners=False)
    return full[..., :height, :width]


def image_mos(maps: MosMaps) -> Float[Tensor, " b"]:
    """MOS of the images: sum(roi * mos) / sum(roi) over the maps as they are."""
    return (maps.roi * maps.mos).sum((1, 2, 3)) / maps.roi.sum((1, 2, 3))


class Scene(nn.Module):
    """What the backbone says of thumbnails (B, n) -> an embedding of them, and beside it the same brought to zero mean
    and unit spread, (B, size): what kind of picture this is."""

    def __init__(self, inputs: int, embedding: int) -> None:
        super().__init__()
        self.size = embedding + inputs
        self.offset: Tensor
        self.scale: Tensor
        self.register_buffer("offset", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.dropout = nn.Dropout(_SCENE_DROPOUT)
        self.out = nn.Linear(inputs, embedding)

    def forward(self, late: Float[Tensor, "b {self.out.in_features}"]) -> Float[Tensor, "b {self.size}"]:
        plain = (late - self.offset) * self.scale
        return torch.cat([torch.tanh(self.out(self.dropout(plain))), plain], 1)

    @torch.no_grad()
    def calibrate(self, late: Float[Tensor, "b {self.out.in_features}"]) -> None:
        """Sets the scales from a batch of inputs."""
        self.offset.copy_(late.mean(0))
        self.scale.copy_(1 / late.std(0).clamp_min(1e-3))


class PmosHead(nn.Module):
    """Features (B, inputs, h, w) and the scene (B, scene) -> `MosMaps`; each cell is computed by itself.

    FiLM has no bias, so an embedding of zeros has the same effect as `film=False`. Beside the hidden layers the logit
    has linear parts, `fitted` and `fitted_scene`, which begin at zero; `fit-mos` solves for them.

    Args:
        inputs: channels of the features.
        hidden: channels inside.
        scene: size of the scene, whose first `embedding` values modulate the local branch.
        embedding: how many these are.
        film: whether the embedding modulates the local branch; False for an ablation.
        roi: whether region-of-interest weights are predicted; False, for an ablation, sets them to 1.

    Attributes:
        first_logit: what is added to the logit everywhere.
        named_from: (DEFECTS,), the mean severity from which a defect is named; NEVER for those that are not told apart
            well enough on held-back sets.
    """

    first_logit = 0.5  # maps begin at MOS 3.5, near the mean of the pseudo-labels

    def __init__(
        self, inputs: int, hidden: int, scene: int, embedding: int, film: bool = True, roi: bool = True
    ) -> None:
        super().__init__()
        self.use_film, self.use_roi, self.embedding = film, roi, embedding
        self.local = Pointwise(inputs, hidden)
        self.film = nn.Linear(embedding, 2 * hidden, bias=False)
        self.mix = PointwiseBlock(hidden)
        self.score = Pointwise(hidden, 1)
        last = Pointwise(hidden // 2, 1)
        self.roi = nn.Sequential(Pointwise(hidden, hidden // 2), nn.SiLU(), last)
        self.defect = Pointwise(hidden, DEFECTS)
        self.named_from: Tensor
        self.register_buffer("named_from", torch.full((DEFECTS,), NEVER))
        self.fitted = Pointwise(inputs, 1, bias=False)
        self.fitted_scene = nn.Linear(scene, 1)
        for part in (self.film, last, self.fitted, self.fitted_scene):
            for values in part.parameters():
                nn.init.zeros_(values)
        assert self.defect.bias is not None
        nn.init.constant_(self.defect.bias, _FIRST_DEFECT)

    def forward(
        self, features: Float[Tensor, "b {self.local.in_channels} h w"] | Features, scene: Float[Tensor, "b _"]
    ) -> MosMaps:
        return self.places(features, scene).maps

    def places(
        self, features: Float[Tensor, "b {self.local.in_channels} h w"] | Features, scene: Float[Tensor, "b _"]
    ) -> Places:
        """All that is said of every cell."""
        local, fitted = _mixed(features, self.local), _mixed(features, self.fitted)
        hidden = local
        if self.use_film:
            gain, offset = self.film(self.scene_of(scene))[:, :, None, None].chunk(2, 1)
            hidden = hidden * (1 + gain) + offset
        hidden = F.silu(self.mix(F.silu(hidden)))
        logit = self.score(hidden) + fitted + self._of_scene(scene) + self.first_logit
        mos = MOS_MIN + (MOS_MAX - MOS_MIN) * torch.sigmoid(logit)
        if self.use_roi:
            interest = self.roi(F.silu(local))
            roi = torch.exp(interest.clamp(-LOG_WEIGHT_LIMIT, LOG_WEIGHT_LIMIT))
        else:
            roi = torch.ones_like(mos)
        return Places(MosMaps(mos, roi), torch.sigmoid(self.defect(hidden)), hidden)

    def scene_of(self, scene: Float[Tensor, "b _"]) -> Float[Tensor, "b {self.embedding}"]:
        """The embedding, without what stands beside it."""
        return scene[:, : self.embedding]

    def _of_scene(self, scene: Tensor) -> Tensor:
        """What the fit adds everywhere; part of the injection, so without FiLM there is none."""
        added: Tensor = self.fitted_scene(scene if self.use_film else torch.zeros_like(scene))
        return added[:, :, None, None]


def _mixed(features: Tensor | Features, convolution: Pointwise) -> Tensor:
    if isinstance(features, Features):
        return features.mixed(convolution.weight, convolution.bias)
    found: Tensor = convolution(features)
    return found


class Doubt(nn.Module):
    """How far the score of an image may be from the truth: (B, hidden) weighted means of what the head read the maps
    from, the embedding (B, embedding) and the MOS (B,) -> half of an interval around it, in grades (B,).

    Trained beside the maps on errors that it does not influence, then multiplied by `factor`, which held-back images
    decide, so that four in five of them have their score within the doubt.
    """

    def __init__(self, hidden: int, embedding: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(hidden + embedding + 1, 32), nn.SiLU(), nn.Linear(32, 1))
        self.factor: Tensor
        self.register_buffer("factor", torch.ones(()))

    def forward(
        self, hidden: Float[Tensor, "b _"], embedding: Float[Tensor, "b _"], mos: Float[Tensor, " b"]
    ) -> Float[Tensor, " b"]:
        x = torch.cat([hidden, embedding, mos[:, None] - (MOS_MIN + MOS_MAX) / 2], 1)
        expected = F.softplus(self.layers(x)[:, 0] - 1.0)
        return (self.factor * expected).clamp(_LEAST_DOUBT, _MOST_DOUBT)
