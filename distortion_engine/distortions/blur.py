"""Lost and overdone sharpness: Gaussian, lens and motion blur; unsharp masking with a small and with a wide radius."""

import math

import torch
from torch import Generator, Tensor

from distortion_engine.distortions.color_conversion import luma
from distortion_engine.distortions.contract import Image, distortion
from distortion_engine.distortions.filters import convolve, gaussian

MOTION_SAMPLES = 257  # points along the path; a fixed number keeps the kernel continuous in its length
# Both measured on photographs, so that the severity of an amount depends little on the parameters beside it.
DISPLACEMENT_WEIGHT = 2.0  # of moving the picture, against blurring it by as much (variances)
DETAIL_OFFSET_PX2 = 1.2  # in the gain r^2 / (r^2 + this) of what a Gaussian of sigma r takes away


@distortion
def gaussian_blur(image: Image, amount: float, generator: Generator) -> Image:
    """Gaussian blur; amount = sigma in px."""
    return gaussian(image, amount)


@distortion
def lens_blur(image: Image, amount: float, generator: Generator) -> Image:
    """Out-of-focus blur by a uniform disk; amount = radius in px.

    The rim falls off linearly over one pixel beyond the radius, so that the kernel grows continuously from a point.
    """
    radius = math.ceil(amount + 1.0)
    position = torch.arange(-radius, radius + 1, dtype=torch.float64)
    distance = torch.hypot(position[:, None], position[None, :])
    disk = (amount + 1.0 - distance).clamp(0.0, 1.0)
    return convolve(image, (disk / disk.sum()).to(torch.float32))


def _exposure(decay: float, bow: float, anchor: float) -> tuple[Tensor, Tensor]:
    """Points along a path of length 1 as seen from the pixel, and their weights, float64."""
    path = torch.linspace(-0.5, 0.5, MOTION_SAMPLES, dtype=torch.float64)
    age = decay * (path + 0.5)
    weights = torch.exp(-(1.0 - bow) * age - 0.5 * bow * age**2)
    if decay == anchor == 0.0:
        return path, weights
    mean = (weights * path).sum() / weights.sum()
    displacement = anchor * (mean + 0.5)
    variance = (weights * (path - mean) ** 2).sum() / weights.sum() + DISPLACEMENT_WEIGHT * displacement**2
    return (path - mean + displacement) * (path.square().mean() / variance).sqrt(), weights


@distortion
def motion_blur(
    image: Image,
    amount: float,
    generator: Generator,
    *,
    angle_deg: float,
    decay: float = 0.0,
    bow: float = 0.0,
    anchor: float = 0.0,
) -> Image:
    """Straight motion at any angle; amount = length in px of an evenly exposed path.

    Scales the length so that the blurred image loses as much quality as with an even, centred kernel: the variance
    along the path stays the same, with the displacement counted by DISPLACEMENT_WEIGHT.

    Args:
        image: (3, H, W) in [0, 1].
        amount: length in px, > 0.
        generator: unused.
        angle_deg: direction of the motion; 0 is horizontal.
        decay: by how much the exposure fades along the path; 0 is even, 3 a trail.
        bow: form of the fading, from an exponential (0) to half a Gaussian (1).
        anchor: place of the pixel on the path, from the middle of the exposure (0) to the start of the path (1).
    """
    along, weights = _exposure(decay, bow, anchor)
    along = amount * along
    angle = math.radians(angle_deg)
    y, x = along * math.sin(angle), along * math.cos(angle)
    radius = math.ceil(float(along.abs().max())) + 1
    # Bilinear splatting: each point of the path shares its weight among the four pixels around it.
    position = torch.arange(-radius, radius + 1, dtype=torch.float64)
    rows = (1.0 - (position[:, None] - y[None, :]).abs()).clamp_min(0.0)
    columns = (1.0 - (position[:, None] - x[None, :]).abs()).clamp_min(0.0)
    kernel = (rows * weights) @ columns.T
    return convolve(image, (kernel / kernel.sum()).to(torch.float32))


def _unsharp(image: Tensor, gain: float, radius_px: float, all_channels: float) -> Tensor:
    """The image with `gain` times what a Gaussian takes away: of luma (0), of every channel (1), or a mixture."""
    if all_channels == 1.0:
        return torch.add(image, image - gaussian(image, radius_px), alpha=gain)
    tone = luma(image)
    detail = tone - gaussian(tone, radius_px)
    if all_channels > 0.0:
        detail = torch.lerp(detail.expand_as(image), image - gaussian(image, radius_px), all_channels)
    return torch.add(image, detail, alpha=gain)


@distortion
def sharpen(
    image: Image, amount: float, generator: Generator, *, radius_px: float = 1.0, all_channels: float = 0.0
) -> Image:
    """Unsharp masking with a Gaussian; amount = gain on the detail at a radius of 1 px.

    At other radii, the gain is scaled so that it adds about as much.

    Args:
        image: (3, H, W) in [0, 1].
        amount: gain, > 0.
        generator: unused.
        radius_px: standard deviation of the Gaussian.
        all_channels: 0 sharpens luma, 1 each channel by itself, values between are mixtures.
    """
    scale = (radius_px**2 + DETAIL_OFFSET_PX2) / ((1.0 + DETAIL_OFFSET_PX2) * radius_px**2)
    return _unsharp(image, amount * scale, radius_px, all_channels)


@distortion
def halo_sharpen(
    image: Image, amount: float, generator: Generator, *, radius_px: float, all_channels: float = 0.0
) -> Image:
    """Unsharp masking with a wide radius, which draws halos along edges; amount = gain on the detail.

    Args:
        image: (3, H, W) in [0, 1].
        amount: gain, > 0.
        generator: unused.
        radius_px: standard deviation of the Gaussian.
        all_channels: 0 sharpens luma, 1 each channel by itself, values between are mixtures.
    """
    return _unsharp(image, amount, radius_px, all_channels)
