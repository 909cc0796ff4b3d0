"""PSNR, SSIM and VSI of two 8-bit images of any size, some rows at a time: memory does not grow with the images.

All three allow it. The mean squared error is a sum over pixels. SSIM and VSI average blocks of pixels first, so that
the shorter side is near 256 px, and the saliency of VSI is computed at 256 x 256. The numbers are those of `psnr`,
`ssim` and `vsi` of the whole images but for the rounding of sums.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from torch import Tensor

from relational_iqa.conventional.common import RGB_TO_LMN, mix_channels, shrink, viewing_factor
from relational_iqa.conventional.saliency import SALIENCY_SIDE_PX, pooled_similarity, small_saliency
from relational_iqa.conventional.structural import ssim

_STRIP_PX = 1 << 19


def psnr_in_strips(test: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]) -> float | None:
    """Peak signal-to-noise ratio in dB, peak 255; None for equal images, where it is infinite."""
    squares = 0
    for rows in _slices(test.shape[0], test.shape[1], 1):
        difference = test[rows].astype(np.int32) - reference[rows]
        squares += int((difference * difference).sum(dtype=np.int64))
    return 10 * math.log10(255**2 * test.size / squares) if squares else None


def ssim_in_strips(test: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]) -> float:
    """Structural similarity, 1 for equal images."""
    height, width = test.shape[:2]
    factor = _factor(height, width)
    whole = height - height % factor  # blocks that the lower edge cuts are left out, as by `shrink`

    def small(image: UInt8[np.ndarray, "h w 3"]) -> Tensor:
        return torch.cat([shrink(_tensor(image[rows]), factor) for rows in _slices(whole, width, factor)], dim=2)

    return float(ssim(small(test), small(reference), downsample=False))


def vsi_in_strips(test: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]) -> float:
    """Visual saliency-induced index, 1 for equal images."""
    x, y = (mix_channels(_colours(image) * 255, RGB_TO_LMN) for image in (test, reference))
    return float(pooled_similarity(x, y, _saliency(test), _saliency(reference)))


def _colours(image: UInt8[np.ndarray, "h w 3"]) -> Float32[Tensor, "1 3 _ _"]:
    """The image at viewing scale, with borders as by `shrink(pad="replicate")`."""
    height, width = image.shape[:2]
    return torch.cat([_blocks(_tensor(image[rows]), height, width) for rows in _padded_rows(height, width)], dim=2)


def _saliency(image: UInt8[np.ndarray, "h w 3"]) -> Float32[Tensor, "1 1 _ _"]:
    """Its saliency in [0, 1] at viewing scale, by the values that it has in every pixel."""
    height, width = image.shape[:2]
    joint = small_saliency(_sampled(image))[0, 0]
    columns = _resampled(joint.T, _positions(width)).T  # (256, w)
    low, high = math.inf, -math.inf
    parts = []
    for rows in _padded_rows(height, width):
        full = _resampled(columns, _positions(height)[torch.from_numpy(rows)])
        low, high = min(low, float(full.min())), max(high, float(full.max()))
        parts.append(_blocks(full[None, None], height, width))
    return (torch.cat(parts, dim=2) - low) / max(high - low, torch.finfo(torch.float32).eps)


def _sampled(image: UInt8[np.ndarray, "h w 3"]) -> Float32[Tensor, "1 3 256 256"]:
    """The image at 256 x 256 as by F.interpolate, bilinear, without smoothing."""
    rows, columns = (_centres(size) for size in image.shape[:2])
    above = rows.floor().long()
    below = (above + 1).clamp_max(image.shape[0] - 1)
    part = (rows - above)[:, None, None]
    one, other = (torch.from_numpy(image[near.numpy()].astype(np.float32)).div(255) for near in (above, below))
    lines = one * (1 - part) + other * part  # (256, w, 3)
    return _resampled(lines.transpose(0, 1), columns).permute(2, 1, 0)[None].contiguous()


def _centres(size: int) -> Float32[Tensor, " 256"]:
    """Where the centres of 256 pixels lie among `size` pixels, not before the first of them."""
    return ((torch.arange(SALIENCY_SIDE_PX) + 0.5) * (size / SALIENCY_SIDE_PX) - 0.5).clamp(0, size - 1)


def _positions(size: int) -> Float32[Tensor, " {size}"]:
    """Where `size` pixels lie among 256, corner upon corner."""
    return torch.arange(size) * ((SALIENCY_SIDE_PX - 1) / max(1, size - 1))


def _resampled(values: Tensor, positions: Float32[Tensor, " _"]) -> Tensor:
    """Linear interpolation along the first axis, which has the length of `positions` then."""
    lower = positions.floor().long().clamp(0, values.shape[0] - 1)
    upper = (lower + 1).clamp_max(values.shape[0] - 1)
    part = (positions - lower).view(-1, *[1] * (values.dim() - 1))
    return values[lower] * (1 - part) + values[upper] * part


def _blocks(rows: Float32[Tensor, "1 c _ w"], height: int, width: int) -> Float32[Tensor, "1 c _ _"]:
    """Means over blocks, of rows of `_padded_rows`."""
    factor = _factor(height, width)
    return F.avg_pool2d(F.pad(rows, (factor // 2, (factor - 1) // 2, 0, 0), mode="replicate"), factor)


def _padded_rows(height: int, width: int) -> Iterator[np.ndarray]:
    """Indices of rows, from top to bottom a multiple of the factor at a time, with the first and the last row repeated
    as by `shrink(pad="replicate")`."""
    factor = _factor(height, width)
    padded = height + factor - 1
    for rows in _slices(padded - padded % factor, width, factor):
        yield np.clip(np.arange(rows.start, rows.stop) - factor // 2, 0, height - 1)


def _slices(height: int, width: int, multiple: int) -> Iterator[slice]:
    """Rows from top to bottom, a multiple of so many at a time."""
    step = max(1, _STRIP_PX // (width * multiple)) * multiple
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def _factor(height: int, width: int) -> int:
    return viewing_factor(torch.empty((height, width), device="meta"))


def _tensor(image: UInt8[np.ndarray, "h w 3"]) -> Float32[Tensor, "1 3 h w"]:
    return torch.from_numpy(image.astype(np.float32)).div(255).permute(2, 0, 1)[None].contiguous()
