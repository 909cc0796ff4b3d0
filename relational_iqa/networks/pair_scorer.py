"""The score without a reference: the local margin of a pair is an odd direction times an even magnitude."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.blocks import Pointwise, PointwiseBlock, twice
from relational_iqa.networks.distortion_network import Relation
from relational_iqa.networks.even_odd_trunk import EvenOddTrunk
from relational_iqa.networks.in_parts import in_parts, summed
from relational_iqa.networks.local_analysis import pool
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY, LOG_WEIGHT_LIMIT, Sums, safe_root

EMBEDDING = 32


@dataclass(frozen=True)
class LocalMargin:
    """Result of the mode without a reference before pooling, on the 1/4 grid.

    Args:
        margin: in levels, > 0 where a is better; odd.
        weight: how much each cell counts, > 0; even.
        embedding: embedding of the relation; odd.
    """

    margin: Float[Tensor, "b 1 h w"]
    weight: Float[Tensor, "b 1 h w"]
    embedding: Float[Tensor, "b e h w"]

    def sums(self, inside: Float[Tensor, "_ 1 h w"]) -> Sums:
        """As `LocalQuality.sums`; the squares keep the sign of the margin."""
        return Sums(*summed(_margin_sums, (self.margin, self.embedding, self.weight, inside)))


def _margin_sums(margin: Tensor, embedding: Tensor, weight: Tensor, inside: Tensor) -> tuple[Tensor, ...]:
    weight = weight * inside
    values = torch.cat([margin, embedding], 1)
    return weight.sum((2, 3)), (weight * values).sum((2, 3)), (weight * margin * margin.abs()).sum((2, 3))


class PairScorer(nn.Module):
    """margin(a, b) without a reference: an odd direction times an even magnitude.

    One of the odd inputs is the difference of two judgements, one of each image alone by the same function: without a
    reference this is the only way to tell texture from noise.

    Args:
        axes: number of distortion axes.
        features: even features of a `Relation`.
        odd_features: odd features of a `Relation`.
        channels: numbers of channels of `GridStatistics`, by name.
        encoded: features of each image alone in a `Relation`.
        width: channels of the hidden layers.
    """

    def __init__(
        self, axes: int, features: int, odd_features: int, channels: dict[str, int], encoded: int, width: int = 64
    ) -> None:
        super().__init__()
        alone = channels["single_a"] + encoded
        self.alone = nn.Sequential(Pointwise(alone, width), PointwiseBlock(width), PointwiseBlock(width))
        self.trunk = EvenOddTrunk(
            channels, features + axes + 1 + width, odd_features + axes + width, width, 3 * width // 2, width
        )
        self.direction = Pointwise(width, 1, bias=False)
        self.magnitude = Pointwise(width, 1)
        self.weight = Pointwise(width, 1)
        self.embed = Pointwise(width, EMBEDDING, bias=False)
        self.blend = nn.Parameter(torch.zeros(()))
        nn.init.zeros_(self.weight.weight)

    def local(self, relation: Relation) -> LocalMargin:
        """Local margins of the pair (a, b) of `relation`."""
        statistics = relation.statistics

        def see(single: Tensor, encoded: Tensor) -> tuple[Tensor]:
            return (self.alone(torch.cat([single, encoded], 1)),)

        (alone_a,) = in_parts(see, (statistics.single_a, relation.encoded_a), 2, margin=0)
        (alone_b,) = in_parts(see, (statistics.single_b, relation.encoded_b), 2, margin=0)
        sources = (relation.even, relation.types, relation.odd, relation.maps, alone_a, alone_b)
        features, odd_features = self.trunk(statistics, sources, _even, _odd)
        margin, weight, embedding = in_parts(self._decide, (features, odd_features), 2, margin=1)
        return LocalMargin(margin, weight, embedding)

    def _decide(self, features: Tensor, odd_features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        margin = LEVELS_PER_SEVERITY * torch.tanh(self.direction(odd_features)) * F.softplus(self.magnitude(features))
        weight = torch.exp(self.weight(features).clamp(-LOG_WEIGHT_LIMIT, LOG_WEIGHT_LIMIT))
        return twice(margin), twice(weight), twice(self.embed(odd_features))

    def margin(self, sums: Sums) -> Float[Tensor, " b"]:
        """Pooled sums -> margin in levels: a blend of the mean and of the root of the signed mean square."""
        mean = sums.value[:, 0] / sums.weight[:, 0]
        square = sums.square[:, 0] / sums.weight[:, 0]
        root = torch.sign(square) * safe_root(square.abs())
        share = torch.sigmoid(self.blend)
        return share * mean + (1 - share) * root

    def embedding(self, sums: Sums) -> Float[Tensor, "b e"]:
        """Relation embedding e(a, b), odd."""
        return sums.value[:, 1:] / sums.weight

    @torch.no_grad()
    def calibrate(self, relation: Relation) -> None:
        """Data-dependent scales from a first batch."""
        self.trunk.calibrate(relation.statistics)


def _even(even: Tensor, types: Tensor, odd: Tensor, maps: Tensor, alone_a: Tensor, alone_b: Tensor) -> Tensor:
    return torch.cat([even, types, (alone_a + alone_b) / 2], 1)


def _odd(even: Tensor, types: Tensor, odd: Tensor, maps: Tensor, alone_a: Tensor, alone_b: Tensor) -> Tensor:
    return torch.cat([odd, pool(maps, 2), alone_b - alone_a], 1)
