"""Conventional full-reference metrics: f(test (B, 3, H, W), reference (B, 3, H, W)) -> (B,), sRGB in [0, 1].

Written from the papers; conventions (windows, padding, constants) agree with piq 0.8.0 to a relative 2e-4. Equal
images have exactly the value `identical` of the table.

    catalog      METRICS: direction, range, unit, differentiability and source of each
    structural   psnr, ssim, ms_ssim, and the maps psnr_map, ssim_map
    deviation    gmsd, ms_gmsd, mdsi, and gmsd_map
    wavelet      haarpsi
    saliency     vsi
    phase        fsim
    strips       PSNR, SSIM and VSI of 8-bit images of any size, some rows at a time
    common       what they share: checks of a pair, colours, gradients, dissimilarity, pooling
"""

from relational_iqa.conventional.catalog import METRICS, Metric
from relational_iqa.conventional.deviation import gmsd, gmsd_map, mdsi, ms_gmsd
from relational_iqa.conventional.phase import fsim
from relational_iqa.conventional.saliency import vsi
from relational_iqa.conventional.structural import ms_ssim, psnr, psnr_map, ssim, ssim_map
from relational_iqa.conventional.wavelet import haarpsi

__all__ = [
    "METRICS", "Metric", "fsim", "gmsd", "gmsd_map", "haarpsi", "mdsi", "ms_gmsd", "ms_ssim", "psnr", "psnr_map",
    "ssim", "ssim_map", "vsi",
]  # fmt: skip
