"""Edits that nobody sees, and of which therefore nothing should be said."""

from __future__ import annotations

import cv2
import imagecodecs
import numpy as np

from experiments.words.manipulation import Edit, Manipulation, to_bytes, whole
from experiments.words.whole_image import coded


def _jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    return coded(pixels, "JPEG", quality=quality, subsampling=0)


def _one_step(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return to_bytes(pixels + rng.integers(-1, 2, pixels.shape))


def _one_pixel(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    edited = pixels.copy()
    y, x = (int(rng.integers(side)) for side in pixels.shape[:2])
    edited[y, x] = np.where(edited[y, x] > 127, edited[y, x] - 10, edited[y, x] + 10)
    return edited


def _rounded(pixels: np.ndarray, rng: np.random.Generator) -> Edit:
    """An original of 16 bits, with values between the steps of 8, and the same rounded to 8."""
    between = cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 0.6)
    deep = np.clip(np.rint(between * 257), 0, 65535).astype(np.uint16)
    return Edit(deep, to_bytes(deep / 257))


def _jpeg_xl(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(imagecodecs.jpegxl_decode(imagecodecs.jpegxl_encode(pixels, lossless=True)))


NEUTRAL: tuple[Manipulation, ...] = (
    whole("identical", "", lambda p, r: p.copy(), "neutral"),
    whole("saved as PNG", "", lambda p, r: coded(p, "PNG"), "neutral"),
    whole("saved as lossless WebP", "", lambda p, r: coded(p, "WEBP", lossless=True, exact=True), "neutral"),
    whole("saved as lossless JPEG XL", "", lambda p, r: _jpeg_xl(p), "neutral"),
    whole("JPEG 99", "", lambda p, r: _jpeg(p, 99), "neutral"),
    whole("JPEG 98", "", lambda p, r: _jpeg(p, 98), "neutral"),
    whole("one code value up or down", "", _one_step, "neutral"),
    whole("one pixel changed by 10", "", _one_pixel, "neutral"),
    Manipulation("16 bits rounded to 8", frozenset(), _rounded, "neutral"),
)
