"""Colour: saturation, hue, white balance, chroma diffusion and misregistration, and too few levels."""

import math

import torch
from torch import Generator, Tensor

from distortion_engine.distortions.common import LUMA, from_linear, luma, per_sample, to_linear, with_chroma
from distortion_engine.distortions.filters import gaussian, pixel_grid, warp
from distortion_engine.distortions.random_fields import unit_uniform

LIGHT = (0.2126, 0.7152, 0.0722)  # luminance of linear sRGB primaries, IEC 61966-2-1
BANDING_SIGMA_PX = 3.0


@per_sample
def saturate(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Multiply the distance from luma by 1 + amount."""
    return torch.lerp(luma(image), image, 1.0 + amount)


@per_sample
def desaturate(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Multiply the distance from luma by 1 - amount; 1 is grey."""
    return torch.lerp(luma(image), image, 1.0 - min(amount, 1.0))


def _hue_rotated(image: Tensor, angle_deg: float) -> Tensor:
    """Turn the (Cb, Cr) plane at constant luma; positive turns red towards yellow."""
    tone = luma(image)[0]
    blue = (image[2] - tone) / 1.772
    red = (image[0] - tone) / 1.402
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return with_chroma(image, cos * blue - sin * red - blue, sin * blue + cos * red - red)


@per_sample
def hue_rotate_warm(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Turn hues red -> yellow -> green; amount = angle in degrees."""
    return _hue_rotated(image, amount)


@per_sample
def hue_rotate_cool(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Turn hues red -> magenta -> blue; amount = angle in degrees."""
    return _hue_rotated(image, -amount)


def _white_balanced(image: Tensor, stops: float) -> Tensor:
    """Red over blue raised by `stops` in linear light, a grey keeping its luminance."""
    red, blue = 2.0 ** (0.5 * stops), 2.0 ** (-0.5 * stops)
    scale = 1.0 / (LIGHT[0] * red + LIGHT[1] + LIGHT[2] * blue)
    gains = torch.tensor([red * scale, scale, blue * scale], device=image.device)[:, None, None]
    return from_linear(to_linear(image) * gains)


@per_sample
def white_balance_warm(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Warm cast; amount = stops of red over blue."""
    return _white_balanced(image, amount)


@per_sample
def white_balance_cool(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Cool cast; amount = stops of blue over red."""
    return _white_balanced(image, -amount)


@per_sample
def color_diffusion(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Colours that bleed over edges: chroma blurred, luma kept; amount = sigma in px."""
    tone = luma(image)
    red, blue = gaussian(torch.cat([image[0:1], image[2:3]]) - tone, amount)
    green = torch.add(red * (-LUMA[0] / LUMA[1]), blue, alpha=-LUMA[2] / LUMA[1])  # luma weighs the three to 0
    return torch.stack([red, green, blue]).add_(tone)


@per_sample
def chroma_shift(image: Tensor, amount: float, generator: Generator, *, angle_deg: float) -> Tensor:
    """Misregistered channels: red and blue moved apart along `angle_deg`; amount = px by which each moves."""
    down, right = amount * math.sin(math.radians(angle_deg)), amount * math.cos(math.radians(angle_deg))
    return torch.cat([warp(image[0:1], down, right), image[1:2], warp(image[2:3], -down, -right)])


@per_sample
def radial_fringing(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Lateral chromatic aberration: red magnified and blue shrunk about the centre; amount = px at the corner."""
    row, column = pixel_grid(image)
    centre_y, centre_x = 0.5 * (image.shape[1] - 1), 0.5 * (image.shape[2] - 1)
    scale = amount / math.hypot(centre_y, centre_x)
    down, right = scale * (row - centre_y), scale * (column - centre_x)
    return torch.cat([warp(image[0:1], -down, -right), image[1:2], warp(image[2:3], down, right)])


@per_sample
def quantize(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Uniform quantisation of each channel; amount = step as a share of the range, so 1 / (levels - 1)."""
    return (image / amount).round_().mul_(amount)


@per_sample
def quantize_dither(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Uniform quantisation with uniform random dither; amount = step as a share of the range."""
    dither = unit_uniform(image.shape, generator, image) - 0.5
    return (image / amount).add_(dither).round_().mul_(amount)


@per_sample
def banding(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """False contours in smooth regions: only the low frequencies are quantised; amount = step, share of the range."""
    smooth = gaussian(image, BANDING_SIGMA_PX)
    return image + (smooth / amount).round() * amount - smooth
