"""A judgement of one image alone: how far it is below a clean photograph, as a whole and at each place; and, from the
same features of both, which of two images is better.

The stages of a backbone that has seen the world are brought to a grid of cells of 16 px; of every channel the mean of
the cell and the spread around it are known. Several heads, alike but for their start, read a local quality and its
weight from them, and a quality of the whole from the moments of the whole image. Their mean is the judgement, and how
far they are apart says how much it is worth. Sums over cells are all that leaves the tiles, so tiles give the numbers
of the whole image.

Two judgements, subtracted, are a margin without a reference that is odd by construction. Where two images are close,
the relation heads know better: they see the moments of both at once, h(a, b) - h(b, a), and need not agree with any
ranking of single images (`experiments/NOTES.md` has the numbers). Some see the moments of the whole images, others
those of every cell, which tells where.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.backbone import BackboneArchitecture, EfficientNetLite
from relational_iqa.networks.blocks import Pointwise, PointwiseBlock
from relational_iqa.networks.in_parts import CELL_PX, each_once, in_parts, summed
from relational_iqa.networks.local_analysis import pool
from relational_iqa.networks.local_relation import LocalRelation, LocalRelationHead
from relational_iqa.networks.pooling import LOG_WEIGHT_LIMIT
from relational_iqa.networks.stage_cells import Seen, StageCells

FULL_TAPS = (-1, 0, 2, 4, 7, 10)  # strides 2 to 16; what comes later is coarser than a cell and sees half a tile
_LEAST_VARIANCE = 1e-4  # of channels with unit spread
_ROOT_FLOOR = 1e-6


@dataclass(frozen=True)
class JudgementArchitecture:
    """Sizes of a `Judgement`.

    Args:
        backbone: its stages, all of a stride of at most 16.
        half_taps: how many of the stages, from the finest on, are used of the image at half size too; their strides are
            at most 8.
        hidden: channels of the local heads.
        heads: how many heads there are; they disagree where training did not decide.
        local: False leaves the local quality out of the judgement of the whole.
        pooled: False leaves the quality from the moments of the whole image out.
    """

    backbone: BackboneArchitecture = BackboneArchitecture(taps=FULL_TAPS)
    half_taps: int = 4
    hidden: int = 96
    heads: int = 3
    local: bool = True
    pooled: bool = True

    def __post_init__(self) -> None:
        if not (self.local or self.pooled):
            raise ValueError("a judgement needs local, pooled or both")
        for name in ("hidden", "heads"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= 512:
                raise ValueError(f"{name} is {value!r}: expected a whole number from 1 to 512")

    def to_dict(self) -> dict[str, object]:
        """Plain JSON data; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: dict[str, object]) -> JudgementArchitecture:
        """The inverse of `to_dict`, of JSON too, which has lists where we have tuples."""
        backbone = facts["backbone"]
        if not isinstance(backbone, dict):
            raise ValueError(f"backbone is {backbone!r}: expected its sizes by name")
        shape = BackboneArchitecture(**{**backbone, "taps": tuple(backbone["taps"])})
        return cls(**{**facts, "backbone": shape})  # type: ignore[arg-type]


@dataclass(frozen=True)
class LocalJudgement:
    """Judgements of images before pooling, one of each head, on the grid of cells.

    Shape:
        quality: (b, heads, h, w), levels, at most 0; what an image would have which looked like this place everywhere.
        weight: (b, heads, h, w), > 0.
        moments: (b, 2 c, h, w), means of the channels in the cell and of their squares, of unit spread.
    """

    quality: Float[Tensor, "b heads h w"]
    weight: Float[Tensor, "b heads h w"]
    moments: Float[Tensor, "b twice_channels h w"]

    def sums(self, share: Float[Tensor, "_ 1 h w"]) -> JudgementSums:
        """Sums over the cells, of which `share` says how much counts, 0 to 1, for all images or for each."""
        return JudgementSums(*summed(_sums, (self.quality, self.weight, self.moments, share)))


