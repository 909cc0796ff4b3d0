"""The encoder of the pMOS system: local features of one image on the 1/4 grid, from which its pixels are scored."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.blocks import (
    PatchEncoder,
    PointwiseBlock,
    SpatialBlock,
    Stem,
    accept_former_names,
    enlarge,
)
from relational_iqa.networks.image_statistics import ImageStatistics
from relational_iqa.networks.local_analysis import box5, pool


class PmosEncoder(nn.Module):
    """(B, 3, H, W) in [0, 1], H and W multiples of 16 -> features (B, width, H/4, W/4).

    A small U-Net over 1/4, 1/8 and 1/16 with a window mean of 80 px at the bottom, on fixed statistics beside a learned
    encoder (the class of the distortion network, so that its weights can be taken over). Most of the work is done at
    1/8. Local: no statistic over the image, nothing outside `reach_px` to any side matters.
    """

    reach_px = 288

    def __init__(self, width: int = 48, learned: int = 24) -> None:
        super().__init__()
        middle, deep = 2 * width, 3 * width
        self.width = width
        self.statistics = ImageStatistics()
        channels = self.statistics.channels
        self.learned = PatchEncoder(learned)
        self.stem = Stem(channels["cells4"], width)
        self.quarter = nn.Conv2d(learned, width, 1, bias=False)
        self.stem_middle = Stem(channels["cells8"], middle)
        self.eighth = nn.Conv2d(2 * learned, middle, 1, bias=False)
        self.middle = nn.Sequential(SpatialBlock(middle), SpatialBlock(middle))
        self.stem_deep = Stem(channels["cells16"], deep)
        self.to_deep = nn.Conv2d(middle, deep, 1)
        self.deep = nn.Sequential(*(SpatialBlock(deep) for _ in range(3)))
        self.context = nn.Conv2d(deep, deep, 1)
        self.from_deep = nn.Conv2d(deep, middle, 1)
        self.middle_up = SpatialBlock(middle)
        self.from_middle = nn.Conv2d(middle, width, 1)
        self.project = PointwiseBlock(width)
        accept_former_names(
            self,
            {"enter": "stem", "enter_middle": "stem_middle", "enter_deep": "stem_deep", "leave": "project"},
        )

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b {self.width} h//4 w//4"]:
        found = self.statistics(image)
        quarter, eighth = self.learned(found.padded)
        middle = self.middle(self.stem_middle(_last(found.cells8)) + self.eighth(eighth))
        deep = self.deep(self.to_deep(pool(middle, 2)) + self.stem_deep(_last(found.cells16)))
        deep = deep + self.context(box5(deep))
        middle = self.middle_up(middle + enlarge(self.from_deep(deep), middle))
        fine = self.stem(_last(found.cells4)) + self.quarter(quarter)
        features: Tensor = self.project(fine + enlarge(self.from_middle(middle), fine))
        return features

    @torch.no_grad()
    def calibrate(self, images: Float[Tensor, "b 3 h w"]) -> None:
        """Data-dependent scales of the fixed statistics from one batch of images, before training."""
        found = self.statistics(images)
        self.stem.calibrate(found.cells4)
        self.stem_middle.calibrate(found.cells8)
        self.stem_deep.calibrate(found.cells16)


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
