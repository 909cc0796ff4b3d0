"""The margin without a reference: two judgements subtracted, the margins of the relation heads, of whole images and of
cells, and that of the pair scorer, each as far as it is to be trusted for the kind of difference at hand; and how sure
its sign is.

All parts are odd. What weighs them, and what tells how sure the answer is, is even: the mean strength of every kind of
difference, the sizes of the parts and the disagreement of the heads. So swapped images negate the margin to the bit
and keep the confidence, and equal images have the margin 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.in_parts import CELL_PX, summed
from relational_iqa.networks.judgement import JudgementSums, LocalJudgement
from relational_iqa.networks.local_analysis import STRIDE, pool
from relational_iqa.networks.local_relation import LocalRelation, RelationSums
from relational_iqa.networks.pair_scorer import LocalMargin
from relational_iqa.networks.pooling import Sums

HIDDEN = 32
PARTS = ("judgement", "relation", "local relation", "pair scorer")
"""What the margin is made of."""
_PLACED = (0, 2, 3)  # of these parts, those that say where
_SURE = 3.0  # a margin of one level is sure to about 95 % before training


class Findings(NamedTuple):
    """What is known of pairs (a, b) before it is joined.

    Attributes:
        judged_a: judgements of the first image by every head, levels.
        judged_b: judgements of the second image.
        related: margins of the relation heads of whole images, levels; odd.
        placed: margins of the local relation heads, levels; odd.
        pair: margin of the pair scorer, levels; odd.
        kinds: mean strength of every kind of difference, in [0, 1]; even.
    """

    judged_a: Float[Tensor, "b heads"]
    judged_b: Float[Tensor, "b heads"]
    related: Float[Tensor, "b heads"]
    placed: Float[Tensor, "b heads"]
    pair: Float[Tensor, " b"]
    kinds: Float[Tensor, "b k"]

    def exchanged(self) -> Findings:
        """The same pairs with the images exchanged."""
        return Findings(self.judged_b, self.judged_a, -self.related, -self.placed, -self.pair, self.kinds)

    def parts(self) -> Float[Tensor, "b parts"]:
        """Margins of the `PARTS`, means over heads, levels."""
        apart = (self.judged_a - self.judged_b).mean(1)
        return torch.stack([apart, self.related.mean(1), self.placed.mean(1), self.pair], 1)

    def cues(self) -> Float[Tensor, "b cues"]:
        """What does not change when the images change places: all that trust and confidence depend on."""
        found = (self.judged_a - self.judged_b, self.related, self.placed)
        heads = [(x - x.mean(1, keepdim=True)).square().mean(1).sqrt() for x in found]
        judged, whole, local, pair = self.parts().unbind(1)
        gaps = [(x - y).abs() for x, y in ((judged, pair), (whole, judged), (local, whole), (local, pair))]
        sizes = [judged.abs(), whole.abs(), local.abs(), pair.abs(), *heads, *gaps]
        return torch.cat([self.kinds.sqrt(), torch.log1p(torch.stack(sizes, 1))], 1)


class PairVerdict(NamedTuple):
    """What is said of pairs.

    Attributes:
        margin: levels, > 0 where a is better; odd.
        confidence: probability that the sign of the margin is right, in [.5, 1]; even. None without a judgement.
        trust: factors >= 0 of the `PARTS`: the margin is the sum of the parts, each times its factor; even. None
            without a judgement, where the margin is the pair scorer's.
        parts: margins of the `PARTS`, levels. None without a judgement.
    """

    margin: Float[Tensor, " b"]
    confidence: Float[Tensor, " b"] | None
    trust: Float[Tensor, "b parts"] | None
    parts: Float[Tensor, "b parts"] | None = None

    def local_factors(self) -> Float[Tensor, "b placed"]:
        """Factors of the local margins of those parts that have one: judgement, local relation and pair scorer; without
        a judgement the pair scorer alone. The relation heads of whole images know no places, so their share is given to
        the others in proportion to their trust."""
        if self.trust is None:
            return torch.ones_like(self.margin)[:, None]
        kept = self.trust[:, _PLACED]
        return kept * (1 + self.trust[:, 1:2] / kept.sum(1, keepdim=True))

    def local_margin(self, placed: Float[Tensor, "b placed h w"]) -> Float[Tensor, "b 1 h w"]:
        """What of the margin comes from where: the local margins of `LocalPair.placed`, weighted."""
        return (self.local_factors()[:, :, None, None] * placed).sum(1, keepdim=True)


@dataclass(frozen=True)
class PairSums:
    """What the verdict on pairs needs of the whole image: sums over pixels; those of tiles add.

    Args:
        pair: of the local margin of the pair scorer.
        share: of the cells that count.
        kinds: of the strengths of every kind of difference.
        judged: what the judgement says; None where there is none.
    """

    pair: Sums
    share: Float[Tensor, "_ 1"]
    kinds: Float[Tensor, "b k"]
    judged: JudgedSums | None = None

    def __add__(self, other: PairSums) -> PairSums:
        judged = None if self.judged is None or other.judged is None else self.judged + other.judged
        return PairSums(self.pair + other.pair, self.share + other.share, self.kinds + other.kinds, judged)


@dataclass(frozen=True)
class JudgedSums:
    """Sums over cells of what the judgement says of pairs (a, b); those of tiles add.

    Args:
        a: judgement of the first image.
        b: judgement of the second image.
        related: of the local relation heads.
    """

    a: JudgementSums
    b: JudgementSums
    related: RelationSums

    def __add__(self, other: JudgedSums) -> JudgedSums:
        return JudgedSums(self.a + other.a, self.b + other.b, self.related + other.related)


@dataclass(frozen=True)
class JudgedPair:
    """What the judgement says of pairs (a, b) before pooling, on the grid of its cells.

    Args:
        a: judgement of the first image.
        b: judgement of the second image.
        related: what the local relation heads say.
    """

    a: LocalJudgement
    b: LocalJudgement
    related: LocalRelation

    def sums(self, share: Float[Tensor, "_ 1 h w"]) -> JudgedSums:
        """Sums over the cells, of which `share` says how much counts, 0 to 1."""
        return JudgedSums(self.a.sums(share), self.b.sums(share), self.related.sums(share))

    def margins(self) -> Float[Tensor, "b 2 h w"]:
        """Difference of the local judgements and local margin of the relation heads, means over heads, levels; odd."""
        apart = (self.a.quality - self.b.quality).mean(1, keepdim=True)
        return torch.cat([apart, self.related.margin.mean(1, keepdim=True)], 1)


@dataclass(frozen=True)
class LocalPair:
    """A pair (a, b) before pooling, on the 1/4 grid; the judgements on the grid of their cells.

    Args:
        maps: M(a, b) in [-1, 1].
        margin: of the pair scorer.
        judged: what the judgement says, None where there is none.
    """

    maps: Float[Tensor, "b k h w"]
    margin: LocalMargin
    judged: JudgedPair | None = None

    def sums(self, share: Float[Tensor, "_ 1 h w"]) -> PairSums:
        """Sums over the pixels where `share` says how much of a cell of the 1/4 grid counts, 0 to 1."""
        judged = None if self.judged is None else self.judged.sums(pool(share, CELL_PX // STRIDE))
        (kinds,) = summed(_strengths, (self.maps, share))
        return PairSums(self.margin.sums(share), share.sum((2, 3)), kinds, judged)

    def placed(self) -> Float[Tensor, "b placed h w"]:
        """Local margins of judgement, local relation and pair scorer, levels, on the 1/4 grid; odd. Without a judgement
        that of the pair scorer alone."""
        if self.judged is None:
            return self.margin.margin
        like = self.maps.shape[-2:]
        judged = F.interpolate(self.judged.margins(), like, mode="bilinear", align_corners=False)
        return torch.cat([judged, self.margin.margin], 1)


def _strengths(maps: Tensor, share: Tensor) -> tuple[Tensor]:
    return ((maps.abs() * share).sum((2, 3)),)


class JointMargin(nn.Module):
    """See the module.

    Args:
        kinds: number of kinds of difference, the axes of the relation maps.
    """

    def __init__(self, kinds: int) -> None:
        super().__init__()
        cues = kinds + 11
        self.offset: Tensor
        self.scale: Tensor
        self.temperature: Tensor
        self.register_buffer("offset", torch.zeros(cues))
        self.register_buffer("scale", torch.ones(cues))
        self.register_buffer("temperature", torch.ones(()))
        self.hidden = nn.Sequential(nn.Linear(cues, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU())
        self.trust = nn.Linear(HIDDEN, len(PARTS))
        self.sure = nn.Linear(HIDDEN, 1)
        for layer in (self.trust, self.sure):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, found: Findings) -> PairVerdict:
        """Verdicts on pairs."""
        parts = found.parts()
        hidden = self.hidden((found.cues() - self.offset) * self.scale)
        trust = F.softplus(self.trust(hidden)) / (len(PARTS) * math.log(2))  # equal shares at first
        margin = (trust * parts).sum(1)
        odds = margin.detach().abs() * _SURE * F.softplus(self.sure(hidden)[:, 0] + 0.54) / self.temperature
        return PairVerdict(margin, torch.sigmoid(odds), trust, parts)

    @torch.no_grad()
    def calibrate(self, found: Findings) -> None:
        """Brings the cues to zero mean and unit spread on a first batch."""
        cues = found.cues()
        self.offset.copy_(cues.mean(0))
        self.scale.copy_(1 / cues.std(0).clamp_min(0.02))
