"""The distortion network: which distortion separates b from a, how strong, in which direction, at every place.

Factorised output, after our own trial (`experiments/NOTES.md`): M_k = p_k / (1 - p_none) * magnitude * direction_k.
Type probabilities p (K axes and "none") and magnitude are even, the direction of each axis is odd, so M is exactly odd.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from distortion_engine.jobs.progress import part
from relational_iqa.networks.blocks import PatchEncoder, Pointwise, PointwiseBlock, Stem, accept_former_names, enlarge
from relational_iqa.networks.even_odd_trunk import EvenOddTrunk
from relational_iqa.networks.in_parts import CELL_PX, can_be_parted, each_once, in_parts
from relational_iqa.networks.local_analysis import STRIDE, halves, pool, with_margin
from relational_iqa.networks.pair_statistics import GridStatistics, ImageStatistics, PairStatistics

Use = Literal["training", "pair", "reference"]
"""What a relation is for: training, the scorer of pairs without a reference, or that of images against one."""
_OF_PAIR, _OF_REFERENCE = {"single_a", "single_b"}, {"energy_a", "energy_b", "energy_d", "mean_d"}
_OF_THE_LAST_PART = {"even4", "odd4"}
_LEFT_OUT: dict[Use, set[str]] = {
    "training": set(),
    "pair": _OF_REFERENCE | _OF_THE_LAST_PART,
    "reference": _OF_PAIR | _OF_THE_LAST_PART,
}


@dataclass(frozen=True)
class Relation:
    """What the network says of a pair (a, b) of images, on the 1/4 grid; for the scorers, features on the 1/8 grid.

    Args:
        maps: M(a, b) in [-1, 1], one channel an axis, positive where b has more; odd.
        types: probabilities of the axes, then of "none", on the 1/8 grid; even.
        type_logits: k + 1, of the axes, then of "none"; even. For training, as the next two: else without channels.
        magnitude: one, severity of all axes together, >= 0; even.
        direction: k, of each axis, in [-1, 1]; odd.
        even: features of the pair that do not change when the images change places.
        odd: features of the pair that change sign then.
        encoded_a: features of a alone.
        encoded_b: features of b alone.
        statistics: fixed statistics of the pair.
    """

    maps: Float[Tensor, "b k h w"]
    types: Float[Tensor, "b k+1 h//2 w//2"]
    type_logits: Float[Tensor, "b logits h w"]
    magnitude: Float[Tensor, "b sizes h w"]
    direction: Float[Tensor, "b signs h w"]
    even: Float[Tensor, "b width h//2 w//2"]
    odd: Float[Tensor, "b odd_width h//2 w//2"]
    encoded_a: Float[Tensor, "b encoded h//2 w//2"]
    encoded_b: Float[Tensor, "b encoded h//2 w//2"]
    statistics: GridStatistics


class _Alone(NamedTuple):
    """What an image gives to all pairs that it is part of: fixed statistics, learned features at 1/4 and at 1/8."""

    statistics: ImageStatistics
    quarter: Tensor
    eighth: Tensor


class DistortionNetwork(nn.Module):
    """M(a, b) for a pair of images (B, 3, H, W) in [0, 1], H and W multiples of 16.

    M(a, b) = -M(b, a) and M(a, a) = 0 hold to the bit, by construction. `reach_px` bounds the receptive field.
    """

    reach_px = 240

    def __init__(self, axes: int = 16, width: int = 96, encoder_channels: int = 24) -> None:
        super().__init__()
        self.axes = axes
        self.statistics = PairStatistics()
        channels = self.statistics.channels
        self.encoder = PatchEncoder(encoder_channels)
        self.difference_encoder = PatchEncoder(encoder_channels)
        quarter, eighth = encoder_channels, 2 * encoder_channels
        odd_width, fine = 2 * width // 3, width // 3
        self.trunk = EvenOddTrunk(channels, 3 * eighth, eighth, width, 4 * width // 3, odd_width)
        self.stem = Stem(channels["even4"], fine)
        self.learned = Pointwise(3 * quarter, fine, bias=False)
        self.from_trunk = Pointwise(width, fine)
        self.project = PointwiseBlock(fine)
        self.types = Pointwise(fine, axes + 1)
        self.strength = Pointwise(fine, 1)
        self.odd_stem = Stem(channels["odd4"], fine, bias=False)
        self.odd_learned = Pointwise(quarter, fine, bias=False)
        self.gates = Pointwise(fine, fine)
        self.sign_wide = Pointwise(odd_width, axes, bias=False)
        self.sign = Pointwise(fine, axes, bias=False)
        accept_former_names(self, {"enter": "stem", "leave": "project", "odd_enter": "odd_stem"})

    def forward(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"], use: Use = "training") -> Relation:
        """M(a, b) and what led to it. What `use` does not need has no channels: it would take memory."""
        (relation,) = self.of_each(a, [b], use)
        return relation

    def of_each(
        self, a: Float[Tensor, "b 3 h w"], others: Sequence[Float[Tensor, "b 3 h w"]], use: Use
    ) -> list[Relation]:
        """M(a, b) for several b. What a alone gives is computed once, and what the others have in common, too."""
        # The comb of `PairStatistics` reaches 17 px to the right and down, everything else 16 px at most.
        with part(0.5):
            found = in_parts(partial(self._see, use), (a, *others), CELL_PX, margin=1, side=32, after=2)
        each = len(found) // len(others)
        seen = [found[first : first + each] for first in range(0, len(found), each)]
        del found
        relations = []
        while seen:
            with part(0.5 / len(others)):
                relations.append(self._relate(use, *seen.pop(0)))
        return relations

    def _relate(self, use: Use, *seen: Tensor) -> Relation:
        """A relation of what `_see` gives for a pair."""
        *fixed, encoded_a, encoded_b, of_difference, fine, odd = seen
        statistics = GridStatistics(*fixed)
        sources = (encoded_a, encoded_b, of_difference)
        features, odd_features = self.trunk(statistics, sources, _even, _difference)
        maps, types, logits, magnitude, direction = in_parts(
            partial(self._decide, use), (fine, odd, features, odd_features), CELL_PX // STRIDE, margin=1
        )
        return Relation(
            maps, types, logits, magnitude, direction, features, odd_features, encoded_a, encoded_b, statistics
        )

    def _see(self, use: Use, a: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Of a and each of the others: fixed statistics; learned features at 1/8 of both images and of their
        difference; what enters the last part at 1/4, even and odd."""
        alone = self._alone((a, *others))
        first, *rest = alone
        pairs: list[tuple[Tensor, ...]] = []
        for number, other in enumerate(rest):
            same = next((k for k in range(number) if rest[k] is other), None)
            pairs.append(self._pair(use, first, other) if same is None else pairs[same])
        return tuple(value for pair in pairs for value in pair)

    def _alone(self, images: Sequence[Tensor]) -> list[_Alone]:
        """What each image gives by itself; where gradients are wanted or another device computes, of two at once."""
        if can_be_parted(images[0]) or len(images) != 2:
            return each_once(self._of_images, images)
        both = self._of_images(torch.cat(list(images)))
        (first, second), quarters, eighths = both.statistics.halves(), halves(both.quarter), halves(both.eighth)
        return [_Alone(first, quarters[0], eighths[0]), _Alone(second, quarters[1], eighths[1])]

    def _of_images(self, images: Tensor) -> _Alone:
        found = self.statistics.of_images(images)
        return _Alone(found, *self.encoder(found.analysis.padded))

    def _pair(self, use: Use, a: _Alone, b: _Alone) -> tuple[Tensor, ...]:
        found = self.statistics.of_pair(a.statistics, b.statistics)
        of_difference = self.difference_encoder(with_margin(torch.log1p(found.difference.abs() * 255) / 3))
        fine = self.stem(found.even4) + self.learned(_even(a.quarter, b.quarter, of_difference[0]))
        odd = self.odd_stem(found.odd4) + self.odd_learned(b.quarter - a.quarter)
        kept = {
            name: values[:, :0] if name in _LEFT_OUT[use] else values for name, values in vars(found.on_grids()).items()
        }
        return (*kept.values(), a.eighth, b.eighth, of_difference[1], fine, odd)

    def _decide(
        self, use: Use, fine: Tensor, odd: Tensor, features: Tensor, odd_features: Tensor
    ) -> tuple[Tensor, ...]:
        fine = self.project(fine + enlarge(self.from_trunk(features), fine))
        logits, magnitude = self.types(fine), F.softplus(self.strength(fine))
        odd = torch.tanh(odd * torch.sigmoid(self.gates(fine)))
        direction = torch.tanh(enlarge(self.sign_wide(odd_features), fine) + self.sign(odd))
        # A softmax without "none" is p_k / (1 - p_none): the magnitude alone says how much there is.
        maps = (torch.softmax(logits[:, :-1], 1) * magnitude * direction).clamp(-1, 1)
        types, details = torch.softmax(pool(logits, 2), 1), (logits, magnitude, direction)
        return maps, types, *(x if use == "training" else x[:, :0] for x in details)

    @torch.no_grad()
    def calibrate(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> None:
        """Data-dependent scales from one batch of pairs, before training."""
        statistics = self.statistics(a, b)
        self.trunk.calibrate(statistics)
        self.stem.calibrate(statistics.even4)
        self.odd_stem.calibrate(statistics.odd4)


def _even(a: Tensor, b: Tensor, of_difference: Tensor) -> Tensor:
    return torch.cat([a + b, (b - a).abs(), of_difference], 1)


def _difference(a: Tensor, b: Tensor, of_difference: Tensor) -> Tensor:
    return b - a
