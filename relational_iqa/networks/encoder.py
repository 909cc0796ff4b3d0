"""The learned local encoder, shared by both images of a pair."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relational_iqa.networks.pair_statistics import opponent


class Encoder(nn.Module):
    """(B, 3, H, W) in [0, 1] -> features (B, channels, H/4, W/4) and (B, 2 channels, H/8, W/8).

    Local: a few small convolutions, no normalisation over the image. Input is luma, two opponent channels and the
    luma without its local mean, so that fine texture is seen at full contrast.
    """

    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        self.channels = channels
        self.stem = nn.Conv2d(4, channels, 5, stride=2, padding=2)
        self.quarter = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.eighth = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        planes = opponent(image)
        luma = planes[:, :1]
        local_mean = F.avg_pool2d(luma, 5, stride=1, padding=2, count_include_pad=False)
        quarter = self.quarter(F.gelu(self.stem(torch.cat([planes - 0.25, 4 * (luma - local_mean)], 1))))
        return quarter, self.eighth(F.gelu(quarter))
