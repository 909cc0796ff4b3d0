"""How damage that is spread unevenly over the frame is spread: local strength over its mean, maps of mean 1."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

# (amount, params, height, width) -> (H, W), mean 1: the damage at a pixel over that of the whole picture.
Profile = Callable[[float, Mapping[str, float], int, int], Tensor]


def _coordinates(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Row and column of every pixel, -0.5 to 0.5 from edge to edge."""
    y, x = torch.linspace(-0.5, 0.5, height), torch.linspace(-0.5, 0.5, width)
    return y[:, None].expand(height, width), x[None, :].expand(height, width)


def _with_mean_one(strength: Tensor) -> Tensor:
    return strength / strength.mean().clamp_min(1e-9)


def vignetting(amount: float, params: Mapping[str, float], height: int, width: int) -> Tensor:
    """Stops of light lost at each pixel."""
    y, x = _coordinates(height, width)
    return _with_mean_one(torch.log1p(amount * 2.0 * (y * y + x * x)))


def radial_fringing(amount: float, params: Mapping[str, float], height: int, width: int) -> Tensor:
    """Pixels by which red and blue lie apart: they rise with the distance from the centre."""
    y, x = _coordinates(height, width)
    return _with_mean_one(torch.hypot(y * (height - 1), x * (width - 1)))


def haze(amount: float, params: Mapping[str, float], height: int, width: int) -> Tensor:
    """Share of the light that is airlight, at the optical depths of `camera.haze`."""
    y, x = _coordinates(height, width)
    angle = math.radians(params["angle_deg"])
    depth = 1.0 + 0.8 * (y * math.sin(angle) + x * math.cos(angle))
    return _with_mean_one(-torch.expm1(-amount * depth))
