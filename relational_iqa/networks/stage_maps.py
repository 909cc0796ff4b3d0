"""Maps of how far two images differ in the stages of a frozen backbone, at full and at half size: the deep streams of
SPIPS.

Structure and mean are compared in windows of 7 x 7 values of each stage, in the forms of `stage_distances`, place by
place. The floor that calls two windows equally flat is a constant of each channel, not of the image, so that maps are
local and tiles give those of the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.backbone import EfficientNetLite
from relational_iqa.networks.local_analysis import opponent, pool
from relational_iqa.networks.stage_distances import WINDOW

CELL_PX = 16
"""Side of a cell of the maps, in pixels of the image."""
OPPONENT = 3
"""Channels of brightness and colour at the end of a context."""
_STEP_PX = 8  # from window to window, where a stage has finer values
_FLOOR = 0.01  # of the variance of a channel
_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class StageMaps:
    """Images beside their references, at every cell of 16 px.

    Args:
        structure: 1 minus the correlation of the windows of each stage, halved, in [0, 1]; exactly 0 where the images
            are equal.
        mean: difference of the means of the windows of each stage, halved, in [0, 1]; exactly 0 where the images are
            equal.
        reference: how busy every stage of the reference is (logarithm of the variance of its windows beside that of
            photographs), then brightness and colour of the reference.
        test: the same of the image.
    """

    structure: Float[Tensor, "b stages h w"]
    mean: Float[Tensor, "b stages h w"]
    reference: Float[Tensor, "b context h w"]
    test: Float[Tensor, "b context h w"]


class StageComparison(nn.Module):
    """Compares images with their references in the stages of a backbone.

    Args:
        backbone: it stays as it is.
        full_taps: how many of its stages, from the finest on, are compared of the images at full size.
        half_taps: how many are compared of the images at half size.

    Attributes:
        own_strides: of every stage that is compared, those at full size first, in pixels of what the backbone sees.
        strides: the same in pixels of the image.
        variance: of every channel of these stages, on photographs; see `calibrate`.

    Raises:
        ValueError: for numbers of stages that the backbone does not have.
    """

    def __init__(self, backbone: EfficientNetLite, full_taps: int, half_taps: int) -> None:
        super().__init__()
        for name, count in (("full_taps", full_taps), ("half_taps", half_taps)):
            if not 0 <= count <= len(backbone.strides):
                raise ValueError(f"{name} is {count}: expected 0 to {len(backbone.strides)}")
        if not full_taps + half_taps:
            raise ValueError("full_taps and half_taps are 0: no stage is left")
        self.backbone, self.full_taps, self.half_taps = backbone.requires_grad_(False), full_taps, half_taps
        full, half = backbone.strides[:full_taps], backbone.strides[:half_taps]
        self.own_strides = (*full, *half)
        self.strides = (*full, *(2 * stride for stride in half))
        self.channels = (*backbone.channels[:full_taps], *backbone.channels[:half_taps])
        self.variance: Tensor
        self.register_buffer("variance", torch.ones(sum(self.channels)))
        self.eval()

    def train(self, mode: bool = True) -> StageComparison:
        """Stays in eval mode, in which the backbone computes the same bits whatever is trained on top."""
        return super().train(False)

    def forward(self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "n 3 h w"]) -> StageMaps:
        """Maps of b images, whose number is a multiple of that of the references; sides are multiples of 16."""
        cells = test.shape[-2] // CELL_PX, test.shape[-1] // CELL_PX
        times = len(test) // len(reference)
        variances = self.variance.split(self.channels)
        structures, means = [], []
        activities: tuple[list[Tensor], list[Tensor]] = ([], [])
        stages = zip(self._stages(test), self._stages(reference), self.strides, variances, strict=True)
        for x, y, stride, variance in stages:
            scale = variance[:, None, None]
            windows = _Windows(max(1, _STEP_PX // stride), _FLOOR * scale)
            of_test, of_reference = windows.moments(x), windows.moments(y)
            whole = of_reference[0].repeat_interleave(times, 0), of_reference[1].repeat_interleave(times, 0)
            structure, mean = windows.distances(x - y.repeat_interleave(times, 0), of_test, whole)
            structures.append(_on_cells(structure / 2, stride, cells))
            means.append(_on_cells(mean / 2, stride, cells))
            for found, (_, spread) in zip(activities, (of_reference, of_test), strict=True):
                busy = torch.log((spread / scale).mean(1, keepdim=True) + _FLOOR)
                found.append(_on_cells(busy, stride, cells))
        pristine, seen = (
            torch.cat([*found, pool(opponent(image), CELL_PX)], 1)
            for found, image in zip(activities, (reference, test), strict=True)
        )
        pristine = pristine.repeat_interleave(times, 0)
        return StageMaps(torch.cat(structures, 1), torch.cat(means, 1), pristine, seen)

    def _stages(self, image: Tensor) -> Iterator[Tensor]:
        if self.full_taps:
            yield from self.backbone(image, self.full_taps)
        if self.half_taps:
            yield from self.backbone(pool(image, 2), self.half_taps)

    @torch.no_grad()
    def calibrate(self, images: Float[Tensor, "b 3 h w"]) -> None:
        """Takes the variance of every channel from photographs."""
        found = [stage.var((0, 2, 3), correction=0) for stage in self._stages(images)]
        self.variance.copy_(torch.cat(found).clamp_min(_LEAST_VARIANCE))


@dataclass(frozen=True)
class _Windows:
    """Windows of 7 x 7 values of a stage.

    Args:
        step: values from window to window.
        floor: (c, 1, 1), variance below which two windows are equally flat.
    """

    step: int
    floor: Tensor

    def average(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, WINDOW, self.step, WINDOW // 2, count_include_pad=False)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance."""
        mean = self.average(x)
        return mean, (self.average(x.square()) - mean.square()).clamp_min(0)

    def distances(self, apart: Tensor, x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """(structure, mean) of images and references whose difference is `apart`, 0 to 2, means over the channels."""
        step = (x[0] - y[0]).square()
        # Written by the difference, so that equal images give exactly 0.
        structure = (self.average(apart.square()) - step).clamp_min(0) / (x[1] + y[1] + self.floor)
        mean = step / (x[0].square() + y[0].square() + self.floor)
        return structure.mean(1, keepdim=True).clamp_max(2), mean.mean(1, keepdim=True)


def _on_cells(values: Tensor, stride: int, cells: tuple[int, int]) -> Tensor:
    """Values of windows -> on the grid of cells: means of finer ones, bilinear between coarser ones."""
    if stride <= CELL_PX:
        step = max(stride, _STEP_PX)
        return values if step == CELL_PX else F.avg_pool2d(values, CELL_PX // step)
    times = stride // CELL_PX
    fine = F.interpolate(values, scale_factor=times, mode="bilinear", align_corners=False)
    return fine[..., : cells[0], : cells[1]]
