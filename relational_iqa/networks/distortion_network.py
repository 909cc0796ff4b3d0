"""The distortion network: which distortion separates b from a, how strong, in which direction, at every place.

Factorised output, after our own trial (`experiments/NOTES.md`): M_k = p_k / (1 - p_none) * magnitude * direction_k.
Type probabilities p (K axes and "none") and magnitude are even, the direction of each axis is odd, so M is exactly odd.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relational_iqa.networks.encoder import Encoder
from relational_iqa.networks.even_odd_trunk import EvenOddTrunk
from relational_iqa.networks.pair_statistics import PairStatistics


@dataclass(frozen=True)
class Relation:
    """What the network says of a pair (a, b), all on the 1/4 grid.

    maps (B, K, h, w) in [-1, 1]: M(a, b), positive where b has more. type_logits (B, K + 1, h, w): axes, then "none";
    even. magnitude (B, 1, h, w) >= 0, even. direction (B, K, h, w) in [-1, 1], odd. even, odd: features for the scorer.
    """

    maps: Tensor
    type_logits: Tensor
    magnitude: Tensor
    direction: Tensor
    even: Tensor
    odd: Tensor


class DistortionNetwork(nn.Module):
    """M(a, b) for a pair of images (B, 3, H, W) in [0, 1], H and W multiples of 16.

    M(a, b) = -M(b, a) and M(a, a) = 0 hold to the bit, by construction. `reach_px` bounds the receptive field.
    """

    reach_px = 176

    def __init__(self, axes: int = 16, width: int = 64, encoder_channels: int = 24) -> None:
        super().__init__()
        self.axes = axes
        self.statistics = PairStatistics()
        self.encoder = Encoder(encoder_channels)
        learned = encoder_channels
        self.trunk = EvenOddTrunk(
            (self.statistics.even_channels, 6 * learned), (self.statistics.odd_channels, learned), width
        )
        self.types = nn.Conv2d(width, axes + 1, 1)
        self.strength = nn.Conv2d(width, 1, 1)
        self.sign = nn.Conv2d(width, axes, 1, bias=False)

    def forward(self, a: Tensor, b: Tensor) -> Relation:
        even, odd = self.statistics(a, b)
        learned_even, learned_odd = self._learned(a, b)
        features, odd_features = self.trunk((even, learned_even), (odd, learned_odd))
        logits = self.types(features)
        magnitude = F.softplus(self.strength(features))
        direction = torch.tanh(self.sign(odd_features))
        # A softmax without "none" is p_k / (1 - p_none): the magnitude alone says how much there is.
        shares = torch.softmax(logits[:, :-1], 1)
        maps = (shares * magnitude * direction).clamp(-1, 1)
        return Relation(maps, logits, magnitude, direction, features, odd_features)

    def _learned(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        fine_a, coarse_a = self.encoder(a)
        fine_b, coarse_b = self.encoder(b)

        def even(x: Tensor, y: Tensor) -> Tensor:
            return torch.cat([x + y, (x - y).abs()], 1)

        coarse = F.interpolate(even(coarse_a, coarse_b), fine_a.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([even(fine_a, fine_b), coarse], 1), fine_b - fine_a

    @torch.no_grad()
    def calibrate(self, a: Tensor, b: Tensor) -> None:
        """Data-dependent scales from one batch of pairs, before training."""
        self.statistics.calibrate(a, b)
