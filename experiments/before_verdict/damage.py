"""Damage that leaves an image where it lies, and shows the scene that it showed."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from experiments.before_verdict.photographs import coded, rounded

Damage = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _wobble(pixels: np.ndarray, rng: np.random.Generator, amount_px: float, wide_px: float) -> np.ndarray:
    """Every pixel displaced by a smooth random field of mean 0."""
    height, width = pixels.shape[:2]
    fields = []
    for _ in range(2):
        field = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), wide_px)
        fields.append(amount_px * (field - field.mean()) / field.std())
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(pixels, x + fields[0], y + fields[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def _hsv(pixels: np.ndarray, hue: int, saturation: float) -> np.ndarray:
    values = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV).astype(np.float32)
    values[..., 0] = (values[..., 0] + hue) % 180
    values[..., 1] = np.clip(values[..., 1] * saturation, 0, 255)
    return cv2.cvtColor(values.astype(np.uint8), cv2.COLOR_HSV2RGB)


def _equalized(pixels: np.ndarray) -> np.ndarray:
    return np.stack([cv2.equalizeHist(np.ascontiguousarray(pixels[..., k])) for k in range(3)], 2)


def _smaller_and_back(pixels: np.ndarray, factor: int, how: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=how)


def _block(pixels: np.ndarray) -> np.ndarray:
    """A grey rectangle over a quarter of the picture."""
    edited = pixels.copy()
    height, width = pixels.shape[:2]
    edited[height // 6 : height * 4 // 6, width // 6 : width * 4 // 6] = 128
    return edited


DAMAGES: dict[str, Damage] = {
    "noise, sigma 10": lambda p, r: rounded(p + r.normal(0, 10, p.shape)),
    "noise, sigma 30": lambda p, r: rounded(p + r.normal(0, 30, p.shape)),
    "noise, sigma 60": lambda p, r: rounded(p + r.normal(0, 60, p.shape)),
    "blur, sigma 2 px": lambda p, r: cv2.GaussianBlur(p, (0, 0), 2),
    "blur, sigma 8 px": lambda p, r: cv2.GaussianBlur(p, (0, 0), 8),
    "motion blur, 15 px": lambda p, r: cv2.filter2D(p, -1, np.full((1, 15), 1 / 15)),
    "JPEG 5": lambda p, r: coded(p, "JPEG", quality=5),
    "JPEG 20": lambda p, r: coded(p, "JPEG", quality=20),
    "WebP 10": lambda p, r: coded(p, "WEBP", quality=10),
    "wobble, 1 px": lambda p, r: _wobble(p, r, 1, 12),
    "wobble, 4 px": lambda p, r: _wobble(p, r, 4, 20),
    "brighter by 40": lambda p, r: rounded(p.astype(np.int64) + 40),
    "light x 0.3": lambda p, r: rounded(p * 0.3),
    "gamma 2.2": lambda p, r: rounded(255 * (p / 255) ** 2.2),
    "contrast x 2.5": lambda p, r: rounded((p - 128.0) * 2.5 + 128),
    "opposite hues": lambda p, r: _hsv(p, 90, 1),
    "grey": lambda p, r: _hsv(p, 0, 0),
    "red and blue exchanged": lambda p, r: np.ascontiguousarray(p[..., ::-1]),
    "strong cast": lambda p, r: rounded(p * [1.3, 1.0, 0.6]),
    "equalised histogram": lambda p, r: _equalized(p),
    "negative": lambda p, r: 255 - p,
    "posterised": lambda p, r: p // 64 * 64,
    "median of 9 x 9 px": lambda p, r: cv2.medianBlur(p, 9),
    "to 1/4 and back, cubic": lambda p, r: _smaller_and_back(p, 4, cv2.INTER_CUBIC),
    "to 1/8 and back, nearest": lambda p, r: _smaller_and_back(p, 8, cv2.INTER_NEAREST),
    "unsharp masking": lambda p, r: rounded(p + 2.0 * (p - cv2.GaussianBlur(p.astype(np.float64), (0, 0), 2))),
    "grey rectangle": lambda p, r: _block(p),
}
