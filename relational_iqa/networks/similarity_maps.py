"""Local, non-negative visibilities of the difference between a test image and its reference: exactly 0 where equal.

The ideas are those of the conventional metrics (gradient similarity as in GMSD and FSIM, chroma as in MDSI, contrast
and structure as in SSIM), written as (x - y)^2 / (x^2 + y^2 + c) = 1 - similarity, which rounds to exactly 0 for x = y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from relational_iqa.networks.local_analysis import halves, opponent, pool

SCALES = 3
# Constants of the similarities, for images in [0, 1]; of the order of those in GMSD (170/255^2) and SSIM ((.03)^2).
_C_GRADIENT = 170.0 / 255**2
_C_STRUCTURE = 0.03**2
_C_CHROMA = 0.02
_C_LUMINANCE = 0.02
_LUMINANCE_GAIN = 4.0


def _mean3(x: Tensor) -> Tensor:
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    x = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]
    return (x[..., :-2] + x[..., 1:-1] + x[..., 2:]) * (1 / 9)


def soft_root(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Square root of x >= 0 with a finite slope at 0 and exactly 0 there."""
    return x / (torch.sqrt(x + 1e-6) + 1e-3)


@dataclass(frozen=True)
class _Local:
    """Local features of planes (B, 3, h, w).

    Args:
        gx: Prewitt derivative along x (3x3, border replicated).
        gy: the same along y.
        square: squared size of the gradient.
        size: size of the gradient.
        mean: means of 3x3 pixels.
        detail: deviation of luma from its mean.
        contrast: mean square of that deviation.
    """

    gx: Tensor
    gy: Tensor
    square: Tensor
    size: Tensor
    mean: Tensor
    detail: Tensor
    contrast: Tensor

    @staticmethod
    def of(planes: Tensor) -> _Local:
        padded = F.pad(planes, (1, 1, 1, 1), mode="replicate")
        rows = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
        columns = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
        gx = (rows[..., 2:] - rows[..., :-2]) * (1 / 3)
        gy = (columns[..., 2:, :] - columns[..., :-2, :]) * (1 / 3)
        mean = (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) * (1 / 9)
        square = gx * gx + gy * gy + 1e-8
        detail = planes[:, :1] - mean[:, :1]
        return _Local(gx, gy, square, torch.sqrt(square), mean, detail, _mean3(detail * detail))

    def halves(self) -> tuple[_Local, _Local]:
        """Those of the first and of the second half of the batch."""
        pairs = [halves(value) for value in vars(self).values()]
        return _Local(*(x for x, _ in pairs)), _Local(*(y for _, y in pairs))


class LocalFeatures(NamedTuple):
    """What images give to comparisons.

    Attributes:
        scales: local features at every scale.
        planes: (b, 3, h/8, w/8), opponent channels at the last scale.
    """

    scales: tuple[_Local, ...]
    planes: Tensor


def halves_of(found: LocalFeatures) -> tuple[LocalFeatures, LocalFeatures]:
    """Those of the first and of the second half of the batch."""
    scales = [local.halves() for local in found.scales]
    first, second = halves(found.planes)
    return LocalFeatures(tuple(x for x, _ in scales), first), LocalFeatures(tuple(y for _, y in scales), second)


def _squared(x: Tensor) -> Tensor:
    return x * x


class SimilarityMaps(nn.Module):
    """(test, reference), each (B, 3, H, W) in [0, 1], H and W multiples of 16 -> visibilities (B, `channels`, H/8, W/8)
    >= 0, and masking cues of the reference (B, `cues`, H/8, W/8).

    At 1/2, 1/4 and 1/8 of the size: the finest structure is judged by the bands of `PairStatistics`, and conventional
    metrics (GMSD, MDSI, FSIM, VSI) halve the image first as well.
    """

    channels = 2 * 8 * SCALES
    cues = 2 * SCALES + 3

    def forward(
        self, test: Float[Tensor, "b 3 h w"], reference: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b {self.channels} h//8 w//8"], Float[Tensor, "b {self.cues} h//8 w//8"]]:
        return self.of_pair(*halves_of(self.of_images(torch.cat([test, reference]))))

    def of_images(self, images: Float[Tensor, "b 3 h w"]) -> LocalFeatures:
        """What each image gives to all comparisons that it is part of."""
        planes = opponent(pool(images, 2))
        scales = [_Local.of(planes)]
        for _ in range(1, SCALES):
            planes = pool(planes, 2)
            scales.append(_Local.of(planes))
        return LocalFeatures(tuple(scales), planes)

    def of_pair(
        self, test: LocalFeatures, reference: LocalFeatures
    ) -> tuple[Float[Tensor, "b {self.channels} _ _"], Float[Tensor, "b {self.cues} _ _"]]:
        """What `forward` gives, of what both images give."""
        maps: list[Tensor] = []
        cues: list[Tensor] = []
        for scale, (x, y) in enumerate(zip(test.scales, reference.scales, strict=True)):
            visible, activity = self._one_scale(x, y)
            factor = 4 // 2**scale
            maps.append(pool(visible, factor) if factor > 1 else visible)
            cues.append(pool(activity, factor) if factor > 1 else activity)
        cues.append(reference.planes)
        visibilities = torch.cat(maps, 1)
        # The square root weighs faint differences like the metrics that pool a deviation (GMSD), not a square.
        return torch.cat([visibilities, soft_root(visibilities)], 1), torch.cat(cues, 1)

    @staticmethod
    def _one_scale(x: _Local, y: _Local) -> tuple[Tensor, Tensor]:
        edges = x.square + y.square + _C_GRADIENT
        size = _squared(x.size - y.size) / edges
        vector = (_squared(x.gx - y.gx) + _squared(x.gy - y.gy)) / edges
        structure = _mean3(_squared(x.detail - y.detail)) / (x.contrast + y.contrast + _C_STRUCTURE)
        shift, level = _squared(x.mean - y.mean), _squared(x.mean) + _squared(y.mean)
        chroma = shift[:, 1:] / (level[:, 1:] + _C_CHROMA)
        visible = torch.cat(
            [
                size[:, :1],
                vector[:, :1],
                size[:, 1:2] + size[:, 2:],
                vector[:, 1:2] + vector[:, 2:],
                structure,
                shift[:, :1] * _LUMINANCE_GAIN,
                chroma[:, :1] + chroma[:, 1:],
                shift[:, :1] / (level[:, :1] + _C_LUMINANCE),
            ],
            1,
        )
        return visible, torch.cat([torch.log(y.size[:, :1] + 0.01) + 2, torch.log(y.contrast + 1e-5) / 2 + 3], 1)
