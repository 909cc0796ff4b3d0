"""Colour: saturation, hue, white balance, chroma diffusion and misregistration, and too few levels."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from distortion_engine.distortions.color_conversion import LUMA, from_linear, luma, to_linear, with_chroma
from distortion_engine.distortions.contract import Image, distortion
from distortion_engine.distortions.filters import gaussian, pixel_grid, shift, warp
from distortion_engine.distortions.frame import profile_coordinates, with_mean_one
from distortion_engine.distortions.random_fields import unit_uniform

LIGHT = (0.2126, 0.7152, 0.0722)  # luminance of linear sRGB primaries, IEC 61966-2-1
BANDING_SIGMA_PX = 3.0
GAMMA = 1.0 / 2.2  # exponent from gains of light to those of code values


def _lightness(image: Tensor) -> Tensor:
    """Half the sum of the largest and the smallest channel, `(1, H, W)`."""
    return (image.amax(dim=0, keepdim=True) + image.amin(dim=0, keepdim=True)) * 0.5


def _grey(image: Tensor, lightness: float, mean: float) -> Tensor:
    """The grey `(1, H, W)` that a colour fades to: luma, with these shares of lightness and of the channels' mean."""
    grey = tone = luma(image)
    if lightness > 0.0:
        grey = grey + lightness * (_lightness(image) - tone)
    if mean > 0.0:
        grey = grey + mean * ((image[0:1] + image[1:2] + image[2:3]) / 3.0 - tone)
    return grey


@distortion
def saturate(
    image: Image,
    amount: float,
    generator: Generator,
    *,
    lightness: float = 0.0,
    mean: float = 0.0,
    bounded: float = 0.0,
) -> Image:
    """Multiplies the distance from grey by 1 + amount.

    Args:
        image: (3, H, W) in [0, 1].
        amount: gain less 1, > 0.
        generator: unused.
        lightness: share of HSL lightness, (largest + smallest channel) / 2, in the grey.
        mean: share of the mean of the channels in the grey; the rest of it is luma.
        bounded: 0 clips each channel where a colour leaves the range; 1 stops the pixel there, which keeps its hue.
    """
    grey = _grey(image, lightness, mean)
    moved = torch.lerp(grey, image, 1.0 + amount)
    if bounded == 0.0:
        return moved
    to_white = (1.0 - grey) / (image.amax(dim=0, keepdim=True) - grey).clamp_min(1e-6)
    to_black = grey / (grey - image.amin(dim=0, keepdim=True)).clamp_min(1e-6)
    gain = torch.minimum(to_white, to_black).clamp(1.0, 1.0 + amount)
    return torch.lerp(moved.clamp(0.0, 1.0), grey + gain * (image - grey), bounded)


@distortion
def desaturate(
    image: Image, amount: float, generator: Generator, *, lightness: float = 0.0, mean: float = 0.0
) -> Image:
    """Multiply the distance from grey by 1 - amount; 1 is grey. lightness, mean: as in `saturate`."""
    return torch.lerp(_grey(image, lightness, mean), image, 1.0 - min(amount, 1.0))


def _hue_rotated(image: Tensor, angle_deg: float, lightness: float) -> Tensor:
    """Turn the (Cb, Cr) plane; positive turns red towards yellow. Luma is kept (0), HSL lightness (1), or between."""
    tone = luma(image)[0]
    blue = (image[2] - tone) / 1.772
    red = (image[0] - tone) / 1.402
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    turned = with_chroma(image, cos * blue - sin * red - blue, sin * blue + cos * red - red)
    if lightness > 0.0:
        turned = turned + lightness * (_lightness(image) - _lightness(turned))
    return turned


@distortion
def hue_rotate_warm(image: Image, amount: float, generator: Generator, *, lightness: float = 0.0) -> Image:
    """Turn hues red -> yellow -> green; amount = angle in degrees. lightness: 0 keeps luma, 1 HSL lightness."""
    return _hue_rotated(image, amount, lightness)


@distortion
def hue_rotate_cool(image: Image, amount: float, generator: Generator, *, lightness: float = 0.0) -> Image:
    """Turn hues red -> magenta -> blue; amount = angle in degrees. lightness: 0 keeps luma, 1 HSL lightness."""
    return _hue_rotated(image, -amount, lightness)


def _amplified(image: Tensor, gains: tuple[float, float, float], coded: float, level: float) -> Tensor:
    """Linear light times a gain for each channel, scaled so that a grey keeps its luminance.

    Args:
        image: (3, H, W) in [0, 1].
        gains: of red, green and blue, in linear light.
        coded: 1 multiplies code values by the gains of a gamma of 2.2 and keeps the luma of a grey.
        level: further scale, from -1, where the largest gain is 1 and nothing is clipped, to 1, where the least one is.
    """
    if coded > 0.5:
        gains = (gains[0] ** GAMMA, gains[1] ** GAMMA, gains[2] ** GAMMA)
    red, green, blue = gains
    weights = LUMA if coded > 0.5 else LIGHT
    scale = 1.0 / (weights[0] * red + weights[1] * green + weights[2] * blue)
    if level != 0.0:
        scale *= (scale * (max(gains) if level < 0.0 else min(gains))) ** -abs(level)
    factors = torch.tensor([red * scale, green * scale, blue * scale], device=image.device)[:, None, None]
    return image * factors if coded > 0.5 else from_linear(to_linear(image) * factors)


