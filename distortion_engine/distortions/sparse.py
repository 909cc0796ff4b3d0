"""Sparse sampling: most pixels are lost and rebuilt from the rest by the sparsity of natural images in a block DCT."""

import functools
import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from distortion_engine.distortions.contract import Image, distortion
from distortion_engine.distortions.filters import gaussian, pad_symmetric
from distortion_engine.distortions.random_fields import unit_uniform

BLOCK_PX = 8
# Block origins of the rounds, all different, so that the seams of one are inside the blocks of the next.
ORIGINS = ((0, 0), (4, 4), (2, 6), (6, 2), (4, 0), (0, 4), (6, 6), (2, 2), (3, 1), (7, 5), (5, 3), (1, 7))
FIRST_THRESHOLD, LAST_THRESHOLD = 0.15, 0.01  # of a DCT coefficient, orthonormal; falls geometrically
SPREAD = 0.7  # standard deviation of the first guess's Gaussian over the mean distance of the pixels that are left


@functools.cache
def _dct_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II `(size, size)`, one basis function a row."""
    position = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi / size * (position[None, :] + 0.5) * position[:, None]) * math.sqrt(2.0 / size)
    matrix[0] /= math.sqrt(2.0)
    return matrix


def shrunk(
    image: Float[Tensor, "3 h w"], threshold: float, down: int, right: int, *, hard: bool = False
) -> Float[Tensor, "3 h w"]:
    """The image with its block DCT coefficients drawn towards 0 by `threshold`, or those below it set to 0 when `hard`;
    means are kept. Blocks of 8 px start `down`, `right` px outside the image."""
    height, width = image.shape[1:]
    padded = pad_symmetric(image, BLOCK_PX, BLOCK_PX)[:, BLOCK_PX - down :, BLOCK_PX - right :]
    rows, columns = math.ceil((height + down) / BLOCK_PX), math.ceil((width + right) / BLOCK_PX)
    padded = padded[:, : rows * BLOCK_PX, : columns * BLOCK_PX]
    blocks = padded.reshape(3, rows, BLOCK_PX, columns, BLOCK_PX).transpose(2, 3)
    dct = _dct_matrix(BLOCK_PX).to(image)
    coefficients = dct @ blocks @ dct.T
    if hard:
        small = torch.where(coefficients.abs() > threshold, coefficients, torch.zeros_like(coefficients))
    else:
        small = coefficients.sign() * (coefficients.abs() - threshold).clamp_min(0.0)
    small[..., 0, 0] = coefficients[..., 0, 0]
    smooth = (dct.T @ small @ dct).transpose(2, 3).reshape(3, rows * BLOCK_PX, columns * BLOCK_PX)
    return smooth[:, down : down + height, right : right + width]


@distortion
def sparse_sampling(image: Image, amount: float, generator: Generator) -> Image:
    """Random pixels lost and rebuilt by iterated shrinkage of DCT coefficients (Guleryuz 2006); amount = % lost."""
    lost = min(0.01 * amount, 0.999)
    known = unit_uniform((1, *image.shape[1:]), generator, image) >= lost
    # First guess: a weighted mean of the known pixels near by (normalised convolution, Knutsson and Westin 1993).
    sigma_px = SPREAD / (1.0 - lost) ** 0.5
    share = gaussian(known.to(image), sigma_px)
    guess = gaussian(image * known, sigma_px) / share.clamp_min(1e-6)
    rebuilt = torch.where(known, image, guess)
    for turn, (down, right) in enumerate(ORIGINS):
        threshold = FIRST_THRESHOLD * (LAST_THRESHOLD / FIRST_THRESHOLD) ** (turn / (len(ORIGINS) - 1))
        rebuilt = torch.where(known, image, shrunk(rebuilt, threshold, down, right))
    return rebuilt
