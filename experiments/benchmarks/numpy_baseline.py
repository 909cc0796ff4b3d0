"""ARNIQA's 24 distortion types as one would plainly write them: an image at a time, with NumPy, SciPy and Pillow.

The yardstick of `generate.py` and nothing else: no batches, no masks, no fields. Written from the published table of
parameters (ARNIQA, and Re-IQA and KADIS before it); where a table gives numbers without the formula, the docstring says
what was put in its place. float32 throughout, and compiled routines wherever SciPy or Pillow has one.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

from experiments.benchmarks.numpy_color import YCBCR, lab_of, rgb_of

Array = np.ndarray
Function = Callable[[Array, float, np.random.Generator], Array]


def _filtered(image: Array, kernel: Array) -> Array:
    return np.stack([ndimage.convolve(image[..., c], kernel, mode="nearest") for c in range(3)], axis=-1)


def _coded(image: Array, form: str, **options: object) -> Array:
    stream = io.BytesIO()
    Image.fromarray((image * 255).round().astype(np.uint8)).save(stream, form, **options)
    return np.asarray(Image.open(stream), np.float32) / 255


def gaussian_blur(image: Array, sigma: float, rng: np.random.Generator) -> Array:
    """Separable Gaussian."""
    return ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest")


def lens_blur(image: Array, radius: float, rng: np.random.Generator) -> Array:
    """Disk."""
    grid = np.arange(-np.ceil(radius), np.ceil(radius) + 1)
    disk = (np.hypot(grid[:, None], grid[None, :]) <= radius).astype(np.float32)
    return _filtered(image, disk / disk.sum())


def motion_blur(image: Array, length: float, rng: np.random.Generator) -> Array:
    """Line at a random angle."""
    angle, half = rng.uniform(0, np.pi), int(np.ceil(length / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    for t in np.linspace(-length / 2, length / 2, 8 * half + 1):
        kernel[half + round(t * np.sin(angle)), half + round(t * np.cos(angle))] = 1
    return _filtered(image, kernel / kernel.sum())


def color_diffusion(image: Array, amount: float, rng: np.random.Generator) -> Array:
    """Lab a and b blurred with sigma 1.5 a + 2 and scaled by a."""
    lab, sigma = lab_of(image), 1.5 * amount + 2
    lab[..., 1:] = amount * ndimage.gaussian_filter(lab[..., 1:], (sigma, sigma, 0), mode="nearest")
    return rgb_of(lab)


def color_shift(image: Array, amount: float, rng: np.random.Generator) -> Array:
    """Green moved in a random direction, near edges."""
    angle = rng.uniform(0, 2 * np.pi)
    shifted = np.roll(image[..., 1], (round(amount * np.sin(angle)), round(amount * np.cos(angle))), (0, 1))
    edges = ndimage.gaussian_gradient_magnitude(image.mean(axis=-1), 2.0)
    weight = np.clip(edges / (edges.max() + 1e-6) * 3, 0, 1)
    result = image.copy()
    result[..., 1] = image[..., 1] * (1 - weight) + shifted * weight
    return result


def hsv_saturation(image: Array, factor: float, rng: np.random.Generator) -> Array:
    """HSV saturation times a factor, by Pillow."""
    hsv = np.array(Image.fromarray((image * 255).round().astype(np.uint8)).convert("HSV"))
    hsv[..., 1] = np.clip(hsv[..., 1] * factor, 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"), np.float32) / 255


def lab_saturation(image: Array, factor: float, rng: np.random.Generator) -> Array:
    """Lab a and b times a factor."""
    lab = lab_of(image)
    lab[..., 1:] *= factor
    return rgb_of(lab)


def jpeg2000(image: Array, ratio: float, rng: np.random.Generator) -> Array:
    """JPEG 2000 at a ratio of compression."""
    return _coded(image, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True)


def jpeg(image: Array, quality: float, rng: np.random.Generator) -> Array:
    """JPEG at a quality."""
    return _coded(image, "JPEG", quality=int(quality))


def white_noise(image: Array, variance: float, rng: np.random.Generator) -> Array:
    """Gaussian noise in RGB."""
    return image + np.float32(variance**0.5) * rng.standard_normal(image.shape, np.float32)


def ycbcr_noise(image: Array, variance: float, rng: np.random.Generator) -> Array:
    """Gaussian noise in YCbCr."""
    noisy = image @ YCBCR.T + np.float32(variance**0.5) * rng.standard_normal(image.shape, np.float32)
    return noisy @ np.linalg.inv(YCBCR).T


def impulse_noise(image: Array, probability: float, rng: np.random.Generator) -> Array:
    """Salt and pepper."""
    chance = rng.random(image.shape, np.float32)
    return np.where(chance < probability / 2, 0, np.where(chance < probability, 1, image))


def multiplicative_noise(image: Array, variance: float, rng: np.random.Generator) -> Array:
    """Speckle."""
    return image + image * np.float32(variance**0.5) * rng.standard_normal(image.shape, np.float32)


def _curved(image: Array, knots: list[tuple[float, float]]) -> Array:
    """Monotone curve through the knots, on RGB to two thirds and on Lab lightness to one third."""
    curve = PchipInterpolator(*zip(*knots, strict=True))
    lab = lab_of(image)
    lab[..., 0] = 100 * np.clip(curve(np.clip(lab[..., 0] / 100, 0, 1)), 0, 1)
    return ((2 * np.clip(curve(image), 0, 1) + rgb_of(lab)) / 3).astype(np.float32)


def brighten(image: Array, amount: float, rng: np.random.Generator) -> Array:
    """Curve that lifts 0.5 to 0.5 + 0.5 a."""
    return _curved(image, [(0, 0), (0.5, 0.5 + 0.5 * amount), (1, max(1, 0.5 + 0.5 * amount))])


def darken(image: Array, amount: float, rng: np.random.Generator) -> Array:
    """Curve that lowers 0.5 to 0.5 - 0.5 a."""
    return _curved(image, [(0, 0), (0.5, 0.5 - 0.5 * amount), (1, 1)])


def mean_shift(image: Array, amount: float, rng: np.random.Generator) -> Array:
    """Addition of a constant."""
    return image + np.float32(amount)


def jitter(image: Array, amount: float, rng: np.random.Generator) -> Array:
    """Five warps by a random offset at each pixel."""
    grid = np.indices(image.shape[:2], np.float32)
    for _ in range(5):
        where = grid + np.float32(amount) * rng.standard_normal(grid.shape, np.float32)
        image = np.stack(
            [ndimage.map_coordinates(image[..., c], where, order=1, mode="nearest") for c in range(3)], axis=-1
        )
    return image


def displaced_patches(image: Array, count: float, rng: np.random.Generator) -> Array:
    """Patches of 16 x 16 px copied to a place near by."""
    result, (height, width) = image.copy(), image.shape[:2]
    for _ in range(int(count)):
        y, x = rng.integers(8, height - 24), rng.integers(8, width - 24)
        down, right = rng.integers(-8, 9, 2)
        result[y + down : y + down + 16, x + right : x + right + 16] = image[y : y + 16, x : x + 16]
    return result


def pixelate(image: Array, strength: float, rng: np.random.Generator) -> Array:
    """Shrunk to 0.95 - s^0.6 of its size and enlarged, nearest neighbours."""
    scale = 0.95 - strength**0.6
    picture = Image.fromarray((image * 255).round().astype(np.uint8))
    size = max(1, int(scale * picture.width)), max(1, int(scale * picture.height))
    nearest = Image.Resampling.NEAREST
    return np.asarray(picture.resize(size, nearest).resize(picture.size, nearest), np.float32) / 255


def quantize(image: Array, levels: float, rng: np.random.Generator) -> Array:
    """Uniform levels."""
    return np.round(image * (levels - 1)) / np.float32(levels - 1)


def color_blocks(image: Array, count: float, rng: np.random.Generator) -> Array:
    """Blocks of 32 x 32 px of random colour."""
    result, (height, width) = image.copy(), image.shape[:2]
    for _ in range(int(count)):
        y, x = rng.integers(0, height - 32), rng.integers(0, width - 32)
        result[y : y + 32, x : x + 32] = rng.random(3)
    return result


def sharpen(image: Array, amount: float, rng: np.random.Generator) -> Array:
    """Lab lightness less a times its Laplacian."""
    lab = lab_of(image)
    lab[..., 0] -= amount * ndimage.laplace(lab[..., 0], mode="nearest") / 8
    return rgb_of(lab)


def linear_contrast(image: Array, amount: float, rng: np.random.Generator) -> Array:
    """Slope 1 + a about mid-grey; the published table has a alone."""
    return (image - np.float32(0.5)) * np.float32(1 + amount) + np.float32(0.5)


def nonlinear_contrast(image: Array, offset: float, rng: np.random.Generator) -> Array:
    """S-curve through (offset, offset / 2); the published table has the offset alone."""
    return _curved(image, [(0, 0), (offset, offset / 2), (0.5, 0.5), (1 - offset, 1 - offset / 2), (1, 1)])


@dataclass(frozen=True)
class BaselineType:
    """One distortion of the bank.

    Args:
        apply: the distortion.
        levels: its five published parameters.
        ours: name of the corresponding distortion of the engine.
        amounts: amounts of that distortion at the five levels, as far as its ladder goes; empty where the two scales do
            not convert.
    """

    apply: Function
    levels: tuple[float, ...]
    ours: str
    amounts: tuple[float, ...] = ()


BANK: tuple[BaselineType, ...] = (
    BaselineType(gaussian_blur, (0.1, 0.5, 1, 2, 5), "gaussian_blur", (0.1, 0.5, 1, 2, 5)),
    BaselineType(lens_blur, (1, 2, 4, 6, 8), "lens_blur", (0.5, 1.5, 3.5, 5.5, 7.5)),
    BaselineType(motion_blur, (1, 2, 4, 6, 10), "motion_blur", (1, 2, 4, 6, 10)),
    BaselineType(color_diffusion, (1, 3, 6, 8, 12), "color_diffusion", (3.5, 6.5, 11, 14, 20)),
    BaselineType(color_shift, (1, 3, 6, 8, 12), "chroma_shift", (1, 3, 6, 7, 7)),
    BaselineType(hsv_saturation, (0.4, 0.2, 0.1, 0, -0.4), "desaturate", (0.6, 0.8, 0.9, 1, 1)),
    BaselineType(lab_saturation, (1, 2, 3, 6, 9), "saturate", (0, 1, 2, 5, 5)),
    BaselineType(jpeg2000, (16, 32, 45, 120, 170), "jpeg2000"),
    BaselineType(jpeg, (43, 36, 24, 7, 4), "jpeg", (57, 64, 76, 93, 95)),
    BaselineType(white_noise, (0.001, 0.002, 0.003, 0.005, 0.01), "white_noise", (0.032, 0.045, 0.055, 0.071, 0.1)),
    BaselineType(
        ycbcr_noise, (0.0001, 0.0005, 0.001, 0.002, 0.003), "chroma_noise", (0.01, 0.022, 0.032, 0.045, 0.055)
    ),
    BaselineType(impulse_noise, (0.001, 0.005, 0.01, 0.02, 0.03), "impulse_noise", (0.001, 0.005, 0.01, 0.02, 0.03)),
    BaselineType(
        multiplicative_noise,
        (0.001, 0.005, 0.01, 0.02, 0.05),
        "multiplicative_noise",
        (0.032, 0.071, 0.1, 0.141, 0.224),
    ),
    BaselineType(brighten, (0.1, 0.2, 0.4, 0.7, 1.1), "brighten", (0.15, 0.32, 0.74, 1.74, 2.5)),
    BaselineType(darken, (0.05, 0.1, 0.2, 0.4, 0.8), "darken", (0.07, 0.15, 0.32, 0.74, 2.32)),
    BaselineType(mean_shift, (0, 0.08, -0.08, 0.15, -0.15), "mean_shift_up", (0, 0.08, 0.08, 0.15, 0.15)),
    BaselineType(jitter, (0.05, 0.1, 0.2, 0.5, 1), "jitter", (0.11, 0.22, 0.45, 1.1, 2.2)),
    BaselineType(displaced_patches, (20, 40, 60, 80, 100), "displaced_patches", (2.6, 5.2, 7.8, 10.4, 13)),
    BaselineType(pixelate, (0.01, 0.05, 0.1, 0.2, 0.5), "pixelate", (0.13, 0.28, 0.43, 0.76, 2.45)),
    BaselineType(quantize, (20, 16, 13, 10, 7), "quantize", (0.053, 0.067, 0.083, 0.111, 0.167)),
    BaselineType(color_blocks, (2, 4, 6, 8, 10), "color_blocks", (1, 2.1, 3.1, 4.2, 5.2)),
    BaselineType(sharpen, (1, 2, 3, 6, 12), "sharpen"),
    BaselineType(linear_contrast, (0, 0.15, -0.4, 0.3, -0.6), "contrast_up", (0, 0.15, 0.4, 0.3, 0.6)),
    BaselineType(nonlinear_contrast, (0.4, 0.3, 0.2, 0.1, 0.05), "contrast_curve"),
)


def distort(kind: BaselineType, level: int, image: Array, rng: np.random.Generator) -> Array:
    """`image` (H, W, 3) float32 in [0, 1] through one type at level 0 to 4; a new array in [0, 1]."""
    return np.clip(kind.apply(image, kind.levels[level], rng), 0, 1).astype(np.float32)
