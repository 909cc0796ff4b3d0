"""What super-resolution and restoration leave behind: halos, jaggies, painted patches, ringing, blotches.

The first four lose resolution by a real factor and bring it back the way an upscaler does that has one fault; amounts
are the factor less one. Below a factor of 1.5 the result is mixed with the original in proportion, for resampling by
1.01 blurs nearly as much as by 1.1 and the damage would start with a jump.
"""

import torch
from torch import Generator

from distortion_engine.distortions.contract import Image, distortion
from distortion_engine.distortions.filters import gaussian, resample, warp
from distortion_engine.distortions.interpolation import CUBIC, down_and_up, enlarging, shrinking
from distortion_engine.distortions.onset import eased
from distortion_engine.distortions.random_fields import unit_normal
from distortion_engine.distortions.sparse import shrunk

FULL_FROM = 0.5  # amount from which nothing of the original is mixed in
HALO_PX = 0.6  # standard deviation of the unsharp mask, in pixels of the small image
PATCH_PX = 0.75  # reach of the sectors whose most even one a painted pixel takes, in pixels of the small image
PATCH_CHOICE = 4.0  # power of the inverse variance by which sectors are weighted; infinity takes the most even one
ASSUMED_WIDTH = 1.35  # width of the filter that back-projection believes in, over that of the one that was used
BACK_PROJECTIONS = 6
RESIDUE_THRESHOLD = 2.9  # hard threshold of DCT coefficients over the standard deviation of the noise
RESIDUE_ORIGINS = ((0, 0), (4, 2), (2, 5), (6, 7))  # of the block grids whose results are averaged


@eased(FULL_FROM)
@distortion
def sr_sharpened(image: Image, amount: float, generator: Generator, *, gain: float) -> Image:
    """Shrunk, enlarged and sharpened to make up for it: soft detail inside wide halos. `gain` of the unsharp mask,
    whose width follows the factor; amount = factor less 1."""
    factor = 1.0 + amount
    soft = down_and_up(image, factor, CUBIC)
    return soft + gain * (soft - gaussian(soft, HALO_PX * factor))


@eased(FULL_FROM)
@distortion
def sr_aliased(image: Image, amount: float, generator: Generator) -> Image:
    """Shrunk without a filter and enlarged smoothly: staircases and moire in soft pixels; amount = factor less 1."""
    return down_and_up(image, 1.0 + amount, CUBIC, width=1.0)


@eased(FULL_FROM)
@distortion
def sr_painted(image: Image, amount: float, generator: Generator) -> Image:
    """Enlarged and redrawn with crisp edges and no texture, as networks trained on pixel errors do: each pixel takes
    the mean of the most even of four sectors next to it (Papari et al. 2007); amount = factor less 1."""
    factor = 1.0 + amount
    soft = down_and_up(image, factor, CUBIC)
    reach = PATCH_PX * factor
    mean, square = gaussian(torch.cat([soft, soft * soft]), 0.6 * reach).split(3)
    sectors = torch.cat([mean, (square - mean * mean).sum(dim=0, keepdim=True).clamp_min(0.0)])
    total, weights = torch.zeros_like(image), torch.zeros_like(image[:1])
    for down, right in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        sector = warp(sectors, down * reach, right * reach)
        weight = (sector[3:] + 1e-4) ** -PATCH_CHOICE
        total, weights = total + weight * sector[:3], weights + weight
    return total / weights


@eased(FULL_FROM)
@distortion
def sr_back_projection(image: Image, amount: float, generator: Generator) -> Image:
    """Enlarged by iterated back-projection (Irani and Peleg 1991) that takes the filter of the small image for wider
    than it was, the usual error of blind super-resolution: ringing at every edge; amount = factor less 1."""
    factor = 1.0 + amount
    up = [[enlarging(size, factor, CUBIC)] for size in image.shape[1:]]
    shrink = [[shrinking(size, factor, factor, CUBIC)] for size in image.shape[1:]]
    assumed = [[shrinking(size, factor, ASSUMED_WIDTH * factor, CUBIC)] for size in image.shape[1:]]
    small = resample(image, *shrink)
    rebuilt = resample(small, *up)
    for _ in range(BACK_PROJECTIONS):
        rebuilt = rebuilt + resample(small - resample(rebuilt, *assumed), *up)
    return rebuilt


@distortion
def denoise_residual(image: Image, amount: float, generator: Generator) -> Image:
    """Noise taken out by thresholding a block DCT: what is left of it are blotches and stray waves, and fine texture
    is gone; amount = standard deviation of the noise."""
    noisy = image + amount * unit_normal(image.shape, generator, image)
    total = torch.zeros_like(image)
    for down, right in RESIDUE_ORIGINS:
        total = total + shrunk(noisy, RESIDUE_THRESHOLD * amount, down, right, hard=True)
    return total / len(RESIDUE_ORIGINS)
