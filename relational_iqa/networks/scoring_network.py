"""The scoring network: a relational quality score in severity levels, with and without a reference.

*With a reference*, the two images have different roles. Local visibilities of the difference are exactly 0 where the
test image equals the reference. They are gated by context, mixed with non-negative weights, pooled, and mapped by a
monotone function. The quality is therefore <= 0, 0 for the reference, and never rises when a visibility does.

*Without a reference*, the local margin is an odd direction times an even magnitude.

Pooling is by sums over pixels (weighted mean and root mean square), so tiles add up to the whole image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.blocks import PatchEncoder, Pointwise, PointwiseBlock, enlarge, twice
from relational_iqa.networks.distortion_network import DistortionNetwork, Relation
from relational_iqa.networks.even_odd_trunk import EvenOddTrunk
from relational_iqa.networks.in_parts import CELL_PX, can_be_parted, each_once, in_parts, summed
from relational_iqa.networks.local_analysis import halves, pool, window, with_margin
from relational_iqa.networks.similarity_maps import LocalFeatures, SimilarityMaps, halves_of, soft_root

# Scores are in levels of a five-level ladder: a severity of 1 is five levels.
LEVELS_PER_SEVERITY = 5.0
EMBEDDING = 32
_LOG_WEIGHT_LIMIT = 3.0
# Energy of a band below which content masks nothing: an amplitude of about 1.5 of 255 code values.
_MASKING = (1.5 / 255) ** 2


def safe_root(x: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Square root with a finite slope at 0 and exactly 0 there."""
    root: Tensor = x / (torch.sqrt(x + epsilon) + epsilon**0.5)
    return root


def pooled_visibility(visibility: Float[Tensor, "b groups h w"]) -> Float[Tensor, "b h w twice_groups"]:
    """Mean and root mean square of each group over an image that looked the same as a place everywhere."""
    visibility = visibility.permute(0, 2, 3, 1)
    return torch.cat([visibility, safe_root(visibility**2)], -1)


