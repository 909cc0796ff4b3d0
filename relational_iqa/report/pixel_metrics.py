"""PSNR, SSIM and VSI of two images in words, for the strip of a report."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from relational_iqa.conventional.strips import psnr_in_strips, ssim_in_strips, vsi_in_strips


@dataclass(frozen=True)
class PixelMetric:
    """A published metric of one pair.

    Args:
        name: for example "PSNR".
        text: value and unit.
        about: what it measures and which way is better.
    """

    name: str
    text: str
    about: str


def pixel_metrics(test: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]) -> tuple[PixelMetric, ...]:
    """PSNR, SSIM and VSI. They are symmetric: swapping the two images changes nothing."""
    noise = psnr_in_strips(test, reference)
    return (
        PixelMetric(
            "PSNR",
            "infinite" if noise is None else f"{noise:.1f} dB",
            "peak signal-to-noise ratio; higher is closer, infinite for equal images",
        ),
        PixelMetric("SSIM", f"{ssim_in_strips(test, reference):.3f}", "structural similarity; 1 for equal images"),
        PixelMetric(
            "VSI", f"{vsi_in_strips(test, reference):.3f}", "visual saliency-induced index; 1 for equal images"
        ),
    )
