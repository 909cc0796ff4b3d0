"""The margin without a reference: two judgements subtracted, the margin of the relation heads and that of the pair
scorer, each as far as it is to be trusted for the kind of difference at hand; and how sure its sign is.

All parts are odd. What weighs them, and what tells how sure the answer is, is even: the mean strength of every kind of
difference, the sizes of the parts and the disagreement of the heads. So swapped images negate the margin to the bit
and keep the confidence, and equal images have the margin 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.judgement import CELL_PX, JudgementSums, LocalJudgement
from relational_iqa.networks.local_analysis import STRIDE, pool
from relational_iqa.networks.scoring_network import LocalMargin, Sums

HIDDEN = 32
_SURE = 3.0  # a margin of one level is sure to about 95 % before training


class PairVerdict(NamedTuple):
    """What is said of pairs.

    Attributes:
        margin: levels, > 0 where a is better; odd.
        confidence: probability that the sign of the margin is right, in [.5, 1]; even. None without a judgement.
        trust: factors >= 0 of judgement, relation and pair scorer: the margin is the sum of the parts, each times its
            factor; even. None without a judgement, where the margin is the pair scorer's.
        parts: margins of judgement, relation and pair scorer, levels. None without a judgement.
    """

    margin: Float[Tensor, " b"]
    confidence: Float[Tensor, " b"] | None
    trust: Float[Tensor, "b 3"] | None
    parts: Float[Tensor, "b 3"] | None = None

    def local_factors(self) -> Float[Tensor, "b 2"]:
        """Factors of the local margins of judgement and pair scorer: the relation heads know no places, so their share
        is given to those two parts that do, in proportion to their trust."""
        if self.trust is None:
            one = torch.ones_like(self.margin)
            return torch.stack([0 * one, one], 1)
        kept = self.trust[:, ::2]
        return kept * (1 + self.trust[:, 1:2] / kept.sum(1, keepdim=True))

    def local_margin(
        self, judged: Float[Tensor, "b 1 h w"] | None, pair: Float[Tensor, "b 1 h w"]
    ) -> Float[Tensor, "b 1 h w"]:
        """What of the margin comes from where: the local margins of the parts that have one, weighted."""
        if judged is None:
            return pair
        first, second = self.local_factors()[:, :, None, None, None].unbind(1)
        return first * judged + second * pair


@dataclass(frozen=True)
class PairSums:
    """What the verdict on pairs needs of the whole image: sums over pixels; those of tiles add.

    Args:
        pair: of the local margin of the pair scorer.
        share: of the cells that count.
        kinds: of the strengths of every kind of difference.
        judged: of the judgements of both images, None where there are none.
    """

    pair: Sums
    share: Float[Tensor, "_ 1"]
    kinds: Float[Tensor, "b k"]
    judged: tuple[JudgementSums, JudgementSums] | None = None

    def __add__(self, other: PairSums) -> PairSums:
        judged = None
        if self.judged is not None and other.judged is not None:
            judged = self.judged[0] + other.judged[0], self.judged[1] + other.judged[1]
        return PairSums(self.pair + other.pair, self.share + other.share, self.kinds + other.kinds, judged)


@dataclass(frozen=True)
class LocalPair:
    """A pair (a, b) before pooling, on the 1/4 grid; the judgements on the grid of their cells.

    Args:
        maps: M(a, b) in [-1, 1].
        margin: of the pair scorer.
        judged: judgements of a and of b, None where there are none.
    """

    maps: Float[Tensor, "b k h w"]
    margin: LocalMargin
    judged: tuple[LocalJudgement, LocalJudgement] | None = None

    def sums(self, share: Float[Tensor, "_ 1 h w"]) -> PairSums:
        """Sums over the pixels where `share` says how much of a cell of the 1/4 grid counts, 0 to 1."""
        judged = None
        if self.judged is not None:
            coarse = pool(share, CELL_PX // STRIDE)
            judged = self.judged[0].sums(coarse), self.judged[1].sums(coarse)
        return PairSums(self.margin.sums(share), share.sum((2, 3)), (self.maps.abs() * share).sum((2, 3)), judged)

    def judged_margin(self) -> Float[Tensor, "b 1 h w"] | None:
        """Difference of the local judgements, mean over heads, levels, on the 1/4 grid; odd. None without any."""
        if self.judged is None:
            return None
        a, b = self.judged
        apart = (a.quality - b.quality).mean(1, keepdim=True)
        return F.interpolate(apart, self.maps.shape[-2:], mode="bilinear", align_corners=False)


class JointMargin(nn.Module):
    """See the module.

    Args:
        kinds: number of kinds of difference, the axes of the relation maps.
    """

    def __init__(self, kinds: int) -> None:
        super().__init__()
        cues = kinds + 7
        self.offset: Tensor
        self.scale: Tensor
        self.temperature: Tensor
        self.register_buffer("offset", torch.zeros(cues))
        self.register_buffer("scale", torch.ones(cues))
        self.register_buffer("temperature", torch.ones(()))
        self.hidden = nn.Sequential(nn.Linear(cues, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU())
        self.trust = nn.Linear(HIDDEN, 3)
        self.sure = nn.Linear(HIDDEN, 1)
        for layer in (self.trust, self.sure):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        judged_a: Float[Tensor, "b heads"],
        judged_b: Float[Tensor, "b heads"],
        related: Float[Tensor, "b heads"],
        pair: Float[Tensor, " b"],
        kinds: Float[Tensor, "b k"],
    ) -> PairVerdict:
        """Verdicts on pairs.

        Args:
            judged_a: judgements of the first image by every head, levels.
            judged_b: judgements of the second image.
            related: margins of the relation heads, levels.
            pair: margin of the pair scorer, levels.
            kinds: mean strength of every kind of difference, in [0, 1].
        """
        apart = judged_a - judged_b
        parts = torch.stack([apart.mean(1), related.mean(1), pair], 1)
        hidden = self.hidden((self.cues(apart, related, pair, kinds) - self.offset) * self.scale)
        trust = F.softplus(self.trust(hidden)) / (3 * F.softplus(torch.zeros_like(pair[:1])))  # a third each at first
        margin = (trust * parts).sum(1)
        odds = margin.detach().abs() * _SURE * F.softplus(self.sure(hidden)[:, 0] + 0.54) / self.temperature
        return PairVerdict(margin, torch.sigmoid(odds), trust, parts)

    @staticmethod
    def cues(
        apart: Float[Tensor, "b heads"],
        related: Float[Tensor, "b heads"],
        pair: Float[Tensor, " b"],
        kinds: Float[Tensor, "b k"],
    ) -> Float[Tensor, "b cues"]:
        """What does not change when the images change places, all that trust and confidence depend on."""
        judged, relation = apart.mean(1), related.mean(1)
        heads = [(x - x.mean(1, keepdim=True)).square().mean(1).sqrt() for x in (apart, related)]
        gaps = [(judged - pair).abs(), (relation - judged).abs()]
        sizes = [judged.abs(), relation.abs(), pair.abs(), *heads, *gaps]
        return torch.cat([kinds.sqrt(), torch.log1p(torch.stack(sizes, 1))], 1)

    @torch.no_grad()
    def calibrate(
        self,
        apart: Float[Tensor, "b heads"],
        related: Float[Tensor, "b heads"],
        pair: Float[Tensor, " b"],
        kinds: Float[Tensor, "b k"],
    ) -> None:
        """Brings the cues to zero mean and unit spread on a first batch."""
        cues = self.cues(apart, related, pair, kinds)
        self.offset.copy_(cues.mean(0))
        self.scale.copy_(1 / cues.std(0).clamp_min(0.02))
