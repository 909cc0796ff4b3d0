"""Brightness and contrast: curves, shifts, exposure in linear light, stretching and flattening."""

import math

import torch
from torch import Generator, Tensor

from distortion_engine.distortions.color_conversion import from_linear, mean_luma, power, to_linear
from distortion_engine.distortions.contract import Image, distortion

CURVE_STEEPNESS = 10.0  # of the logistic S-curve: at full amount the mid-tones are almost two-tone


@distortion
def brighten(image: Image, amount: float, generator: Generator) -> Image:
    """Brighten by the curve 1 - (1 - x)^(1 + amount), which keeps black and white."""
    return 1.0 - power(1.0 - image, 1.0 + amount)


@distortion
def darken(image: Image, amount: float, generator: Generator) -> Image:
    """Darken by the curve x^(1 + amount), which keeps black and white."""
    return power(image, 1.0 + amount)


@distortion
def gamma_up(image: Image, amount: float, generator: Generator) -> Image:
    """Wrong display gamma that lifts the shadows: x^(1 / (1 + amount))."""
    return power(image, 1.0 / (1.0 + amount))


@distortion
def mean_shift_up(image: Image, amount: float, generator: Generator) -> Image:
    """Add the amount to every value."""
    return image + amount


@distortion
def mean_shift_down(image: Image, amount: float, generator: Generator) -> Image:
    """Subtract the amount from every value."""
    return image - amount


@distortion
def overexpose(image: Image, amount: float, generator: Generator) -> Image:
    """Exposure raised in linear light with clipped highlights; amount = stops."""
    return from_linear(to_linear(image) * 2.0**amount)


@distortion
def low_light(image: Image, amount: float, generator: Generator) -> Image:
    """Exposure lowered in linear light; amount = stops."""
    return from_linear(to_linear(image) * 2.0**-amount)


def _stretched(image: Tensor, gain: float, mid_grey: float) -> Tensor:
    # About the mean luma contrast changes without brightness; many tools do it about mid-grey.
    return torch.lerp(torch.lerp(mean_luma(image), torch.full_like(image[:1, :1, :1], 0.5), mid_grey), image, gain)


@distortion
def contrast_up(image: Image, amount: float, generator: Generator, *, mid_grey: float = 0.0) -> Image:
    """Linear stretch by the factor 1 + amount about the mean luma (mid_grey 0), mid-grey (1), or between."""
    return _stretched(image, 1.0 + amount, mid_grey)


@distortion
def contrast_down(image: Image, amount: float, generator: Generator, *, mid_grey: float = 0.0) -> Image:
    """Linear flattening by the factor 1 - amount, amount at most 1, about the mean luma (mid_grey 0), mid-grey (1),
    or between."""
    return _stretched(image, max(0.0, 1.0 - amount), mid_grey)


@distortion
def contrast_curve(image: Image, amount: float, generator: Generator) -> Image:
    """Blend towards a steep S-curve about mid-grey; amount = share of the curve, at most 1."""
    share = min(amount, 1.0)
    low = 1.0 / (1.0 + math.exp(0.5 * CURVE_STEEPNESS))
    logistic = (image * -CURVE_STEEPNESS).add_(0.5 * CURVE_STEEPNESS).exp_().add(1.0).reciprocal_()
    return logistic.sub(low).mul(share / (1.0 - 2.0 * low)).add(image, alpha=1.0 - share)
