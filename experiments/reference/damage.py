"""Damage in NumPy alone, bit-stable across versions of the engine and of its libraries: what the reference results use.

All functions take and return uint8 (H, W, 3) and never write their input. Random numbers come from RandomState, whose
streams NumPy keeps frozen (NEP 19). Nothing here is meant to be realistic or calibrated: it must only never change.
"""

from __future__ import annotations

import numpy as np

_LUMA = np.array([0.299, 0.587, 0.114])


def rounded(values: np.ndarray) -> np.ndarray:
    """Float (H, W, 3) in 0 ... 255 -> uint8. Sums are rounded first, so that their last bits never decide a half."""
    return np.clip(np.rint(np.round(values, 6)), 0, 255).astype(np.uint8)


def blur(image: np.ndarray, radius_px: int) -> np.ndarray:
    """Mean over squares of 2 radius + 1; borders are repeated."""
    return rounded(_windows(image, radius_px).mean(axis=(-2, -1)))


def median(image: np.ndarray, radius_px: int) -> np.ndarray:
    """Median over the same squares, channel by channel: smears texture and keeps edges."""
    windows = _windows(image, radius_px)
    return rounded(np.median(windows.reshape(*windows.shape[:3], -1), axis=-1))


def noise(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """White Gaussian noise of `sigma` in 8-bit steps."""
    return rounded(image + sigma * np.random.RandomState(seed).standard_normal(image.shape))


def impulses(image: np.ndarray, share: float, seed: int) -> np.ndarray:
    """`share` of the pixels black or white."""
    draw = np.random.RandomState(seed).random_sample(image.shape[:2])
    result = image.copy()
    result[draw < share / 2] = 0
    result[draw > 1 - share / 2] = 255
    return result


def blocks(image: np.ndarray, step: float) -> np.ndarray:
    """8 x 8 DCT with every coefficient rounded to multiples of `step`, coarser with frequency, as JPEG does."""
    height, width = (length // 8 * 8 for length in image.shape[:2])
    angle = np.pi * (2 * np.arange(8) + 1) / 16
    basis = np.cos(np.arange(8)[:, None] * angle) * np.where(np.arange(8) == 0, np.sqrt(1 / 8), 0.5)[:, None]
    tiles = image[:height, :width].astype(np.float64).reshape(height // 8, 8, width // 8, 8, 3).transpose(0, 2, 4, 1, 3)
    coefficients = basis @ tiles @ basis.T
    steps = step * (1 + np.add.outer(np.arange(8), np.arange(8)) / 2)
    levels = np.rint(np.round(coefficients / steps, 6))
    decoded = basis.T @ (levels * steps) @ basis
    result = image.copy()
    result[:height, :width] = rounded(decoded).transpose(0, 3, 1, 4, 2).reshape(height, width, 3)
    return result


def pixels(image: np.ndarray, side_px: int) -> np.ndarray:
    """One value, the upper left one, for every square of `side_px`."""
    height, width = image.shape[:2]
    return image[np.arange(height) // side_px * side_px][:, np.arange(width) // side_px * side_px]


def levels(image: np.ndarray, count: int) -> np.ndarray:
    """`count` equidistant values a channel, without dither."""
    return rounded(np.rint(image / 255.0 * (count - 1)) * 255.0 / (count - 1))


def tone(image: np.ndarray, gain: float, offset: float = 0.0) -> np.ndarray:
    """gain * value + offset, both about mid grey: contrast and brightness."""
    return rounded((image - 127.5) * gain + 127.5 + offset)


def saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Distance from grey times `factor`."""
    grey = (image @ _LUMA)[..., None]
    return rounded(grey + factor * (image - grey))


def cast(image: np.ndarray, red: float, blue: float) -> np.ndarray:
    """Gains of the red and the blue channel."""
    return rounded(image * np.array([red, 1.0, blue]))


def haze(image: np.ndarray, share: float) -> np.ndarray:
    """`share` of a light grey veil over everything."""
    return rounded((1 - share) * image + share * 230.0)


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The left half of one version and the right half of another."""
    half = left.shape[1] // 2
    return np.concatenate([left[:, :half], right[:, half:]], axis=1)


def _windows(image: np.ndarray, radius_px: int) -> np.ndarray:
    """(H, W, 3, n, n) views of squares of n = 2 radius + 1 pixels."""
    padded = np.pad(image, ((radius_px, radius_px), (radius_px, radius_px), (0, 0)), mode="edge")
    side = 2 * radius_px + 1
    return np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
