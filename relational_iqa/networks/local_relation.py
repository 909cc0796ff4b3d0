"""The local relation of two images: which is better in a cell, from the moments of the backbone's stages in both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.blocks import Pointwise, PointwiseBlock
from relational_iqa.networks.pooling import LOG_WEIGHT_LIMIT


@dataclass(frozen=True)
class LocalRelation:
    """What the local relation heads say of pairs (a, b) before pooling, one of each head, on the grid of cells.

    Shape:
        margin: (b, heads, h, w), levels, > 0 where a is better; odd.
        weight: (b, heads, h, w), > 0; even.
    """

    margin: Float[Tensor, "b heads h w"]
    weight: Float[Tensor, "b heads h w"]

    def sums(self, share: Float[Tensor, "_ 1 h w"]) -> RelationSums:
        """Sums over the cells, of which `share` says how much counts, 0 to 1, for all pairs or for each."""
        weight = self.weight * share
        return RelationSums(weight.sum((2, 3)), (weight * self.margin).sum((2, 3)))


@dataclass(frozen=True)
class RelationSums:
    """Sums over cells of what the local relation heads say; those of tiles add.

    Args:
        weight: of the weights of each head.
        value: of weighted margins.
    """

    weight: Float[Tensor, "b heads"]
    value: Float[Tensor, "b heads"]

    def __add__(self, other: RelationSums) -> RelationSums:
        return RelationSums(self.weight + other.weight, self.value + other.value)

    def margin(self) -> Float[Tensor, "b heads"]:
        """Weighted means of the local margins, levels, > 0 where a is better; odd."""
        return self.value / self.weight


class LocalRelationHead(nn.Module):
    """Inputs (b, 2 c, h, w) of two images -> margin in levels, > 0 where the first is better, odd to the bit; and
    weight > 0, even.

    The first layer is a sum of what each image gives alone, so images of many pairs pass through it once.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.own = Pointwise(inputs, hidden)
        self.other = Pointwise(inputs, hidden, bias=False)
        self.layers = nn.Sequential(nn.SiLU(), nn.Dropout(0.2), PointwiseBlock(hidden), nn.SiLU())
        self.out = Pointwise(hidden, 2)
        nn.init.zeros_(self.out.weight[1:])

    def project(
        self, x: Float[Tensor, "b inputs h w"]
    ) -> tuple[Float[Tensor, "b hidden h w"], Float[Tensor, "b hidden h w"]]:
        """What an image gives to its own side of a pair, and to that of the other."""
        return self.own(x), self.other(x)

    def relate(
        self, a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]
    ) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
        """Margin and weight of pairs of images that `project` has seen."""
        first = self.out(self.layers(a[0] + b[1]))
        second = first if a is b else self.out(self.layers(b[0] + a[1]))
        weight = (first[:, 1:] + second[:, 1:]) / 2
        return first[:, :1] - second[:, :1], torch.exp(weight.clamp(-LOG_WEIGHT_LIMIT, LOG_WEIGHT_LIMIT))

    def forward(
        self, a: Float[Tensor, "b inputs h w"], b: Float[Tensor, "b inputs h w"]
    ) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
        return self.relate(self.project(a), self.project(b))
