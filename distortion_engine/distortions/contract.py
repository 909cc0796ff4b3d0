"""The contract of distortions: one image, an amount, a generator and parameters give one image, and nothing else."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from distortion_engine.distortions.threads import one_thread
from distortion_engine.errors import UsageError

Image: TypeAlias = Float[Tensor, "3 h w"]  # float32 in sRGB, [0, 1]
# (image (3, H, W), amount, generator, **params) -> (3, H, W)
Apply = Callable[..., Tensor]
# (amount, generator, height, width, **params) -> (H, W): the weight of the pixels that a distortion touches
Support = Callable[..., Tensor]
# (amount, params, height, width) -> (H, W) of mean 1: the strength of the damage at each pixel over its mean.
Profile = Callable[[float, Mapping[str, float], int, int], Tensor]

MIN_SIDE_PX = 16


def distortion(function: Apply) -> Apply:
    """Decorator of every distortion: makes a pure function of one that only knows images and amounts above 0.

    The result has these arguments, and gives the distorted image as a new tensor of the same shape, type and device,
    in [0, 1]. It has the same bits on any number of threads.

    - `image`: (3, H, W) in [0, 1] with sides of at least 16 px; never written.
    - `amount`: 0 or more, in the distortion's own unit. 0 gives a copy of the image and draws nothing.
    - `generator`: where all random numbers come from.
    - `params`: by name, what the distortion has beside the amount.

    Raises:
        UsageError: for another shape, or for an amount that is negative or not finite.
    """

    @functools.wraps(function)
    def distorted(image: Tensor, amount: float, generator: Generator, **params: float) -> Tensor:
        _check(image, amount)
        if amount == 0.0:
            return image.clone()
        if not torch.is_grad_enabled():
            image = image.detach()
        source = image.to(torch.float32).contiguous()
        with one_thread():
            result = function(source, _single(amount), generator, **_singles(params))
        return result.clamp(0.0, 1.0).to(image.dtype).contiguous()

    return distorted


def support(function: Support) -> Support:
    """Decorator of the support of a distortion: `(amount, generator, height, width, **params)` -> weight (H, W) in
    [0, 1] of the pixels that the distortion touches, given a generator with the same seed."""

    @functools.wraps(function)
    def supported(amount: float, generator: Generator, height: int, width: int, **params: float) -> Tensor:
        return function(_single(amount), generator, height, width, **_singles(params))

    return supported


def _single(value: float) -> float:
    # Amounts and parameters count in the precision of the pixels, so a recipe renders alike from any source of it.
    return float(np.float32(value))


def _singles(params: Mapping[str, float]) -> dict[str, float]:
    return {name: _single(value) for name, value in params.items()}


def _check(image: Tensor, amount: float) -> None:
    if image.ndim != 3 or image.shape[0] != 3 or min(image.shape[1:]) < MIN_SIDE_PX:
        raise UsageError(
            f"image has shape {tuple(image.shape)}; expected (3, H, W) with sides of at least {MIN_SIDE_PX} px"
        )
    if not math.isfinite(amount) or amount < 0.0:
        raise UsageError(f"amount {amount}; expected a finite number >= 0 in the distortion's own unit")
