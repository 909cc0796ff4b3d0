"""Colour conversions of the plain NumPy baseline: sRGB, CIELAB (D65) and YCbCr (JFIF)."""

import numpy as np

XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32)
WHITE = XYZ.sum(axis=1)
YCBCR = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], np.float32)


def lab_of(image: np.ndarray) -> np.ndarray:
    """CIELAB (H, W, 3) of sRGB in [0, 1]."""
    light = np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4) @ XYZ.T / WHITE
    f = np.where(light > 0.008856, np.cbrt(light), 7.787 * light + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def rgb_of(lab: np.ndarray) -> np.ndarray:
    """sRGB of CIELAB, clipped to [0, 1]."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    light = (np.where(f > 0.206893, f**3, (f - 16 / 116) / 7.787) * WHITE) @ np.linalg.inv(XYZ).T
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)
