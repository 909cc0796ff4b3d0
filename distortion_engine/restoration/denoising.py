"""Classical denoisers. `deviation` is the standard deviation of the noise that the algorithm is told to remove, in
[0, 1] of full scale: less than there is leaves noise, more wipes out texture."""

from __future__ import annotations

import importlib
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from distortion_engine.distortions.filters import box
from distortion_engine.errors import UsageError
from distortion_engine.restoration.planes import to_array, to_bytes, to_image


def scikit_image_restoration() -> Any:
    """The module. Raises UsageError where scikit-image, or PyWavelets, which it needs, is not installed."""
    try:
        importlib.import_module("pywt")
        return importlib.import_module("skimage.restoration")
    except ImportError as error:
        raise UsageError(
            "restoration outputs by total variation and wavelets need scikit-image and PyWavelets, and "
            f'{error.name} is not installed: pip install "relational-iqa[restoration]"'
        ) from error


def non_local_means(image: Float[Tensor, "3 h w"], deviation: float, search_px: int = 21) -> Float[Tensor, "3 h w"]:
    """Means over similar patches (Buades, Coll and Morel, CVPR 2005), in CIELAB, at 8 bits, by OpenCV."""
    strength = 255.0 * deviation
    pixels = cv2.fastNlMeansDenoisingColored(to_bytes(image), None, strength, strength, 7, search_px)
    return to_image(np.asarray(pixels))


def total_variation(image: Float[Tensor, "3 h w"], deviation: float) -> Float[Tensor, "3 h w"]:
    """Minimises total variation at a weight in proportion to the noise (Chambolle 2004), by scikit-image."""
    weight = 1.5 * deviation
    smooth = scikit_image_restoration().denoise_tv_chambolle(to_array(image), weight, max_num_iter=60, channel_axis=-1)
    return to_image(smooth)


def wavelet_shrinkage(
    image: Float[Tensor, "3 h w"], deviation: float, wavelet: str = "sym4", soft: bool = True
) -> Float[Tensor, "3 h w"]:
    """BayesShrink thresholds of wavelet coefficients (Chang, Yu and Vetterli, TIP 2000) in YCbCr, by scikit-image."""
    mode = "soft" if soft else "hard"
    cleaned = scikit_image_restoration().denoise_wavelet(
        to_array(image), sigma=deviation, wavelet=wavelet, mode=mode, method="BayesShrink",
        convert2ycbcr=True, channel_axis=-1, rescale_sigma=True,
    )  # fmt: skip
    return to_image(cleaned)


def bilateral(image: Float[Tensor, "3 h w"], deviation: float, sigma_px: float = 2.0) -> Float[Tensor, "3 h w"]:
    """Bilateral filter (Tomasi and Manduchi, ICCV 1998), its range three times the noise, by OpenCV."""
    return to_image(cv2.bilateralFilter(to_array(image), -1, 3.0 * deviation, sigma_px))


def guided(image: Float[Tensor, "3 h w"], deviation: float, radius_px: int = 3) -> Float[Tensor, "3 h w"]:
    """Self-guided filter (He, Sun and Tang, ECCV 2010), eps four times the variance of the noise."""
    mean = box(image, radius_px)
    variance = (box(image * image, radius_px) - mean**2).clamp_min(0.0)
    slope = variance / (variance + 4.0 * deviation**2)
    return (box(slope, radius_px) * image + box(mean - slope * mean, radius_px)).clamp(0.0, 1.0)


def median(image: Float[Tensor, "3 h w"], side_px: int) -> Float[Tensor, "3 h w"]:
    """Median of every channel over squares of 3 or 5 px, by OpenCV."""
    return torch.from_numpy(np.stack([cv2.medianBlur(plane, side_px) for plane in image.numpy()]))


def local_wiener(image: Float[Tensor, "3 h w"], deviation: float, radius_px: int = 2) -> Float[Tensor, "3 h w"]:
    """Lee's adaptive filter: the local mean plus the share of the local variance that is not noise (Lee, PAMI 1980)."""
    mean = box(image, radius_px)
    variance = (box(image * image, radius_px) - mean**2).clamp_min(0.0)
    share = (variance - deviation**2).clamp_min(0.0) / variance.clamp_min(1e-8)
    return (mean + share * (image - mean)).clamp(0.0, 1.0)