class Monotone(nn.Module):
    """Two-layer function that never falls in any input: non-negative weights, rising activations of both curvatures."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(hidden, inputs) * 0.3 - 2.0)
        self.bias = nn.Parameter(torch.linspace(-2.0, 1.0, hidden))
        self.second = nn.Parameter(torch.randn(hidden) * 0.3 - 4.5)
        self.direct = nn.Parameter(torch.full((inputs,), -4.0))

    def forward(self, x: Float[Tensor, "*any {self.direct.shape[0]}"]) -> Float[Tensor, "*any"]:
        """Values >= 0 of inputs >= 0; 0 where all inputs are 0."""
        rise = self._active(F.linear(x, F.softplus(self.first), self.bias)) - self._active(self.bias)
        value = rise @ F.softplus(self.second) + x @ F.softplus(self.direct)
        # The last bit of an activation may depend on where threads cut a loop; 0 has to stay 0.
        return value * (x.amax(-1) > 0)

    @staticmethod
    def _active(pre: Tensor) -> Tensor:
        half = pre.shape[-1] // 2
        return torch.cat([F.softplus(pre[..., :half]), torch.tanh(pre[..., half:])], -1)


@dataclass(frozen=True)
class Sums:
    """Sums over pixels from which a local result is pooled; sums of tiles add up to those of the image.

    Args:
        weight: sum of the weights.
        value: weighted sums of the values.
        square: weighted sums of the squares of some or all of the values.
    """

    weight: Float[Tensor, "b 1"]
    value: Float[Tensor, "b values"]
    square: Float[Tensor, "b squares"]

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.weight + other.weight, self.value + other.value, self.square + other.square)


@dataclass(frozen=True)
class LocalQuality:
    """Result of the mode with a reference before pooling, on the 1/4 grid.

    Args:
        visibility: visibility of the difference, >= 0, in groups.
        weight: how much each cell counts, > 0.
    """

    visibility: Float[Tensor, "b groups h w"]
    weight: Float[Tensor, "b 1 h w"]

    def sums(self, inside: Float[Tensor, "_ 1 h w"]) -> Sums:
        """Sums over pixels; `inside`, of one image or of each, says how much of a cell counts, 0 to 1."""
        return Sums(*summed(_visibility_sums, (self.visibility, self.weight, inside)))


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


def _visibility_sums(visibility: Tensor, weight: Tensor, inside: Tensor) -> tuple[Tensor, ...]:
    weight = weight * inside
    return weight.sum((2, 3)), (weight * visibility).sum((2, 3)), (weight * visibility**2).sum((2, 3))


def _margin_sums(margin: Tensor, embedding: Tensor, weight: Tensor, inside: Tensor) -> tuple[Tensor, ...]:
    weight = weight * inside
    values = torch.cat([margin, embedding], 1)
    return weight.sum((2, 3)), (weight * values).sum((2, 3)), (weight * margin * margin.abs()).sum((2, 3))


class _Alone(NamedTuple):
    """What an image gives to all comparisons that it is part of: fixed and learned local features, on the 1/8 grid."""

    local: LocalFeatures
    learned: tuple[Tensor, ...]


class ReferenceScorer(nn.Module):
    """quality(x | r) from local differences; the reference and the test image have different roles. Works on the 1/8
    grid.

    Args:
        axes: number of distortion axes.
        features: even features of a `Relation`.
        channels: numbers of channels of `GridStatistics`, by name.
        encoder_channels: channels of the learned encoder on the 1/4 grid.
        hidden: channels of the network that weighs the distances by their context.
    """

    groups = 8

    def __init__(
        self, axes: int, features: int, channels: dict[str, int], encoder_channels: int = 16, hidden: int = 64
    ) -> None:
        super().__init__()
        self.similarity = SimilarityMaps()
        self.encoder = PatchEncoder(encoder_channels)
        inputs = self.similarity.channels + 2 * channels["energy_d"] + 2 * 6 + 3 * encoder_channels + axes
        self.gain: Tensor
        self.register_buffer("gain", torch.ones(inputs, 1, 1))
        context = self.similarity.cues + features + axes + 1 + inputs
        self.context = nn.Sequential(Pointwise(context, hidden), nn.SiLU(), Pointwise(hidden, hidden), nn.SiLU())
        self.gates = Pointwise(hidden, inputs)
        self.mix = nn.Parameter(torch.randn(self.groups, inputs) * 0.3 - 5.0)
        self.weight = Pointwise(hidden, 1)
        self.pool = Monotone(2 * self.groups, 64)
        nn.init.zeros_(self.gates.weight)
        nn.init.zeros_(self.weight.weight)

    def local(
        self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "b 3 h w"], relation: Relation
    ) -> LocalQuality:
        """Local visibilities of `test` against `reference`; `relation` is that of (reference, test)."""
        (found,) = self.local_of_each([test], reference, [relation])
        return found

    def local_of_each(
        self, tests: Sequence[Float[Tensor, "b 3 h w"]], reference: Float[Tensor, "b 3 h w"],
        relations: Sequence[Relation],
    ) -> list[LocalQuality]:  # fmt: skip
        """`local` of several images against one reference, of which what it alone gives is computed once."""
        inputs = (reference, *tests, *(value for relation in relations for value in _read(relation)))
        found = in_parts(partial(self._weigh, len(tests)), inputs, CELL_PX, margin=2)
        return [LocalQuality(*found[first : first + 2]) for first in range(0, len(found), 2)]

    def _weigh(self, count: int, reference: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        tests, relations = rest[:count], rest[count:]
        each = len(relations) // count
        alone, *others = self._alone((reference, *tests))
        found: list[Tensor] = []
        for number, other in enumerate(others):
            found += self._weigh_one(other, alone, *relations[each * number : each * (number + 1)])
        return tuple(found)

    def _weigh_one(self, test: _Alone, reference: _Alone, *relation: Tensor) -> tuple[Tensor, Tensor]:
        _, types, even, *_ = relation
        distances, cues = self._distances(test, reference, *relation)
        scaled = distances * self.gain
        hidden = self.context(torch.cat([cues, even, types, torch.log1p(scaled)], 1))
        gated = scaled * F.softplus(self.gates(hidden) + 0.54)
        visibility = F.conv2d(gated, F.softplus(self.mix)[:, :, None, None])
        weight = torch.exp(self.weight(hidden).clamp(-_LOG_WEIGHT_LIMIT, _LOG_WEIGHT_LIMIT))
        return twice(visibility), twice(weight)

    def quality(self, sums: Sums) -> Float[Tensor, " b"]:
        """Pooled sums -> quality in levels, <= 0."""
        mean = sums.value / sums.weight
        quality: Tensor = -LEVELS_PER_SEVERITY * self.pool(torch.cat([mean, safe_root(sums.square / sums.weight)], 1))
        return quality

    def local_quality(self, local: LocalQuality) -> Float[Tensor, "b 1 h w"]:
        """Quality of an image that looked the same as this place everywhere; <= 0, in levels."""
        quality: Tensor = -LEVELS_PER_SEVERITY * self.pool(pooled_visibility(local.visibility))[:, None]
        return quality

    def _distances(
        self, test: _Alone, reference: _Alone, maps: Tensor, types: Tensor, even: Tensor, energy_a: Tensor,
        energy_b: Tensor, energy_d: Tensor, mean_d: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Distances (B, inputs, H/8, W/8) >= 0, 0 where the images are equal, and cues of the reference."""
        similarity, cues = self.similarity.of_pair(test.local, reference.local)
        # Difference of each band against what is there to mask it (contrast masking).
        masked = energy_d / (energy_a + energy_b + _MASKING)
        planes = torch.cat([mean_d, enlarge(window(mean_d), mean_d)], 1).abs()
        learned = []
        for x, y in zip(reference.learned, test.learned, strict=True):
            learned.append((x - y) ** 2 / ((x * x + y * y).mean(1, keepdim=True) + 0.1))
        own = [masked, soft_root(masked), planes * planes, planes, *learned, pool(maps.abs(), 2)]
        return torch.cat([similarity, *own], 1), cues

    def _alone(self, images: Sequence[Tensor]) -> list[_Alone]:
        """What each image gives by itself; where gradients are wanted or another device computes, of two at once."""
        if can_be_parted(images[0]) or len(images) != 2:
            return each_once(self._of_images, images)
        both = self._of_images(torch.cat(list(images)))
        learned = [halves(values) for values in both.learned]
        first, second = halves_of(both.local)
        return [_Alone(first, tuple(x for x, _ in learned)), _Alone(second, tuple(y for _, y in learned))]

    def _of_images(self, images: Tensor) -> _Alone:
        quarter, eighth = self.encoder(with_margin(images))
        return _Alone(self.similarity.of_images(images), (pool(quarter, 2), eighth))

    @torch.no_grad()
    def calibrate(
        self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "b 3 h w"], relation: Relation
    ) -> None:
        """Scales every distance to rms .7 on a first batch."""
        one, other = self._alone((test, reference))
        distances, _ = self._distances(one, other, *_read(relation))
        self.gain.copy_(0.7 / distances.square().mean((0, 2, 3)).sqrt().clamp_min(1e-4)[:, None, None])


def _read(relation: Relation) -> tuple[Tensor, ...]:
    """What the reference scorer takes of a relation."""
    found = relation.statistics
    return (
        relation.maps, relation.types, relation.even, found.energy_a, found.energy_b, found.energy_d, found.mean_d,
    )  # fmt: skip


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
        weight = torch.exp(self.weight(features).clamp(-_LOG_WEIGHT_LIMIT, _LOG_WEIGHT_LIMIT))
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


class ScoringNetwork(nn.Module):
    """The scorers of both modes, which take the `Relation` that the distortion network found."""

    def __init__(self, distortion: DistortionNetwork) -> None:
        super().__init__()
        axes, channels = distortion.axes, distortion.statistics.channels
        features, odd = distortion.trunk.project.channels, distortion.trunk.odd_width
        self.reference = ReferenceScorer(axes, features, channels)
        self.pair = PairScorer(axes, features, odd, channels, distortion.encoder.out_channels, 2 * features // 3)
