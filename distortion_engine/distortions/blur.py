"""Lost and overdone sharpness: Gaussian, lens and motion blur; unsharp masking with a small and with a wide radius."""

import math

import torch
from torch import Generator, Tensor

from distortion_engine.distortions.common import luma, per_sample
from distortion_engine.distortions.filters import convolve, gaussian

MOTION_SAMPLES = 257  # points along the path; a fixed number keeps the kernel continuous in its length


@per_sample
def gaussian_blur(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Gaussian blur; amount = sigma in px."""
    return gaussian(image, amount)


@per_sample
def lens_blur(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Out-of-focus blur by a uniform disk; amount = radius in px.

    The rim falls off linearly over one pixel beyond the radius, so that the kernel grows continuously from a point.
    """
    radius = math.ceil(amount + 1.0)
    position = torch.arange(-radius, radius + 1, dtype=torch.float64)
    distance = torch.hypot(position[:, None], position[None, :])
    disk = (amount + 1.0 - distance).clamp(0.0, 1.0)
    return convolve(image, (disk / disk.sum()).to(torch.float32))


@per_sample
def motion_blur(image: Tensor, amount: float, generator: Generator, *, angle_deg: float) -> Tensor:
    """Straight camera motion at any angle (0 = horizontal); amount = length of the path in px."""
    along = amount * torch.linspace(-0.5, 0.5, MOTION_SAMPLES, dtype=torch.float64)
    angle = math.radians(angle_deg)
    y, x = along * math.sin(angle), along * math.cos(angle)
    radius = math.ceil(0.5 * amount) + 1
    # Bilinear splatting: each point of the path shares its weight among the four pixels around it.
    position = torch.arange(-radius, radius + 1, dtype=torch.float64)
    rows = (1.0 - (position[:, None] - y[None, :]).abs()).clamp_min(0.0)
    columns = (1.0 - (position[:, None] - x[None, :]).abs()).clamp_min(0.0)
    kernel = rows @ columns.T
    return convolve(image, (kernel / kernel.sum()).to(torch.float32))


@per_sample
def sharpen(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Unsharp masking of luma with sigma 1 px; amount = gain on the detail."""
    tone = luma(image)
    return torch.add(image, tone - gaussian(tone, 1.0), alpha=amount)


@per_sample
def halo_sharpen(image: Tensor, amount: float, generator: Generator, *, radius_px: float) -> Tensor:
    """Unsharp masking of luma with a wide radius, which draws halos along edges; amount = gain on the detail."""
    tone = luma(image)
    return torch.add(image, tone - gaussian(tone, radius_px), alpha=amount)