@dataclass(frozen=True)
class JudgementSums:
    """Sums over cells; those of tiles add.

    Args:
        share: of the cells that count.
        moments: of the moments, uniformly.
        weight: of the weights of each head.
        value: of weighted qualities.
        square: of weighted squares.
    """

    share: Float[Tensor, "_ 1"]
    moments: Float[Tensor, "b twice_channels"]
    weight: Float[Tensor, "b heads"]
    value: Float[Tensor, "b heads"]
    square: Float[Tensor, "b heads"]

    def __add__(self, other: JudgementSums) -> JudgementSums:
        return JudgementSums(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


class LocalHead(nn.Module):
    """(b, 2 c, h, w) means and spreads -> quality <= 0 in levels, and weight > 0."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.mix = Pointwise(inputs, hidden)
        self.blocks = nn.Sequential(PointwiseBlock(hidden), PointwiseBlock(hidden))
        self.out = Pointwise(hidden, 2)
        nn.init.zeros_(self.out.weight[1:])

    def forward(self, x: Float[Tensor, "b inputs h w"]) -> tuple[Float[Tensor, "b 1 h w"], Float[Tensor, "b 1 h w"]]:
        out = self.out(F.silu(self.blocks(F.silu(self.mix(x)))))
        return -F.softplus(out[:, :1]), torch.exp(out[:, 1:].clamp(-LOG_WEIGHT_LIMIT, LOG_WEIGHT_LIMIT))


class PooledHead(nn.Module):
    """(b, 2 c) means and spreads of the whole image -> quality (b, 1)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, 2 * hidden), nn.SiLU(), nn.Dropout(0.3),
            nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Dropout(0.2), nn.Linear(hidden, 1),
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "b inputs"]) -> Float[Tensor, "b 1"]:
        result: Tensor = self.layers(x)
        return result


