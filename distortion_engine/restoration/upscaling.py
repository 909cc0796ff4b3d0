"""Classical enlargement by a whole factor, and back-projection on top of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from distortion_engine.restoration.damage import ShrinkKernel, shrink

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
_PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def enlarge(
    image: Float[Tensor, "3 h w"], factor: int, interpolation: Interpolation
) -> Float[Tensor, "3 h*{factor} w*{factor}"]:
    """Enlarges as Pillow does it in float."""
    return _resized(image, factor, interpolation).clamp(0.0, 1.0)


def back_projected(
    small: Float[Tensor, "3 h w"],
    factor: int,
    interpolation: Interpolation,
    kernel: ShrinkKernel,
    iterations: int,
    sigma_px: float = 1.0,
) -> Float[Tensor, "3 h*{factor} w*{factor}"]:
    """Iterated back-projection (Irani and Peleg, 1991): corrects the enlarged image until it shrinks to `small`.

    Args:
        small: the image to enlarge, in [0, 1].
        factor: of both sides.
        interpolation: enlarges the image and the corrections.
        kernel: shrinks the enlarged image, see `shrink`. A kernel other than that of the damage gives ringing or
            softness.
        iterations: number of corrections.
        sigma_px: of the kernel "gaussian".
    """
    estimate = _resized(small, factor, interpolation)
    for _ in range(iterations):
        residue = small - shrink(estimate.clamp(0.0, 1.0), factor, kernel, sigma_px)
        estimate = estimate + _resized(residue, factor, interpolation)
    return estimate.clamp(0.0, 1.0)


def _resized(image: Tensor, factor: int, interpolation: Interpolation) -> Tensor:
    size = (image.shape[-1] * factor, image.shape[-2] * factor)
    planes = [np.array(Image.fromarray(plane).resize(size, _PILLOW[interpolation])) for plane in image.numpy()]
    return torch.from_numpy(np.stack(planes))
