"""Local, non-negative visibilities of the difference between a test image and its reference: exactly 0 where equal.

The ideas are those of the conventional metrics (gradient similarity as in GMSD and FSIM, chroma as in MDSI, contrast
and structure as in SSIM), written as (x - y)^2 / (x^2 + y^2 + c) = 1 - similarity, which rounds to exactly 0 for x = y.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relational_iqa.networks.local_analysis import opponent, pool

SCALES = 3
# Constants of the similarities, for images in [0, 1]; of the order of those in GMSD (170/255^2) and SSIM ((.03)^2).
_C_GRADIENT = 170.0 / 255**2
_C_STRUCTURE = 0.03**2
_C_CHROMA = 0.02
_C_LUMINANCE = 0.02
_LUMINANCE_GAIN = 4.0


def _prewitt(x: Tensor) -> tuple[Tensor, Tensor]:
    """3x3 Prewitt derivatives, replicated border, by slices."""
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = (x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]) / 3
    columns = (x[..., :-2] + x[..., 1:-1] + x[..., 2:]) / 3
    return rows[..., 2:] - rows[..., :-2], columns[..., 2:, :] - columns[..., :-2, :]


def _mean3(x: Tensor) -> Tensor:
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    x = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]
    return (x[..., :-2] + x[..., 1:-1] + x[..., 2:]) / 9


def soft_root(x: Tensor) -> Tensor:
    """Square root of x >= 0 with a finite slope at 0 and exactly 0 there."""
    return x / (torch.sqrt(x + 1e-6) + 1e-3)


def _dissimilarity(x: Tensor, y: Tensor, constant: float) -> Tensor:
    return (x - y) ** 2 / (x * x + y * y + constant)


class SimilarityMaps(nn.Module):
    """(test, reference), each (B, 3, H, W) in [0, 1], H and W multiples of 16 -> visibilities (B, `channels`, H/8, W/8)
    >= 0, and masking cues of the reference (B, `cues`, H/8, W/8).

    At 1/2, 1/4 and 1/8 of the size: the finest structure is judged by the bands of `PairStatistics`, and conventional
    metrics (GMSD, MDSI, FSIM, VSI) halve the image first as well.
    """

    channels = 2 * 8 * SCALES
    cues = 2 * SCALES + 3

    def forward(self, test: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        planes = opponent(pool(torch.cat([test, reference]), 2))
        maps: list[Tensor] = []
        cues: list[Tensor] = []
        for scale in range(SCALES):
            if scale:
                planes = pool(planes, 2)
            x, y = planes.split(len(test))
            visible, activity = self._one_scale(x, y)
            factor = 4 // 2**scale
            maps.append(pool(visible, factor) if factor > 1 else visible)
            cues.append(pool(activity, factor) if factor > 1 else activity)
        cues.append(y)
        visibilities = torch.cat(maps, 1)
        # The square root weighs faint differences like the metrics that pool a deviation (GMSD), not a square.
        return torch.cat([visibilities, soft_root(visibilities)], 1), torch.cat(cues, 1)

    @staticmethod
    def _one_scale(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        gx_x, gy_x = _prewitt(x)
        gx_y, gy_y = _prewitt(y)
        magnitude_x = torch.sqrt(gx_x**2 + gy_x**2 + 1e-8)
        magnitude_y = torch.sqrt(gx_y**2 + gy_y**2 + 1e-8)
        vector = (gx_x - gx_y) ** 2 + (gy_x - gy_y) ** 2
        vector = vector / (magnitude_x**2 + magnitude_y**2 + _C_GRADIENT)
        mean_x, mean_y = _mean3(x), _mean3(y)
        detail_x, detail_y = x[:, :1] - mean_x[:, :1], y[:, :1] - mean_y[:, :1]
        moments = _mean3(torch.cat([(detail_x - detail_y) ** 2, detail_x**2, detail_y**2], 1))
        structure = moments[:, :1] / (moments[:, 1:2] + moments[:, 2:] + _C_STRUCTURE)
        visible = torch.cat(
            [
                _dissimilarity(magnitude_x[:, :1], magnitude_y[:, :1], _C_GRADIENT),
                vector[:, :1],
                _dissimilarity(magnitude_x[:, 1:], magnitude_y[:, 1:], _C_GRADIENT).sum(1, keepdim=True),
                vector[:, 1:].sum(1, keepdim=True),
                structure,
                ((mean_x - mean_y) ** 2)[:, :1] * _LUMINANCE_GAIN,
                _dissimilarity(mean_x[:, 1:], mean_y[:, 1:], _C_CHROMA).sum(1, keepdim=True),
                _dissimilarity(mean_x[:, :1], mean_y[:, :1], _C_LUMINANCE),
            ],
            1,
        )
        activity = torch.cat([torch.log(magnitude_y[:, :1] + 0.01) + 2, torch.log(moments[:, 2:] + 1e-5) / 2 + 3], 1)
        return visible, activity