def _white_balanced(image: Tensor, stops: float, coded: float, level: float) -> Tensor:
    """Red over blue raised by `stops` in linear light."""
    red, blue = 2.0 ** (0.5 * stops), 2.0 ** (-0.5 * stops)
    return _amplified(image, (red, 1.0, blue), coded, level)


@distortion
def white_balance_warm(
    image: Image, amount: float, generator: Generator, *, coded: float = 0.0, level: float = 0.0
) -> Image:
    """Warm cast; amount = stops of red over blue. coded, level: see `_amplified`."""
    return _white_balanced(image, amount, coded, level)


@distortion
def white_balance_cool(
    image: Image, amount: float, generator: Generator, *, coded: float = 0.0, level: float = 0.0
) -> Image:
    """Cool cast; amount = stops of blue over red. coded, level: see `_amplified`."""
    return _white_balanced(image, -amount, coded, level)


def _tinted(image: Tensor, stops: float, coded: float, level: float) -> Tensor:
    """Green over red and blue raised by `stops` in linear light."""
    others = 2.0 ** (-0.5 * stops)
    return _amplified(image, (others, 1.0 / others, others), coded, level)


@distortion
def tint_green(image: Image, amount: float, generator: Generator, *, coded: float = 0.0, level: float = 0.0) -> Image:
    """Green cast, as of fluorescent light; amount = stops of green over red and blue. coded, level:
    see `_amplified`."""
    return _tinted(image, amount, coded, level)


@distortion
def tint_magenta(image: Image, amount: float, generator: Generator, *, coded: float = 0.0, level: float = 0.0) -> Image:
    """Magenta cast; amount = stops of red and blue over green. coded, level: see `_amplified`."""
    return _tinted(image, -amount, coded, level)


@distortion
def color_diffusion(image: Image, amount: float, generator: Generator) -> Image:
    """Colours that bleed over edges: chroma blurred, luma kept; amount = sigma in px."""
    tone = luma(image)
    red, blue = gaussian(torch.cat([image[0:1], image[2:3]]) - tone, amount)
    return _with_luma(tone, red[None], blue[None])


def _with_luma(tone: Tensor, red: Tensor, blue: Tensor) -> Tensor:
    """`(3, H, W)` of luma `tone` and of these differences of red and blue from it, each `(1, H, W)`."""
    green = torch.add(red * (-LUMA[0] / LUMA[1]), blue, alpha=-LUMA[2] / LUMA[1])  # luma weighs the three to 0
    return torch.cat([red, green, blue]).add_(tone)


@distortion
def chroma_shift(
    image: Image,
    amount: float,
    generator: Generator,
    *,
    angle_deg: float,
    red: float = 1.0,
    blue: float = -1.0,
    chroma: float = 0.0,
    crisp: float = 0.0,
) -> Image:
    """Misregistered channels: red and blue are read from elsewhere along a direction; amount = px of the shift.

    Args:
        image: (3, H, W) in [0, 1].
        amount: px, > 0.
        generator: unused.
        angle_deg: direction of the shift.
        red: shift of red in times of the amount, < 0 for the opposite direction, 0 for none.
        blue: shift of blue, likewise; red 1 and blue -1 move the channels apart.
        chroma: from 0.5 on, the differences of red and blue from luma are moved instead, and luma stays.
        crisp: from bilinear (0) to bicubic interpolation (1), which keeps the moved channel as sharp as it was.
    """
    down, right = amount * math.sin(math.radians(angle_deg)), amount * math.cos(math.radians(angle_deg))

    def moved(plane: Tensor, share: float) -> Tensor:
        return shift(plane, share * down, share * right, crisp) if share else plane

    if chroma < 0.5:
        return torch.cat([moved(image[0:1], red), image[1:2], moved(image[2:3], blue)])
    tone = luma(image)
    return _with_luma(tone, moved(image[0:1] - tone, red), moved(image[2:3] - tone, blue))


@distortion
def radial_fringing(image: Image, amount: float, generator: Generator) -> Image:
    """Lateral chromatic aberration: red magnified and blue shrunk about the centre; amount = px at the corner."""
    row, column = pixel_grid(image)
    centre_y, centre_x = 0.5 * (image.shape[1] - 1), 0.5 * (image.shape[2] - 1)
    scale = amount / math.hypot(centre_y, centre_x)
    down, right = scale * (row - centre_y), scale * (column - centre_x)
    return torch.cat([warp(image[0:1], -down, -right), image[1:2], warp(image[2:3], down, right)])


def radial_fringing_profile(
    amount: float, params: Mapping[str, float], height: int, width: int
) -> Float[Tensor, "h w"]:
    """Distance between red and blue at each pixel, over its mean: rises with the distance from the centre."""
    y, x = profile_coordinates(height, width)
    return with_mean_one(torch.hypot(y * (height - 1), x * (width - 1)))


@distortion
def quantize(image: Image, amount: float, generator: Generator) -> Image:
    """Uniform quantisation of each channel; amount = step as a share of the range, so 1 / (levels - 1)."""
    return (image / amount).round_().mul_(amount)


@distortion
def quantize_dither(image: Image, amount: float, generator: Generator) -> Image:
    """Uniform quantisation with uniform random dither; amount = step as a share of the range."""
    dither = unit_uniform(image.shape, generator, image) - 0.5
    return (image / amount).add_(dither).round_().mul_(amount)


@distortion
def banding(image: Image, amount: float, generator: Generator) -> Image:
    """False contours in smooth regions: only the low frequencies are quantised; amount = step, share of the range."""
    smooth = gaussian(image, BANDING_SIGMA_PX)
    return image + (smooth / amount).round() * amount - smooth
