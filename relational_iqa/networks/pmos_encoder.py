"""The encoder of the pMOS system: local features of one image on the 1/4 grid, from which its pixels are scored."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relational_iqa.networks.encoder import Encoder
from relational_iqa.networks.even_odd_trunk import Entry, PointwiseBlock, SpatialBlock, _enlarge, _window_mean
from relational_iqa.networks.image_statistics import ImageStatistics


class PmosEncoder(nn.Module):
    """(B, 3, H, W) in [0, 1], H and W multiples of 16 -> features (B, width, H/4, W/4).

    A small U-Net over 1/4, 1/8 and 1/16 with a window mean of 80 px at the bottom, on fixed statistics beside a learned
    encoder (the class of the distortion network, so that its weights can be taken over). Local: no statistic over the
    image, nothing outside `reach_px` to any side matters.
    """

    reach_px = 288

    def __init__(self, width: int = 64, learned: int = 24) -> None:
        super().__init__()
        middle, deep = 2 * width, 3 * width
        self.width = width
        self.statistics = ImageStatistics()
        self.learned = Encoder(learned)
        self.enter = Entry(self.statistics.channels, learned, width, bias=True)
        self.fine = PointwiseBlock(width)
        self.to_middle = nn.Conv2d(width, middle, 1)
        self.coarse = nn.Conv2d(2 * learned, middle, 1, bias=False)
        self.middle = nn.Sequential(SpatialBlock(middle), SpatialBlock(middle))
        self.to_deep = nn.Conv2d(middle, deep, 1)
        self.deep = nn.Sequential(*(SpatialBlock(deep) for _ in range(3)))
        self.context = nn.Conv2d(2 * deep, deep, 1)
        self.from_deep = nn.Conv2d(deep, middle, 1)
        self.middle_up = SpatialBlock(middle)
        self.from_middle = nn.Conv2d(middle, width, 1)
        self.leave = nn.Sequential(PointwiseBlock(width), PointwiseBlock(width))

    def forward(self, image: Tensor) -> Tensor:
        quarter, eighth = self.learned(image)
        fine = self.fine(self.enter(self.statistics(image), quarter))
        middle = self.middle(F.avg_pool2d(self.to_middle(fine), 2) + self.coarse(eighth))
        deep = self.deep(F.avg_pool2d(self.to_deep(middle), 2))
        deep = deep + self.context(torch.cat([deep, _window_mean(deep)], 1))
        middle = self.middle_up(middle + _enlarge(self.from_deep(deep), middle))
        return self.leave(fine + _enlarge(self.from_middle(middle), fine))

    @torch.no_grad()
    def calibrate(self, images: Tensor) -> None:
        """Data-dependent scales of the fixed statistics from one batch of images, before training."""
        self.statistics.calibrate(images)
