"""Noise: additive, signal-dependent, of a camera's processing, spatially coloured, hidden in texture, in chroma only,
and impulses.

Each draws one field of unit noise whatever the amount, so the levels of a ladder share their noise and are nested.
"""

import math

import numpy as np
import torch
from torch import Generator, Tensor

from distortion_engine.distortions.color_conversion import from_linear, luma, to_linear, with_chroma
from distortion_engine.distortions.contract import Image, distortion
from distortion_engine.distortions.filters import (
    box,
    fast_path,
    gaussian,
    gaussian_energy,
    gaussian_kernel,
    self_guided,
)
from distortion_engine.distortions.random_fields import hits, unit_normal

READ_NOISE = 0.05  # read noise over shot noise at white, of a small sensor at high gain
MASKING_SIGMA_PX = 2.0  # neighbourhood in which texture hides noise
MASKING_HALF = 0.05  # local standard deviation of luma at which half of the noise is let through
TEXTURE_RADIUS_PX = 3  # of the guided filter that tells texture from edges, and its range, sqrt(eps)
TEXTURE_RANGE = 0.15


@distortion
def white_noise(image: Image, amount: float, generator: Generator) -> Image:
    """Independent Gaussian noise in R, G and B; amount = standard deviation."""
    return torch.add(image, unit_normal(image.shape, generator, image), alpha=amount)


@distortion
def multiplicative_noise(image: Image, amount: float, generator: Generator) -> Image:
    """Speckle: each value times (1 + noise); amount = standard deviation of that noise."""
    return torch.addcmul(image, image, unit_normal(image.shape, generator, image), value=amount)


@distortion
def raw_noise(image: Image, amount: float, generator: Generator) -> Image:
    """Poisson-Gaussian sensor noise in linear light (Foi et al. 2008); amount = its standard deviation at white."""
    light = to_linear(image)
    deviation = amount * torch.sqrt(light + READ_NOISE**2)
    return from_linear(light + deviation * unit_normal(image.shape, generator, image))


@distortion
def developed_noise(
    image: Image, amount: float, generator: Generator, *, grain_px: float, blotch_px: float, colour: float
) -> Image:
    """Sensor noise as a camera's processing leaves it: demosaicing, noise reduction and scaling make grain of luma and
    larger blotches of colour of it (Nam et al. 2016); amount = standard deviation of its luma at white.

    Args:
        image: (3, H, W) in sRGB.
        amount: in linear light; at other values the noise is that of `raw_noise`, times sqrt(light + READ_NOISE**2).
        generator: of the three fields, of luma, Cb and Cr.
        grain_px: standard deviation of the Gaussian that correlates luma, in px.
        blotch_px: standard deviation of the Gaussian that correlates Cb and Cr, in px.
        colour: standard deviation of Cb and of Cr over that of luma.
    """
    field = unit_normal(image.shape, generator, image)
    grain = gaussian(field[:1], grain_px) / gaussian_energy(grain_px)
    cb, cr = gaussian(field[1:], blotch_px) * (colour / gaussian_energy(blotch_px))
    light = to_linear(image)
    deviation = amount * torch.sqrt(light + READ_NOISE**2)
    return from_linear(light + deviation * with_chroma(grain.expand_as(image), cb, cr))


@distortion
def high_frequency_noise(image: Image, amount: float, generator: Generator) -> Image:
    """White noise less its low frequencies, one field for all channels; amount = standard deviation."""
    sigma_px = 1.0
    field = unit_normal((1, *image.shape[1:]), generator, image)
    # The variance of (identity - Gaussian) applied to white noise is the energy of that kernel.
    energy = 1.0 - 2.0 * float(gaussian_kernel(sigma_px).max()) ** 2 + gaussian_energy(sigma_px) ** 2
    return image + amount * (field - gaussian(field, sigma_px)) / math.sqrt(energy)


@distortion
def film_grain(image: Image, amount: float, generator: Generator, *, grain_px: float) -> Image:
    """Monochrome grain, correlated over `grain_px`, strongest in the mid-tones; amount = standard deviation there."""
    field = gaussian(unit_normal((1, *image.shape[1:]), generator, image), grain_px)
    field = field / gaussian_energy(grain_px)  # of unit variance again
    tone = luma(image)
    return image + amount * (0.3 + 2.8 * tone * (1.0 - tone)) * field


@distortion
def masked_noise(image: Image, amount: float, generator: Generator) -> Image:
    """White noise in proportion to the texture that masks it: none in flat regions; amount = standard deviation in
    strong texture."""
    tone = luma(image)
    mean = gaussian(tone, MASKING_SIGMA_PX)
    variance = gaussian((tone - mean) ** 2, MASKING_SIGMA_PX)
    share = variance / (variance + MASKING_HALF**2)
    return image + amount * share * unit_normal(image.shape, generator, image)


@distortion
def comfort_noise(image: Image, amount: float, generator: Generator) -> Image:
    """Texture taken out and noise of the same local energy put in its place, as a decoder does that synthesises what
    the encoder left out; edges stay. amount = amplitude of the noise over that of the texture: from 1 on no texture is
    left and only the noise grows."""
    texture = image - self_guided(image, TEXTURE_RADIUS_PX, TEXTURE_RANGE)
    deviation = box(texture * texture, TEXTURE_RADIUS_PX).clamp_min(0.0).sqrt()
    noise = deviation * unit_normal((1, *image.shape[1:]), generator, image)
    # The squares of both factors add up to 1 as long as they can, so that the energy of the texture stays.
    noisy: Tensor = image + (max(0.0, 1.0 - amount * amount) ** 0.5 - 1.0) * texture + amount * noise
    return noisy


@distortion
def chroma_noise(image: Image, amount: float, generator: Generator, *, grain_px: float) -> Image:
    """Noise in Cb and Cr with luma kept; amount = standard deviation; `grain_px` > 0 makes blotches of that size."""
    field = gaussian(unit_normal((2, *image.shape[1:]), generator, image), grain_px)
    field = field * (amount / gaussian_energy(grain_px))
    return with_chroma(image, field[0], field[1])


def _replaced(image: Tensor, places: np.ndarray, values: np.ndarray) -> Tensor:
    """A copy of `image` (C, N) with new values (C, K) at some of the N places; a place's first one counts."""
    if fast_path(image):
        result = image.numpy().copy()
        result[:, places[::-1]] = values[:, ::-1]  # NumPy keeps what is written last
        return torch.from_numpy(result)
    unique, first = np.unique(places, return_index=True)
    index = torch.from_numpy(unique).to(image.device)
    return image.index_copy(1, index, torch.from_numpy(values[:, first]).to(image))


@distortion
def impulse_noise(image: Image, amount: float, generator: Generator) -> Image:
    """Salt and pepper in each channel on its own; amount = probability that a value is hit."""
    places, words = hits(image.numel(), amount, generator)
    salt = (words & np.uint64(1)).astype(np.float32)
    return _replaced(image.reshape(1, -1), places, salt[None]).reshape(image.shape)


@distortion
def dead_pixels(image: Image, amount: float, generator: Generator) -> Image:
    """Whole pixels of random colour, as from defective photosites; amount = probability that a pixel is hit."""
    places, words = hits(image[0].numel(), amount, generator)
    colour = np.stack([(words >> np.uint64(16 * channel)) & np.uint64(0xFFFF) for channel in range(3)])
    values = (colour / np.float32(65535.0)).astype(np.float32)
    return _replaced(image.reshape(3, -1), places, values).reshape(image.shape)
