"""All operations of restoration outputs by name, and how those of a recipe are applied.

An operation that was drawn is replayed by its name, parameters and seed alone, in any process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from distortion_engine.distortions.filters import pad_symmetric
from distortion_engine.recipe import Operation
from distortion_engine.restoration import damage, deblurring, denoising, neural, upscaling
from distortion_engine.restoration.bm3d import bm3d

SIZE_STEP = 12  # sides are multiples of this while operations run, so that factors 2, 3 and 4 divide them


def _camera(image: Tensor, generator: torch.Generator, *, red: float, blue: float, **sensor: Any) -> Tensor:
    return damage.camera(image, damage.Sensor(gains=(red, blue), **sensor), generator)


def _no_draw(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An operation that draws nothing as one that is given a generator."""
    return lambda image, _, **params: function(image, **params)


def _drawing(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda image, generator, **params: function(image, **params, generator=generator)


# name -> (image, generator, **params) -> image. Damage first, then algorithms.
OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "camera": _camera,
    "white_noise": _drawing(damage.white_noise),
    "correlated_noise": _drawing(damage.correlated_noise),
    "chroma_blotches": _drawing(damage.correlated_chroma_noise),
    "blur": _no_draw(deblurring.blurred),
    "shrink": _no_draw(damage.shrink),
    "jpeg": _no_draw(damage.jpeg),
    "non_local_means": _no_draw(denoising.non_local_means),
    "total_variation": _no_draw(denoising.total_variation),
    "wavelets": _no_draw(denoising.wavelet_shrinkage),
    "bilateral": _no_draw(denoising.bilateral),
    "guided": _no_draw(denoising.guided),
    "median": _no_draw(denoising.median),
    "local_wiener": _no_draw(denoising.local_wiener),
    "bm3d": _no_draw(bm3d),
    "richardson_lucy": _no_draw(deblurring.richardson_lucy),
    "wiener_deconvolution": _no_draw(deblurring.wiener_deconvolution),
    "unsharp_mask": _no_draw(deblurring.unsharp_mask),
    "enlarge": _no_draw(upscaling.enlarge),
    "back_projection": _no_draw(upscaling.back_projected),
    "neural": _no_draw(neural.restored_by_name),
}


def apply(image: Float[Tensor, "3 h w"], operations: Sequence[Operation], whole: bool = True) -> Float[Tensor, "3 a b"]:
    """Applies the operations one after the other to an image in [0, 1]; gives a new image of the same size.

    whole: whether the size has to come back; False gives what was shrunk as it is.

    The image is mirrored beyond its right and lower border to whole multiples of `SIZE_STEP` first and cut afterwards.
    Raises KeyError for a name that is not in `OPERATIONS`, ValueError where the size does not come back.
    """
    height, width = image.shape[-2:]
    wide = pad_symmetric(image, SIZE_STEP, SIZE_STEP)[:, SIZE_STEP:, SIZE_STEP:]
    result = wide[:, : -(-height // SIZE_STEP) * SIZE_STEP, : -(-width // SIZE_STEP) * SIZE_STEP].contiguous()
    for operation in operations:
        generator = torch.Generator().manual_seed(operation.seed)
        result = OPERATIONS[operation.name](result, generator, **operation.params).contiguous()
    if not whole:
        return result
    if result.shape[-2] < height or result.shape[-1] < width:
        names = ", ".join(operation.name for operation in operations)
        raise ValueError(f"{names}: {tuple(result.shape)} came out of {tuple(image.shape)}; what is shrunk is enlarged")
    return result[:, :height, :width].contiguous()
