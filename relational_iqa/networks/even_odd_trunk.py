"""The trunk that keeps symmetry by construction: an even stream, and an odd stream that even features gate.

The odd stream has no bias and only odd activations (tanh), so negating its input negates its output to the bit; the
even stream never sees a sign. Local: windows only, no statistic over the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.blocks import Pointwise, SpatialBlock, Stem, accept_former_names, enlarge
from relational_iqa.networks.in_parts import in_parts
from relational_iqa.networks.local_analysis import box5, pool
from relational_iqa.networks.pair_statistics import GridStatistics


class EvenOddTrunk(nn.Module):
    """Statistics and learned channels of a pair -> even features (B, width, h, w) and odd features (B, odd_width, h,
    w).

    All inputs and outputs are on the 1/8 grid, h and w even, except the statistics of the 1/16 grid. The network is a
    small U-Net over 1/8 and 1/16 of the image, with a window mean of 80 px at the bottom. Most of the work is done at
    1/8: an 8 px cell is enough to tell distortions apart, and costs a quarter of the 1/4 grid.

    Args:
        channels: numbers of channels of `GridStatistics`, by name.
        even: learned even channels that enter.
        odd: learned odd channels that enter.
        width: even features that leave.
        deep: channels at 1/16.
        odd_width: odd features that leave.
    """

    def __init__(self, channels: dict[str, int], even: int, odd: int, width: int, deep: int, odd_width: int) -> None:
        super().__init__()
        self.odd_width = odd_width
        self.stem = Stem(channels["even8"], width)
        self.learned = Pointwise(even, width, bias=False)
        self.block = SpatialBlock(width)
        self.stem_deep = Stem(channels["even16"], deep)
        self.to_deep = Pointwise(width, deep)
        self.deep = nn.Sequential(SpatialBlock(deep), SpatialBlock(deep))
        self.context = Pointwise(deep, deep)
        self.from_deep = Pointwise(deep, width)
        self.project = SpatialBlock(width)
        self.odd_local = Stem(channels["odd8"], odd_width, bias=False)
        self.odd_learned = Pointwise(odd, odd_width, bias=False)
        self.odd_wide = Stem(channels["odd16"], odd_width, bias=False)
        self.gates = Pointwise(width, 3 * odd_width)
        self.odd_mix = Pointwise(2 * odd_width, odd_width, bias=False)
        accept_former_names(self, {"enter": "stem", "enter_deep": "stem_deep", "leave": "project"})

    def forward(
        self,
        statistics: GridStatistics,
        sources: Sequence[Float[Tensor, "b _ _ _"]],
        even: Callable[..., Float[Tensor, "b _ h w"]],
        odd: Callable[..., Float[Tensor, "b _ h w"]],
    ) -> tuple[Float[Tensor, "b {self.learned.out_channels} h w"], Float[Tensor, "b {self.odd_width} h w"]]:
        """Even and odd features.

        Args:
            statistics: of the pairs.
            sources: what the learned channels are made of, on any grid.
            even: makes the learned even channels that enter of the sources, place by place.
            odd: the same for the odd ones.
        """

        def enter(even8: Tensor, even16: Tensor, *sources: Tensor) -> tuple[Tensor, Tensor]:
            fine = self.block(self.stem(even8) + self.learned(even(*sources)))
            return fine, self.to_deep(pool(fine, 2)) + self.stem_deep(even16)

        def leave(
            fine: Tensor, from_deep: Tensor, odd8: Tensor, odd16: Tensor, *sources: Tensor
        ) -> tuple[Tensor, Tensor]:
            features = self.project(fine + enlarge(from_deep, fine))
            local, wide, out = (2 * torch.sigmoid(self.gates(features))).split(self.odd_width, 1)
            first = (self.odd_local(odd8) + self.odd_learned(odd(*sources))) * local
            second = enlarge(self.odd_wide(odd16), fine) * wide
            return features, self.odd_mix(torch.tanh(torch.cat([first, second], 1))) * out

        fine, deep = in_parts(enter, (statistics.even8, statistics.even16, *sources), 2, margin=1)
        (from_deep,) = in_parts(self._deepen, (deep,), 1, margin=6)
        features, odd_features = in_parts(
            leave, (fine, from_deep, statistics.odd8, statistics.odd16, *sources), 2, margin=2
        )
        return features, odd_features

    def _deepen(self, deep: Tensor) -> tuple[Tensor]:
        deep = self.deep(deep)
        return (self.from_deep(deep + self.context(box5(deep))),)

    @torch.no_grad()
    def calibrate(self, statistics: GridStatistics) -> None:
        """Data-dependent scales from a first batch."""
        self.stem.calibrate(statistics.even8)
        self.stem_deep.calibrate(statistics.even16)
        self.odd_local.calibrate(statistics.odd8)
        self.odd_wide.calibrate(statistics.odd16)
