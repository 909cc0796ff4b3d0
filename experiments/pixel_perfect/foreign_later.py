"""Operations of Pillow, SciPy, OpenCV and NumPy that were added when engine 1.3 was fixed, before anything was measured
on them. That engine was broadened after what it lacked had been seen on the operators of `foreign_operators.py`, so
only these are foreign to it in every sense."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from scipy import ndimage

from experiments.pixel_perfect.foreign_operators import Operator, Run


def _pillow(work: Callable[[Image.Image, float], Image.Image]) -> Run:
    return lambda pixels, setting, rng: np.array(work(Image.fromarray(pixels), setting).convert("RGB"))


def _shaken(pixels: np.ndarray, side: float, rng: np.random.Generator) -> np.ndarray:
    """Blur along the random walk of a hand, centred on its centre of mass; setting = side of the kernel in px."""
    size = int(side)
    walk = np.cumsum(np.cumsum(rng.normal(0, 1, (2, 400)), 1), 1)
    walk -= walk.mean(1, keepdims=True)
    walk *= (size / 2 - 1) / np.abs(walk).max()
    kernel, _, _ = np.histogram2d(*walk, bins=size, range=[(-size / 2, size / 2)] * 2)
    return cv2.filter2D(pixels, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def _photons(pixels: np.ndarray, at_white: float, rng: np.random.Generator) -> np.ndarray:
    counts = rng.poisson(pixels / 255 * at_white)
    return np.clip(counts / at_white * 255, 0, 255).round().astype(np.uint8)


def _blue_moved(pixels: np.ndarray, px: float, rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    moved = pixels.copy()
    way = px * np.sin(angle), px * np.cos(angle)
    moved[..., 2] = ndimage.shift(pixels[..., 2].astype(np.float32), way, order=1, mode="nearest").round()
    return moved


def _waves(pixels: np.ndarray, px: float, rng: np.random.Generator) -> np.ndarray:
    """Rows and columns moved to and fro with a period of 24 px."""
    rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, 2)
    x = columns + px * np.sin(rows * (2 * np.pi / 24) + phase[0])
    y = rows + px * np.sin(columns * (2 * np.pi / 24) + phase[1])
    return cv2.remap(pixels, x.astype(np.float32), y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def _enhanced(kind: type[ImageEnhance._Enhance]) -> Run:
    return _pillow(lambda image, factor: kind(image).enhance(factor))


LATER: tuple[Operator, ...] = (
    Operator("pillow BoxBlur", "sharpness", -1, (1, 2, 4), _pillow(lambda i, s: i.filter(ImageFilter.BoxBlur(s)))),
    Operator("camera shake", "sharpness", -1, (7, 13, 21), _shaken),
    Operator("pillow UnsharpMask", "sharpness", 1, (150, 300, 500),
             _pillow(lambda i, s: i.filter(ImageFilter.UnsharpMask(2, int(s), 0)))),
    Operator("pillow Sharpness", "sharpness", 1, (4, 7, 12), _enhanced(ImageEnhance.Sharpness)),
    Operator("pillow reduce", "pixelation", 1, (2, 3, 4),
             _pillow(lambda i, s: i.reduce(int(s)).resize(i.size, Image.Resampling.NEAREST))),
    Operator("numpy Poisson noise", "noise", 1, (120, 50, 20), _photons),
    Operator("opencv NlMeansColored", "smearing", 1, (8, 15, 25),
             lambda p, s, r: cv2.fastNlMeansDenoisingColored(p, None, s, s, 5, 13)),
    Operator("opencv edgePreserving", "smearing", 1, (0.15, 0.3, 0.5),
             lambda p, s, r: cv2.edgePreservingFilter(p, flags=1, sigma_s=20, sigma_r=s)),
    Operator("pillow Brightness up", "brightness", 1, (1.25, 1.5, 1.9), _enhanced(ImageEnhance.Brightness)),
    Operator("pillow Brightness down", "brightness", -1, (0.75, 0.6, 0.4), _enhanced(ImageEnhance.Brightness)),
    Operator("pillow Contrast up", "contrast", 1, (1.5, 2, 3), _enhanced(ImageEnhance.Contrast)),
    Operator("pillow Contrast down", "contrast", -1, (0.65, 0.45, 0.3), _enhanced(ImageEnhance.Contrast)),
    Operator("pillow Color up", "saturation", 1, (1.8, 2.6, 4), _enhanced(ImageEnhance.Color)),
    Operator("pillow Color down", "saturation", -1, (0.5, 0.25, 0), _enhanced(ImageEnhance.Color)),
    Operator("pillow quantize", "quantization", 1, (16, 10, 6),
             _pillow(lambda i, s: i.quantize(int(s), dither=Image.Dither.NONE))),
    Operator("scipy shift of blue", "chroma_defect", 1, (3, 5, 8), _blue_moved),
    Operator("opencv waves", "geometric", 1, (0.7, 1.2, 2), _waves),
)  # fmt: skip
