"""What the stages of a backbone hold in every cell of 16 px of an image: means of their channels, of the squares, and
of the squared differences to a reference.

Large images go through the early stages block by block, several at once, so that no stage of a large image has to be
kept; where they are equal, they are seen once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from distortion_engine.jobs.progress import part
from relational_iqa.networks.backbone import EARLY_STRIDE, EfficientNetLite
from relational_iqa.networks.in_parts import CELL_PX, each_once, in_parts
from relational_iqa.networks.local_analysis import pool

_EARLY_SIDE = 36  # of a block of the early stages, in cells: its largest tensor has less than 16 MiB


class Seen(NamedTuple):
    """What the backbone sees of images.

    Attributes:
        moments: (b, 2 c, h, w) means in every cell of 16 px of all channels, brought to zero mean and unit spread, and
            of their squares.
        apart: (b, c, h, w) means of the squared differences of these channels to those of the reference; None for the
            reference.
    """

    moments: Float[Tensor, "b twice_channels h w"]
    apart: Float[Tensor, "b channels h w"] | None


@dataclass(frozen=True)
class StageCells:
    """Brings stages to cells.

    Args:
        stages: the backbone.
        half_taps: how many of its stages are used of images at half size, too.
        channel_mean: of all channels, at full and then at half size.
        channel_scale: one over their spread.
        against: whether the last image is the reference of the others.
    """

    stages: EfficientNetLite
    half_taps: int
    channel_mean: Float[Tensor, " channels"]
    channel_scale: Float[Tensor, " channels"]
    against: bool

    def see(self, images: Sequence[Float[Tensor, "b 3 h w"]]) -> list[Seen]:
        """What is seen of images of one size, both sides multiples of 16."""
        found: list[Sequence[Tensor]] = []  # of every stage what `_Cells` gives
        for factor, count, share in ((1, None, 0.85), (2, self.half_taps, 0.15)):
            with part(share):
                found += self._of_size(images, factor, count) if count != 0 else []
        number = len(images)
        seen = []
        for index in range(number):
            means, squares = ([stage[k] for stage in found] for k in (index, number + index))
            (moments,) = in_parts(_joined, (*means, *squares), 1, margin=0)
            apart = None
            if self.against and index < number - 1:
                (apart,) = in_parts(_joined, [stage[2 * number + index] for stage in found], 1, margin=0)
            seen.append(Seen(moments, apart))
        return seen

    def _of_size(self, images: Sequence[Tensor], factor: int, count: int | None) -> list[tuple[Tensor, ...]]:
        """What `_Cells` gives for the first `count` stages of images, or all, `factor` times smaller."""
        strides, channels = self.stages.strides[:count], self.stages.channels[:count]
        early_count = sum(stride <= EARLY_STRIDE for stride in strides)
        first = 0 if factor == 1 else sum(self.stages.channels)
        kinds = []
        for stride, width in zip(strides, channels, strict=True):
            own = slice(first, first := first + width)
            shift, scale = self.channel_mean[own, None, None], self.channel_scale[own, None, None]
            kinds.append(_Cells(CELL_PX // (factor * stride), shift, scale, self.against))

        def early(*blocks: Tensor) -> tuple[Tensor, ...]:
            small = [pool(block, factor) if factor > 1 else block for block in blocks]
            cells: list[tuple[Tensor, ...]] = []
            last = self.stages.early(small, count, lambda planes: cells.append(kinds[len(cells)](*planes)))
            return (*(x for stage in cells for x in stage), *last)

        with part(0.5):
            found = in_parts(early, images, CELL_PX, margin=factor, side=_EARLY_SIDE)
        cells, last = found[: -len(images)], found[-len(images) :]
        each = len(cells) // max(1, early_count)
        stages = [cells[i * each : (i + 1) * each] for i in range(early_count)]
        for stage, kind in zip(self.stages.late(last, count), kinds[early_count:], strict=True):
            stages.append(in_parts(kind, stage, kind.side, margin=0))
        return stages


@dataclass(frozen=True)
class _Cells:
    """Of a stage of several images: means in cells of its channels, brought to zero mean and unit spread, then of their
    squares; then, where the last image is the reference of the others, of their squared differences to it.

    Args:
        side: values of the stage along a side of a cell.
        shift: mean of every channel.
        scale: one over its spread.
        against: whether the last image is a reference.
    """

    side: int
    shift: Float[Tensor, "channels 1 1"]
    scale: Float[Tensor, "channels 1 1"]
    against: bool

    def __call__(self, *planes: Tensor) -> tuple[Tensor, ...]:
        means, squares = zip(*each_once(self._moments, planes), strict=True)
        if not self.against:
            return *means, *squares
        *tests, reference = planes
        apart = each_once(lambda plane: self._mean((plane - reference).square()) * self.scale.square(), tests)
        return *means, *squares, *apart

    def _moments(self, plane: Tensor) -> tuple[Tensor, Tensor]:
        mean, square = self._mean(plane), self._mean(plane.square())
        apart = mean - self.shift
        return apart * self.scale, (square - self.shift * (mean + apart)) * self.scale.square()

    def _mean(self, values: Tensor) -> Tensor:
        return values if self.side == 1 else F.avg_pool2d(values, self.side)


def _joined(*parts: Tensor) -> tuple[Tensor]:
    return (torch.cat(parts, 1),)
