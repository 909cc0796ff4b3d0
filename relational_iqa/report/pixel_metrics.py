"""PSNR, SSIM and VSI of two images of any size, for the strip of a report.

PSNR and SSIM are those of `conventional` for 8-bit pixels, taken some rows at a time: the mean squared error is a sum
over pixels, and SSIM first averages blocks of pixels. VSI needs whole images, and is left out beyond MOST_VSI_PIXELS.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from relational_iqa.conventional import ssim, vsi
from relational_iqa.conventional.common import shrink, viewing_factor

MOST_VSI_PIXELS = 16_000_000  # above it VSI takes more than a gigabyte
_STRIP_PX = 1 << 20


@dataclass(frozen=True)
class PixelMetric:
    """A published metric of one pair.

    Args:
        name: for example "PSNR".
        text: value and unit, or "not computed".
        about: what it measures and which way is better.
    """

    name: str
    text: str
    about: str


def pixel_metrics(test: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]) -> tuple[PixelMetric, ...]:
    """PSNR, SSIM and VSI. They are symmetric: swapping the two images changes nothing."""
    noise = strip_psnr(test, reference)
    large = test.shape[0] * test.shape[1] > MOST_VSI_PIXELS
    said = f"not computed above {MOST_VSI_PIXELS / 1e6:.0f} megapixels" if large else ""
    return (
        PixelMetric(
            "PSNR",
            "infinite" if noise is None else f"{noise:.1f} dB",
            "peak signal-to-noise ratio; higher is closer, infinite for equal images",
        ),
        PixelMetric("SSIM", f"{strip_ssim(test, reference):.3f}", "structural similarity; 1 for equal images"),
        PixelMetric(
            "VSI",
            said or f"{float(vsi(_tensor(test), _tensor(reference))):.3f}",
            "visual saliency-induced index; 1 for equal images",
        ),
    )


def strip_psnr(test: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]) -> float | None:
    """Peak signal-to-noise ratio in dB; None for equal images, where it is infinite."""
    squares = 0
    for x, y in _strips(test, reference, 1):
        difference = x.astype(np.int32) - y
        squares += int((difference * difference).sum(dtype=np.int64))
    return 10 * math.log10(255**2 * test.size / squares) if squares else None


def strip_ssim(test: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]) -> float:
    """Structural similarity, averaged over blocks first so that the shorter side is near 256 px, as `ssim` does."""
    factor = viewing_factor(torch.empty(test.shape[:2], device="meta"))
    rows = [[shrink(_tensor(part), factor) for part in pair] for pair in _strips(test, reference, factor)]
    x, y = (torch.cat(parts, dim=2) for parts in zip(*rows, strict=True))
    return float(ssim(x, y, downsample=False))


def _strips(
    test: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"], multiple: int
) -> Iterator[tuple[UInt8[np.ndarray, "_ w 3"], UInt8[np.ndarray, "_ w 3"]]]:
    """Both images from top to bottom, a multiple of so many rows at a time; rows that are left over at the end come in
    the last strip, or not at all where they are fewer."""
    height, width = test.shape[:2]
    rows = max(1, _STRIP_PX // (width * multiple)) * multiple
    for top in range(0, height - multiple + 1, rows):
        yield test[top : top + rows], reference[top : top + rows]


def _tensor(image: UInt8[np.ndarray, "h w 3"]) -> Float32[Tensor, "1 3 h w"]:
    return torch.from_numpy(image.astype(np.float32)).div(255).permute(2, 0, 1)[None]
