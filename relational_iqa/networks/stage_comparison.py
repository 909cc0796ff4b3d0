"""What the stages of the judgement's backbone see of the difference between an image and its reference, cell by cell:
structure and mean of every stage, as `stage_distances`, from sums that tiles can add.

They see what is lost in texture and content where fixed statistics of pixels see energy only. With the form of SSIM and
DISTS (Ding et al., IEEE TPAMI 2022, eq. 4 and 5), written by the difference, so that equal images give exactly 0.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from relational_iqa.networks.in_parts import in_parts
from relational_iqa.networks.judgement import Judgement
from relational_iqa.networks.stage_cells import Seen

_FLOOR = 0.01  # of the variance of a channel in photographs: below that two windows are equally flat


class StageComparison(NamedTuple):
    """What the stages see at every cell, in windows of 3 x 3 cells, mean over the channels of a stage.

    Attributes:
        distances: (b, 2 stages, h, w): of every stage 1 minus the correlation, in [0, 2]; then of every stage the
            difference of the means, in [0, 2]. Exactly 0 where the two are equal.
        activity: (b, stages, h, w): logarithm of the variance of every stage in the reference, relative to that of
            photographs.
    """

    distances: Float[Tensor, "b twice_stages h w"]
    activity: Float[Tensor, "b stages h w"]


def compare_stages(judgement: Judgement, test: Seen, reference: Seen) -> StageComparison:
    """Compares test images with their references.

    Args:
        judgement: whose stages they are.
        test: what its backbone sees of the test images.
        reference: what it sees of the references.

    Raises:
        ValueError: for test images that were seen without their references.
    """
    if test.apart is None:
        raise ValueError("the test images were seen without their references")
    inputs = (test.moments, reference.moments, test.apart)
    return StageComparison(*in_parts(partial(_compared, judgement), inputs, 1, margin=1))


def _compared(judgement: Judgement, test: Tensor, reference: Tensor, apart: Tensor) -> tuple[Tensor, Tensor]:
    test, reference, apart = (F.avg_pool2d(part, 3, 1, 1, count_include_pad=False) for part in (test, reference, apart))
    (mean_x, square_x), (mean_y, square_y) = (part.chunk(2, 1) for part in (test, reference))
    variance_x, variance_y = (
        (second - first.square()).clamp_min(0) for first, second in ((mean_x, square_x), (mean_y, square_y))
    )
    step = (mean_x - mean_y).square()
    structure = (apart - step).clamp_min(0) / (variance_x + variance_y + _FLOOR)
    zero = (judgement.channel_mean * judgement.channel_scale)[:, None, None]
    mean = step / ((mean_x + zero).square() + (mean_y + zero).square() + _FLOOR)
    structure, mean, variance = (_by_stage(judgement, values) for values in (structure, mean, variance_y))
    return torch.cat([structure, mean], 1), torch.log(variance + _FLOOR)


def _by_stage(judgement: Judgement, values: Tensor) -> Tensor:
    channels = judgement.stages.channels
    parts = values.split([*channels, *channels[: judgement.architecture.half_taps]], 1)
    return torch.cat([part.mean(1, keepdim=True) for part in parts], 1)
