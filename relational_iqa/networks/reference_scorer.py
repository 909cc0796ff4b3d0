"""The score with a reference: the two images have different roles.

Local visibilities of the difference are exactly 0 where the test image equals the reference. They are gated by context,
mixed with non-negative weights, pooled, and mapped by a monotone function. The quality is therefore <= 0, 0 for the
reference, and never rises when a visibility does.
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

from relational_iqa.networks.blocks import PatchEncoder, Pointwise, enlarge, twice
from relational_iqa.networks.distortion_network import Relation
from relational_iqa.networks.in_parts import CELL_PX, can_be_parted, each_once, in_parts, summed
from relational_iqa.networks.local_analysis import halves, pool, window, with_margin
from relational_iqa.networks.pooling import LEVELS_PER_SEVERITY, LOG_WEIGHT_LIMIT, Monotone, Sums, safe_root
from relational_iqa.networks.similarity_maps import LocalFeatures, SimilarityMaps, halves_of, soft_root

# Energy of a band below which content masks nothing: an amplitude of about 1.5 of 255 code values.
_MASKING = (1.5 / 255) ** 2


def pooled_visibility(visibility: Float[Tensor, "b groups h w"]) -> Float[Tensor, "b h w twice_groups"]:
    """Mean and root mean square of each group over an image that looked the same as a place everywhere."""
    visibility = visibility.permute(0, 2, 3, 1)
    return torch.cat([visibility, safe_root(visibility**2)], -1)


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


def _visibility_sums(visibility: Tensor, weight: Tensor, inside: Tensor) -> tuple[Tensor, ...]:
    weight = weight * inside
    return weight.sum((2, 3)), (weight * visibility).sum((2, 3)), (weight * visibility**2).sum((2, 3))


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
        weight = torch.exp(self.weight(hidden).clamp(-LOG_WEIGHT_LIMIT, LOG_WEIGHT_LIMIT))
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