class RelationHead(nn.Module):
    """Moments of two whole images -> margin, levels, > 0 where the first is better; odd to the bit."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.layers = PooledHead(2 * inputs, hidden)

    def forward(self, a: Float[Tensor, "b inputs"], b: Float[Tensor, "b inputs"]) -> Float[Tensor, "b 1"]:
        mean, apart = (a + b) / 2, a - b
        first: Tensor = self.layers(torch.cat([mean, apart], 1))
        second: Tensor = self.layers(torch.cat([mean, -apart], 1))
        return first - second


class Judgement(nn.Module):
    """Images (B, 3, H, W), sRGB in [0, 1], both sides multiples of 16 -> judgements by every head.

    Attributes:
        stages: the backbone.
        channels: of all stages together, at full and at half size.
        reach_px: how far a value of `local` sees to one side, at most.
    """

    def __init__(self, architecture: JudgementArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.stages = EfficientNetLite(architecture.backbone)
        strides, count = self.stages.strides, architecture.half_taps
        if not 0 <= count <= len(strides) or max(strides) > CELL_PX or 2 * max((0, *strides[:count])) > CELL_PX:
            raise ValueError(f"half_taps is {count} with stages of strides {strides}: none may be wider than a cell")
        self.channels = sum(self.stages.channels) + sum(self.stages.channels[:count])
        reach = [*self.stages.reach_px, *(2 * px for px in self.stages.reach_px[:count])]
        self.reach_px = max(reach) + 2 * CELL_PX
        inputs, heads = 2 * self.channels, range(architecture.heads)
        self.locals = nn.ModuleList(LocalHead(inputs, architecture.hidden) for _ in heads)
        self.pooled = nn.ModuleList(PooledHead(inputs, architecture.hidden) for _ in heads)
        self.relations = nn.ModuleList(RelationHead(inputs, architecture.hidden) for _ in heads)
        self.local_relations = nn.ModuleList(LocalRelationHead(inputs, architecture.hidden) for _ in heads)
        self.root_share = nn.Parameter(torch.zeros(architecture.heads))
        self.offset: Tensor
        self.scale: Tensor
        self.register_buffer("offset", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))
        self.channel_mean: Tensor
        self.channel_scale: Tensor
        self.register_buffer("channel_mean", torch.zeros(self.channels))
        self.register_buffer("channel_scale", torch.ones(self.channels))

    def moments(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b {2*self.channels} h//16 w//16"]:
        """Means of the channels in every cell, of zero mean and unit spread, and of their squares: all that the heads
        see of an image."""
        return self.moments_of((image,))[0]

    def moments_of(self, images: Sequence[Float[Tensor, "b 3 h w"]]) -> list[Float[Tensor, "b {2*self.channels} _ _"]]:
        """`moments` of several images of one size. Where they are equal, they are seen once."""
        return [seen.moments for seen in self._see(images, False)]

    def see(self, tests: Sequence[Float[Tensor, "b 3 h w"]], reference: Float[Tensor, "b 3 h w"]) -> list[Seen]:
        """What the backbone sees of images and, the last one, of their reference. Images of one size are seen together,
        so that no stage of a large image has to be kept."""
        return self._see((*tests, reference), True)

    def _see(self, images: Sequence[Tensor], against: bool) -> list[Seen]:
        cells = StageCells(self.stages, self.architecture.half_taps, self.channel_mean, self.channel_scale, against)
        return cells.see(images)

    def from_moments(self, moments: Float[Tensor, "b {2*self.channels} h w"]) -> LocalJudgement:
        """Judgements before pooling."""

        def judge(moments: Tensor) -> tuple[Tensor, Tensor]:
            return self.heads(self.inputs(moments))

        quality, weight = in_parts(judge, (moments,), 1, margin=1)
        return LocalJudgement(quality, weight, moments)

    def pairs_from_moments(
        self,
        first: Float[Tensor, "b {2*self.channels} h w"],
        others: Sequence[Float[Tensor, "b {2*self.channels} h w"]],
    ) -> tuple[LocalJudgement, list[tuple[LocalJudgement, LocalRelation]]]:
        """Judgements of images and of others before pooling, and of each of the others what the local relation heads
        say of the pair (first, other)."""

        def judge(*moments: Tensor) -> tuple[Tensor, ...]:
            (own, projected), *rest = each_once(self._seen_by_heads, moments)
            found = [*own]
            for other, of_other in rest:
                pairs = zip(self._relation_heads, projected, of_other, strict=True)
                related = [head.relate(*both) for head, *both in pairs]
                found += [*other, *(torch.cat(parts, 1) for parts in zip(*related, strict=True))]
            return tuple(found)

        quality, weight, *rest = in_parts(judge, (first, *others), 1, margin=1)
        pairs = []
        for number, other in enumerate(others):
            other_quality, other_weight, margin, related = rest[4 * number : 4 * number + 4]
            pairs.append((LocalJudgement(other_quality, other_weight, other), LocalRelation(margin, related)))
        return LocalJudgement(quality, weight, first), pairs

    def _seen_by_heads(self, moments: Tensor) -> tuple[tuple[Tensor, Tensor], list[tuple[Tensor, Tensor]]]:
        """What the local heads say of an image, and what it gives to the local relation heads."""
        inputs = self.inputs(moments)
        return self.heads(inputs), [head.project(inputs) for head in self._relation_heads]

    def inputs(self, moments: Float[Tensor, "b {2*self.channels} h w"]) -> Float[Tensor, "b {2*self.channels} h w"]:
        """What the local heads see of every cell: the means of the channels in it, and their spread in 3 x 3 cells."""
        around = F.avg_pool2d(moments, 3, 1, 1, count_include_pad=False)
        first, spread = moments[:, : self.channels], _spread(*around.chunk(2, 1))
        found = (torch.cat([first, spread], 1) - self.offset[:, None, None]) * self.scale[:, None, None]
        return found.contiguous(memory_format=torch.channels_last)

    def heads(
        self, inputs: Float[Tensor, "b {2*self.channels} h w"]
    ) -> tuple[Float[Tensor, "b heads h w"], Float[Tensor, "b heads h w"]]:
        """Local quality and weight of every head. A cell depends on its own inputs alone."""
        qualities, weights = zip(*(head(inputs) for head in self.locals), strict=True)
        return torch.cat(qualities, 1), torch.cat(weights, 1)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> LocalJudgement:
        return self.from_moments(self.moments(image))

    def quality(self, sums: JudgementSums) -> Float[Tensor, "b heads"]:
        """Judgement of whole images by every head, in levels; higher is better."""
        total = torch.zeros_like(sums.value)
        if self.architecture.local:
            mean = sums.value / sums.weight
            root = torch.sqrt((sums.square / sums.weight).clamp_min(_ROOT_FLOOR))
            share = torch.sigmoid(self.root_share)
            total = total + (1 - share) * mean - share * root
        if self.architecture.pooled:
            x = self.pooled_inputs(sums)
            total = total + torch.cat([head(x) for head in self.pooled], 1)
        return total

    def relation(self, a: JudgementSums, b: JudgementSums) -> Float[Tensor, "b heads"]:
        """Margins of pairs of whole images by every relation head, levels, > 0 where a is better; odd."""
        x, y = self.pooled_inputs(a), self.pooled_inputs(b)
        return torch.cat([head(x, y) for head in self.relations], 1)

    def local_relation(
        self, a: Float[Tensor, "b {2*self.channels} h w"], b: Float[Tensor, "b {2*self.channels} h w"]
    ) -> LocalRelation:
        """What the local relation heads say of pairs of images, from their `moments`."""
        return self.pairs_from_moments(a, [b])[1][0][1]

    @property
    def _relation_heads(self) -> Iterable[LocalRelationHead]:
        return cast(Iterable[LocalRelationHead], self.local_relations)

    def pooled_inputs(self, sums: JudgementSums) -> Float[Tensor, "b {2*self.channels}"]:
        """Mean and spread of every channel over the whole image, as the heads see them."""
        first, second = (sums.moments / sums.share).chunk(2, 1)
        return (torch.cat([first, _spread(first, second)], 1) - self.offset) * self.scale

    @torch.no_grad()
    def calibrate(self, images: Float[Tensor, "b 3 h w"]) -> None:
        """Brings every channel of the stages to zero mean and unit spread on a first batch of images."""
        planes = list(self.stages(images))
        if self.architecture.half_taps:
            planes += self.stages(pool(images, 2), self.architecture.half_taps)
        self.channel_mean.copy_(torch.cat([plane.mean((0, 2, 3)) for plane in planes]))
        spread = torch.cat([plane.std((0, 2, 3)) for plane in planes])
        self.channel_scale.copy_(1 / spread.clamp_min(1e-3))

    @torch.no_grad()
    def calibrate_heads(self, moments: Float[Tensor, "b {2*self.channels} h w"]) -> None:
        """Brings every input of the heads to zero mean and unit spread on the moments of a first batch of images."""
        self.offset.zero_()
        self.scale.fill_(1.0)
        inputs = self.inputs(moments)
        self.offset.copy_(inputs.mean((0, 2, 3)))
        self.scale.copy_(1 / inputs.std((0, 2, 3)).clamp_min(1e-2))


def _sums(quality: Tensor, weight: Tensor, moments: Tensor, share: Tensor) -> tuple[Tensor, ...]:
    weight = weight * share
    return (
        share.sum((2, 3)),
        (moments * share).sum((2, 3)),
        weight.sum((2, 3)),
        (weight * quality).sum((2, 3)),
        (weight * quality.square()).sum((2, 3)),
    )


def _spread(first: Tensor, second: Tensor) -> Tensor:
    """Standard deviation of the moments of channels of unit spread."""
    return torch.sqrt((second - first.square()).clamp_min(0) + _LEAST_VARIANCE)
