"""Full-reference distances between the stages of a backbone: what is different in texture and content, where fixed
statistics of pixels see energy only.

Structure and mean are compared in windows of 7 x 7 cells of each stage, with the form of SSIM and DISTS (Ding et al.,
IEEE TPAMI 2022, eq. 4 and 5), the image at half size. No score of people has a part in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from relational_iqa.networks.backbone import EfficientNetLite

WINDOW = 7
COARSE_STRIDE = 8
"""Structure is compared from the stages of this stride on: what finer ones have in place is noise to the eye."""
_FLOOR = 0.01  # of the variance of a channel in the reference: below that two windows are equally flat


class StageDistances(NamedTuple):
    """Distances of images to their references.

    Attributes:
        structure: 1 minus the correlation of the windows, 0 to 2, mean over the stages of stride 8 and more.
        mean: difference of the means of the windows, 0 to 2, mean over all stages.
    """

    structure: Float[Tensor, " b"]
    mean: Float[Tensor, " b"]


def stage_distances(
    test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "b 3 h w"], backbone: EfficientNetLite
) -> StageDistances:
    """Distances of `test` to `reference`, sRGB in [0, 1]; exactly 0 where the two are equal."""
    stages = backbone(F.avg_pool2d(test, 2)), backbone(F.avg_pool2d(reference, 2))
    return _between(*stages, backbone.strides)


def distances_to_first(images: Float[Tensor, "b 3 h w"], backbone: EfficientNetLite) -> Float[Tensor, "b 2"]:
    """Distances of all images to the first one, structure and mean: `stage_distances` at half of its cost."""
    stages = backbone(F.avg_pool2d(images, 2))
    return torch.stack(_between(stages, [stage[:1] for stage in stages], backbone.strides), 1)


def _between(test: Sequence[Tensor], reference: Sequence[Tensor], strides: Sequence[int]) -> StageDistances:
    structures, means = [], []
    for x, y, stride in zip(test, reference, strides, strict=True):
        structure, mean = _windowed(x, y)
        means.append(mean)
        if stride >= COARSE_STRIDE:
            structures.append(structure)
    return StageDistances(torch.stack(structures).mean(0), torch.stack(means).mean(0))


def _windowed(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(structure, mean) distances (b,) of a stage, mean over windows and channels."""
    floor = _FLOOR * y.var((2, 3), correction=0, keepdim=True).clamp_min(1e-6)
    side = min(WINDOW, *x.shape[-2:])
    around = [F.avg_pool2d(part, side, 1) for part in (x, y, x * x, y * y, (x - y).square())]
    mean_x, mean_y, square_x, square_y, square_d = around
    variances = (square_x - mean_x.square()).clamp_min(0) + (square_y - mean_y.square()).clamp_min(0)
    # 1 - (2 cov + floor) / (variances + floor), written by the difference so that equal images give exactly 0.
    apart = (square_d - (mean_x - mean_y).square()).clamp_min(0)
    structure = apart / (variances + floor)
    mean = (mean_x - mean_y).square() / (mean_x.square() + mean_y.square() + floor)
    return structure.mean((1, 2, 3)), mean.mean((1, 2, 3))
