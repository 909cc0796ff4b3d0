"""Slow, literal NumPy versions of what formulas are made of, for the tests beside this file; channels first."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from distortion_engine.reading.image_io import load_image

PHOTO = load_image(Path(__file__).parents[2] / "images" / "photo_1.png")[:, 30:94, 20:100].contiguous()
SOFT = 0.3 + 0.4 * PHOTO  # far enough from black and white that no formula leaves the range
ROUNDING = 3e-6
TABLES = 6e-5  # to linear light and back by tables of 16 bits
PYRAMID = 4e-4  # Gaussians of 4 px and more


def seeded(seed: int = 5) -> Generator:
    return torch.Generator().manual_seed(seed)


def array(image: Tensor) -> np.ndarray:
    return image.numpy().astype(np.float64)


def difference(result: Tensor, expected: np.ndarray) -> float:
    """Largest difference from what a formula gives, cut to [0, 1]."""
    return float(np.abs(array(result) - np.clip(expected, 0.0, 1.0)).max())


def luma(image: np.ndarray) -> np.ndarray:
    return 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]


def to_linear(code: np.ndarray) -> np.ndarray:
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def from_linear(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0.0, 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1.0 / 2.4) - 0.055)


def _filtered(plane: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The plane correlated with `weights` along both axes, mirrored with the edge pixel repeated."""
    reach = len(weights) // 2
    for _ in range(2):
        padded = np.pad(plane, ((reach, reach), (0, 0)), mode="symmetric")
        plane = sum(weight * padded[i : i + len(plane)] for i, weight in enumerate(weights)).T
    return plane


def gaussian_weights(sigma_px: float) -> np.ndarray:
    reach = max(1, math.ceil(4.0 * sigma_px))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    return weights / weights.sum()


def gaussian(image: np.ndarray, sigma_px: float) -> np.ndarray:
    return np.stack([_filtered(plane, gaussian_weights(sigma_px)) for plane in image])


def box(image: np.ndarray, radius_px: int) -> np.ndarray:
    side = 2 * radius_px + 1
    return np.stack([_filtered(plane, np.full(side, 1.0 / side)) for plane in image])


def self_guided(image: np.ndarray, radius_px: int, deviation: float) -> np.ndarray:
    """He et al. 2010, equations 5, 6 and 8 with the image as its own guide."""
    mean = box(image, radius_px)
    variance = box(image**2, radius_px) - mean**2
    a = variance / (variance + deviation**2)
    return box(a, radius_px) * image + box((1.0 - a) * mean, radius_px)


def blotches(noise: np.ndarray, sigma_px: float) -> np.ndarray:
    """White noise of variance 1, blurred, and of variance 1 again."""
    return gaussian(noise, sigma_px) / np.sum(gaussian_weights(sigma_px) ** 2)


def keys_cubic(x: float) -> float:
    """Keys 1981, equation 15."""
    x = abs(x)
    if x < 1.0:
        return 1.5 * x**3 - 2.5 * x**2 + 1.0
    return -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0 if x < 2.0 else 0.0


def resampling_matrix(positions: list[float], size: int, width: float, kernel: Callable[[float], float]) -> np.ndarray:
    """Row i holds the weights of all pixels at position i, normalised."""
    weights = np.array([[kernel((position - pixel) / width) for pixel in range(size)] for position in positions])
    return weights / weights.sum(axis=1, keepdims=True)


def shrinking(size: int, factor: float, width: float, kernel: Callable[[float], float]) -> np.ndarray:
    centres = [min((i + 0.5) * factor - 0.5, size - 1.0) for i in range(math.ceil(size / factor))]
    return resampling_matrix(centres, size, width, kernel)


def enlarging(size: int, factor: float, kernel: Callable[[float], float]) -> np.ndarray:
    small = math.ceil(size / factor)
    places = [min(max((i + 0.5) / factor - 0.5, 0.0), small - 1.0) for i in range(size)]
    return resampling_matrix(places, small, 1.0, kernel)


def down_up(image: np.ndarray, factor: float, width: float, kernel: Callable[[float], float]) -> np.ndarray:
    rows, columns = (
        enlarging(size, factor, kernel) @ shrinking(size, factor, width, kernel) for size in image.shape[1:]
    )
    return rows @ image @ columns.T
