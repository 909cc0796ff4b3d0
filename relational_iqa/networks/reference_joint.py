"""The quality with a reference where the networks have a judgement: what the reference scorer sees and what the stages
of the backbone see, each as far as it is to be trusted for the kind of difference at a place.

Conventional statistics are right about noise, colour and codecs, deep ones about texture and what an algorithm makes of
it (`experiments/NOTES.md`). All that enters is a distance, 0 or more, and exactly 0 where the images are equal. A gate
for each says how far it is to be trusted, from the kinds of difference that the distortion network finds there and from
what the reference holds; non-negative weights mix what is left, and a monotone function gives the loss of quality,
which is added to that of the reference scorer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.blocks import Pointwise, enlarge
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY, LOG_WEIGHT_LIMIT, Monotone, Sums, safe_root
from relational_iqa.networks.reference_scorer import LocalQuality, pooled_visibility

GROUPS = 8
HIDDEN = 48
_DEVIATION = 0.35  # level; a difference of this much is right in 19 of 20 before training


class Evidence(NamedTuple):
    """What is known of images and their references at every cell of 16 px before it is joined.

    Attributes:
        distances: (b, D, h, w), >= 0, exactly 0 where the images are equal: visibilities of the reference scorer,
            distances of the stages, and by how much local heads put the reference before the image.
        context: (b, C, h, w): strength of every kind of difference, and how much there is in the reference to mask it.
    """

    distances: Float[Tensor, "b d h w"]
    context: Float[Tensor, "b c h w"]


@dataclass(frozen=True)
class LocalReferenceQuality:
    """Images against their references before pooling.

    Args:
        maps: M(reference, test), on the 1/4 grid.
        scorer: what the reference scorer sees, on the 1/4 grid.
        joined: what the joint sees, on the grid of cells of 16 px; None where there is none.
    """

    maps: Float[Tensor, "b k _ _"]
    scorer: LocalQuality
    joined: LocalQuality | None = None

    def sums(self, share: Float[Tensor, "_ 1 _ _"]) -> ReferenceSums:
        """Sums over the places; `share` says how much of a cell of the 1/4 grid counts, 0 to 1."""
        joined = None
        if self.joined is not None:
            side = share.shape[-1] // self.joined.weight.shape[-1]
            joined = self.joined.sums(F.avg_pool2d(share, side))
        return ReferenceSums(self.scorer.sums(share), joined)


@dataclass(frozen=True)
class ReferenceSums:
    """Sums over places of what is seen against a reference; those of tiles add.

    Args:
        scorer: of the visibilities of the reference scorer.
        joined: of those of the joint; None where there is none.
    """

    scorer: Sums
    joined: Sums | None = None

    def __add__(self, other: ReferenceSums) -> ReferenceSums:
        joined = None if self.joined is None or other.joined is None else self.joined + other.joined
        return ReferenceSums(self.scorer + other.scorer, joined)


class ReferenceJoint(nn.Module):
    """See the module.

    Args:
        distances: channels of `Evidence.distances`.
        context: channels of `Evidence.context`.
    """

    def __init__(self, distances: int, context: int) -> None:
        super().__init__()
        inputs = 2 * distances
        self.gain: Tensor
        self.offset: Tensor
        self.scale: Tensor
        self.register_buffer("gain", torch.ones(inputs, 1, 1))
        self.register_buffer("offset", torch.zeros(context, 1, 1))
        self.register_buffer("scale", torch.ones(context, 1, 1))
        self.hidden = nn.Sequential(
            Pointwise(context + inputs, HIDDEN), nn.SiLU(), Pointwise(HIDDEN, HIDDEN), nn.SiLU()
        )
        self.gates = Pointwise(HIDDEN, inputs)
        self.weight = Pointwise(HIDDEN, 1)
        self.mix = nn.Parameter(torch.randn(GROUPS, inputs) * 0.3 - 5.0)
        self.pool = Monotone(2 * GROUPS, 64)
        self.share = nn.Parameter(torch.zeros(()))  # of the loss that the reference scorer sees
        self.cues = nn.Linear(4, 16)
        self.sure = nn.Linear(16, 1)
        self.temperature: Tensor
        self.register_buffer("temperature", torch.ones(()))
        for layer in (self.gates, self.weight, self.sure):
            nn.init.zeros_(layer.weight)

    def local(self, found: Evidence) -> LocalQuality:
        """Visibilities of the difference at every cell, exactly 0 where the images are equal, and weights."""
        distances = self._distances(found.distances)
        context = (found.context - self.offset) * self.scale
        hidden = self.hidden(torch.cat([context, torch.log1p(distances)], 1))
        gated = distances * F.softplus(self.gates(hidden) + 0.54)
        visibility = F.conv2d(gated, F.softplus(self.mix)[:, :, None, None])
        return LocalQuality(visibility, torch.exp(self.weight(hidden).clamp(-LOG_WEIGHT_LIMIT, LOG_WEIGHT_LIMIT)))

    def quality(self, scorer: Float[Tensor, " b"], joined: Sums) -> Float[Tensor, " b"]:
        """Quality in levels, <= 0: that of the reference scorer, and the loss of quality that the joint sees."""
        pooled = torch.cat([joined.value / joined.weight, safe_root(joined.square / joined.weight)], 1)
        return self._both(scorer, pooled)

    def local_quality(self, scorer: Float[Tensor, "b 1 _ _"], joined: LocalQuality) -> Float[Tensor, "b 1 _ _"]:
        """Quality of an image that looked the same as this place everywhere; <= 0, in levels, on the grid of `scorer`.

        Args:
            scorer: local quality that the reference scorer sees, on its grid.
            joined: what the joint sees.
        """
        own = self._both(torch.zeros_like(joined.weight[:, 0]), pooled_visibility(joined.visibility))
        return (2 * torch.sigmoid(self.share)) * scorer + enlarge(own[:, None], scorer)

    def confidence(
        self, first: tuple[Float[Tensor, " b"], Float[Tensor, " b"]], second: tuple[Tensor, Tensor]
    ) -> Float[Tensor, " b"]:
        """Probability that the order of two qualities is right, in [.5, 1]; the same when the images change places.

        Args:
            first: quality of the first image as a whole, and as the reference scorer alone sees it, levels.
            second: the same of the second image.
        """
        apart, scorer = (x - y for x, y in zip(first, second, strict=True))
        worst, best = torch.minimum(first[0], second[0]), torch.maximum(first[0], second[0])
        cues = torch.stack([apart.abs(), (apart - scorer).abs(), -worst, -best], 1)
        odds = apart.abs() / _DEVIATION * F.softplus(self.sure(F.silu(self.cues(torch.log1p(cues))))[:, 0] + 0.54)
        return torch.sigmoid(odds / self.temperature)

    @torch.no_grad()
    def calibrate(self, found: Evidence) -> None:
        """Brings distances to a root mean square of .7 and context to unit spread on a first batch."""
        self.gain.fill_(1.0)
        distances = self._distances(found.distances)
        self.gain.copy_(0.7 / distances.square().mean((0, 2, 3)).sqrt().clamp_min(1e-4)[:, None, None])
        self.offset.copy_(found.context.mean((0, 2, 3))[:, None, None])
        self.scale.copy_(1 / found.context.std((0, 2, 3)).clamp_min(1e-2)[:, None, None])

    def _distances(self, distances: Tensor) -> Tensor:
        """As they are, and their roots: faint differences are seen too."""
        return torch.cat([distances, safe_root(distances, 1e-4)], 1) * self.gain

    def _both(self, scorer: Tensor, pooled: Tensor) -> Tensor:
        quality: Tensor = (2 * torch.sigmoid(self.share)) * scorer - LEVELS_PER_SEVERITY * self.pool(pooled)
        return quality
