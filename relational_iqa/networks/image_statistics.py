"""Fixed local statistics of one image: what tells a damaged place from a sound one before anything is learned.

The single-image half of `PairStatistics`: moments of luma, chroma and high-pass over windows of 12 and 36 px
(contrast, kurtosis, autocorrelation, clipping, flatness, gradients at three scales) and the comb that an 8-pixel block
grid leaves.
Natural-scene statistics of this kind carry the classical blind metrics (BRISQUE, NIQE).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relational_iqa.networks.pair_statistics import PairStatistics, _box, opponent

_CLAMP = 6.0
_RADII = (1, 4)  # windows of 3 and 9 cells of 4 px


class ImageStatistics(nn.Module):
    """(B, 3, H, W) in [0, 1], H and W multiples of 16 -> (B, `channels`, H/4, W/4), each of about mean 0 and spread 1
    by buffers that `calibrate` sets, cut at +-6. Local: reaches 28 px."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.channels = self._raw(torch.rand(1, 3, 16, 16)).shape[1]
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(self.channels, 1, 1))
        self.register_buffer("scale", torch.ones(self.channels, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        return ((self._raw(image) - self.mean) * self.scale).clamp(-_CLAMP, _CLAMP)

    @torch.no_grad()
    def calibrate(self, images: Tensor) -> None:
        """Sets mean 0 and spread 1 over a batch of images (B, 3, H, W)."""
        raw = self._raw(images)
        self.mean.copy_(raw.mean((0, 2, 3))[:, None, None])
        self.scale.copy_(1 / raw.std((0, 2, 3)).clamp_min(1e-4)[:, None, None])

    @staticmethod
    def _raw(image: Tensor) -> Tensor:
        moments, comb = PairStatistics._single(image, opponent(image))
        features = [PairStatistics._single_features(_box(moments, radius)) for radius in _RADII]
        return torch.cat([comb, *features], 1)
