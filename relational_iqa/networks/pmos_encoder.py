"""The encoder of the pMOS system: what a backbone that has seen the world says of every place of one image, and fixed
statistics of it, brought to a grid of cells of 8 px by a small decoder; and what the backbone says of the thumbnail,
which tells what kind of picture this is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.backbone import EARLY_STRIDE, BackboneArchitecture, EfficientNetLite
from relational_iqa.networks.blocks import Pointwise, PointwiseBlock, SpatialBlock, Stem, enlarge, pointwise
from relational_iqa.networks.in_parts import CELL_PX as PART_PX
from relational_iqa.networks.in_parts import in_parts
from relational_iqa.networks.local_analysis import pool
from relational_iqa.networks.single_statistics import REACH_PX, SingleStatistics

MOS_CELL_PX = 8
"""Side of a cell of the maps before they are enlarged to pixels."""
_COARSE_PX = 16
_LOCAL_TAPS = 6  # strides 2 to 16; later stages see too far for tiles
_HALF_TAPS = 4  # of the image at half size: strides 4 to 16 in pixels of the whole
_EARLY_SIDE = 36  # of a block of the early stages, in cells of 16 px: its largest tensor has less than 16 MiB
_LEAST_VARIANCE = 1e-4
_DROPOUT = 0.1  # of channels of the stages while the decoder is trained: a few hundred photographs are soon known
DECODER_REACH = 6
"""Two blocks of 5 x 5 and an enlargement at 1/16 and one block of 5 x 5 at 1/8, in cells of 16 px."""


class Features(NamedTuple):
    """The features of places, in parts that a 1x1 convolution may take one by one; `joined` is what it would see.

    Attributes:
        decoded: of the decoder, on the fine grid.
        fine: the stages on it, of unit spread.
        coarse: the stages on the coarse grid, of unit spread.
    """

    decoded: Float[Tensor, "b _ h8 w8"]
    fine: Float[Tensor, "b _ h8 w8"]
    coarse: Float[Tensor, "b _ h16 w16"]

    def joined(self) -> Float[Tensor, "b channels h8 w8"]:
        """All on the fine grid."""
        return torch.cat([self.decoded, self.fine, enlarge(self.coarse, self.fine)], 1)

    def mixed(
        self, weight: Float[Tensor, "n channels 1 1"], bias: Float[Tensor, " n"] | None
    ) -> Float[Tensor, "b n h8 w8"]:
        """1x1 convolution of `joined`. Enlarging is linear, so the coarse part is mixed before it is enlarged."""
        first, second = self.decoded.shape[1], self.decoded.shape[1] + self.fine.shape[1]
        mixed = pointwise(self.decoded, weight[:, :first], bias) + pointwise(self.fine, weight[:, first:second], None)
        return mixed + enlarge(pointwise(self.coarse, weight[:, second:], None), self.fine)


class StageCells(NamedTuple):
    """What is known of the places of images before anything is trained: the stages of the backbone, then statistics.

    Attributes:
        fine: means of channels of stages in cells of 8 px, each followed by the spread in the cell where it has more
            than one value, and `SingleStatistics`.
        coarse: means of channels of stages in cells of 16 px, and `SingleStatistics`.
    """

    fine: Float[Tensor, "b fine h8 w8"]
    coarse: Float[Tensor, "b coarse h16 w16"]


@dataclass(frozen=True)
class PmosArchitecture:
    """Sizes of a `PmosNetwork`.

    Args:
        backbone_width: factor on the channels of the backbone, see `BackboneArchitecture`.
        backbone_depth: factor on the repeats of the backbone.
        width: channels of the decoder at 1/8.
        deep: channels of the decoder at 1/16.
        hidden: channels inside of the head.
        embedding: size of the embedding of the thumbnail.
        film: False leaves the modulation by the embedding out.
        roi: False leaves the region-of-interest weights out.
        statistics: False leaves the fixed statistics out.
    """

    backbone_width: float = 1.0
    backbone_depth: float = 1.0
    width: int = 64
    deep: int = 96
    hidden: int = 64
    embedding: int = 64
    film: bool = True
    roi: bool = True
    statistics: bool = True

    @property
    def backbone(self) -> BackboneArchitecture:
        """All stages: the first ones see places, the last ones the thumbnail."""
        return BackboneArchitecture(self.backbone_width, self.backbone_depth)


class PmosEncoder(nn.Module):
    """(B, 3, H, W) in [0, 1], H and W multiples of 16 -> features (B, channels, H/8, W/8).

    The features are those of the decoder, which sees 1/8 and 1/16, and beside them the stages themselves, each brought
    to unit spread: a head that is fitted to few images finds in them what the decoder has thrown away. Local: nothing
    outside `reach_px` to any side matters.
    """

    reach_px = 184 + 16 * 5 + 8 * 3  # block 10 of the backbone; decoder and enlargement at 1/16; at 1/8

    def __init__(self, architecture: PmosArchitecture) -> None:
        super().__init__()
        width, deep = architecture.width, architecture.deep
        self.stages = EfficientNetLite(architecture.backbone)
        self.statistics = SingleStatistics() if architecture.statistics else None
        self.fine_channels, self.coarse_channels = self._channels()
        self.late_channels = sum(self.stages.channels[_LOCAL_TAPS:])
        self.channels = width + self.fine_channels + self.coarse_channels
        self.stem = Stem(self.fine_channels, width)
        self.stem_deep = Stem(self.coarse_channels, deep)
        self.deep = nn.Sequential(SpatialBlock(deep), SpatialBlock(deep))
        self.from_deep = Pointwise(deep, width)
        self.decode_blocks = nn.Sequential(SpatialBlock(width), PointwiseBlock(width))

    def _channels(self) -> tuple[int, int]:
        """Channels on the fine and on the coarse grid."""
        fine = self.statistics.fine_channels if self.statistics else 0
        coarse = self.statistics.coarse_channels if self.statistics else 0
        for factor, count in ((1, _LOCAL_TAPS), (2, _HALF_TAPS)):
            for stride, channels in zip(self.stages.strides[:count], self.stages.channels[:count], strict=True):
                if stride * factor > MOS_CELL_PX:
                    coarse += channels
                else:
                    fine += channels * (2 if stride * factor < MOS_CELL_PX else 1)
        return fine, coarse

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b {self.channels} h//8 w//8"]:
        return self.decode(self.see(image)).joined()

    def see(self, image: Float[Tensor, "b 3 h w"]) -> StageCells:
        """The stages and the statistics of images on the two grids. A large image goes through in parts."""
        fine: list[Tensor] = []
        coarse: list[Tensor] = []
        for factor, count in ((1, _LOCAL_TAPS), (2, _HALF_TAPS)):
            for stage in self._stages(image, factor, count):
                (coarse if image.shape[-1] // stage.shape[-1] == _COARSE_PX else fine).append(stage)
        if self.statistics:
            margin = REACH_PX // PART_PX
            fine8, coarse16 = in_parts(self.statistics, (image,), PART_PX, margin, side=_EARLY_SIDE)
            fine.append(fine8)
            coarse.append(coarse16)
        return StageCells(torch.cat(fine, 1), torch.cat(coarse, 1))

    def _stages(self, image: Tensor, factor: int, count: int) -> list[Tensor]:
        """The first `count` stages of an image `factor` times smaller, in cells."""
        strides = [stride * factor for stride in self.stages.strides[:count]]
        early_count = sum(stride <= EARLY_STRIDE for stride in self.stages.strides[:count])

        def early(block: Tensor) -> tuple[Tensor, ...]:
            cells: list[Tensor] = []
            small = pool(block, factor) if factor > 1 else block
            (last,) = self.stages.early(
                [small], count, lambda planes: cells.append(_cells(planes[0], strides[len(cells)]))
            )
            return (*cells, last)

        *found, last = in_parts(early, (image,), PART_PX, margin=factor, side=_EARLY_SIDE)
        late = [planes[0] for planes in self.stages.late([last], count)]
        return [*found, *(_cells(x, stride) for x, stride in zip(late, strides[early_count:], strict=True))]

    def decode(self, cells: StageCells) -> Features:
        """The features of cells of the stages; those of a place depend on at most `DECODER_REACH` cells of 16 px."""
        fine, coarse = (_last(F.dropout2d(x, _DROPOUT, self.training)) for x in cells)
        deep = self.from_deep(self.deep(self.stem_deep(coarse)))
        decoded = self.decode_blocks(self.stem(fine) + enlarge(deep, fine))
        return Features(decoded, self._unit(fine, self.stem), self._unit(coarse, self.stem_deep))

    @staticmethod
    def _unit(x: Tensor, stem: Stem) -> Tensor:
        return (x - stem.offset[:, None, None]) * stem.scale[:, None, None]

    def late(self, thumbnails: Float[Tensor, "b 3 _ _"]) -> Float[Tensor, "b {2*self.late_channels}"]:
        """Means and spreads of the last stages over thumbnails: what is depicted."""
        planes = self.stages(thumbnails)[_LOCAL_TAPS:]
        means = [plane.mean((2, 3)) for plane in planes]
        spreads = [torch.sqrt(plane.var((2, 3), unbiased=False) + _LEAST_VARIANCE) for plane in planes]
        return torch.cat([*means, *spreads], 1)

    @torch.no_grad()
    def calibrate(self, cells: StageCells) -> None:
        """Data-dependent scales of the stages from those of one batch of images, before training."""
        self.stem.calibrate(cells.fine)
        self.stem_deep.calibrate(cells.coarse)


def _cells(plane: Tensor, stride: int) -> Tensor:
    """A stage whose values are `stride` px apart -> means in cells of 8 px and, where a cell has more than one value,
    the spread in it; as it is where its cells are 16 px wide."""
    side = MOS_CELL_PX // stride
    if side <= 1:
        return plane
    mean, square = F.avg_pool2d(plane, side), F.avg_pool2d(plane.square(), side)
    return torch.cat([mean, torch.sqrt((square - mean.square()).clamp_min(0) + _LEAST_VARIANCE)], 1)


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
