"""Conventional full-reference metrics: f(test (B, 3, H, W), reference (B, 3, H, W)) -> (B,), sRGB in [0, 1].

Written from the papers; conventions (windows, padding, constants) agree with piq 0.8.0 to a relative 2e-4.
Contents: psnr, ssim, ms_ssim (structural), gmsd, ms_gmsd, mdsi (deviation), haarpsi, vsi, fsim; maps: psnr_map,
ssim_map, gmsd_map; METRICS says direction, range, unit, differentiability and source of each.
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
