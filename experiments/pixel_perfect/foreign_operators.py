"""Operations of OpenCV, NumPy and ImageMagick that the engine does not contain, and what each does to an image."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from distortion_engine.errors import UsageError

_TIMEOUT_S = 60
_ENOUGH_TO_ASK_S = 10

Run = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Operator:
    """An operation that is not the engine's.

    Args:
        name: of the operation.
        axis: that it changes.
        sign: direction on that axis, 1 or -1.
        settings: by rising strength.
        run: (pixels (H, W, 3) uint8, setting, rng) -> pixels of the same shape; all random numbers come from rng.
    """

    name: str
    axis: str
    sign: int
    settings: tuple[float, ...]
    run: Run


def _scaled(pixels: np.ndarray, factor: float, enlarge: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    size = max(2, round(width / factor)), max(2, round(height / factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=enlarge)


def _saturated(pixels: np.ndarray, factor: float) -> np.ndarray:
    # HLS, not HSV: HSV keeps the largest channel, so taking its saturation away brightens as much as it dulls.
    hls = cv2.cvtColor(pixels, cv2.COLOR_RGB2HLS).astype(np.float32)
    hls[..., 2] *= factor
    return cv2.cvtColor(_bytes(hls), cv2.COLOR_HLS2RGB)


def _sprinkled(pixels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    where = rng.random(pixels.shape[:2])
    out = pixels.copy()
    out[where < share / 2], out[where > 1 - share / 2] = 0, 255
    return out


def _noisy(pixels: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return _bytes(pixels + rng.normal(0, sigma, pixels.shape))


def _chroma_noisy(pixels: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    planes[..., 1:] += rng.normal(0, sigma, planes[..., 1:].shape)
    return cv2.cvtColor(_bytes(planes), cv2.COLOR_YCrCb2RGB)


def _sharpened(pixels: np.ndarray, gain: float) -> np.ndarray:
    return cv2.addWeighted(pixels, 1 + gain, cv2.GaussianBlur(pixels, (0, 0), 1.5), -gain, 0)


def _posterised(pixels: np.ndarray, step: float) -> np.ndarray:
    return _bytes(pixels.astype(np.int32) // int(step) * int(step) + int(step) // 2)


def _spread_out(pixels: np.ndarray, gain: float) -> np.ndarray:
    return cv2.addWeighted(pixels, gain, np.full_like(pixels, round(pixels.mean())), 1 - gain, 0)


def _tinted(pixels: np.ndarray, share: float) -> np.ndarray:
    """More red and less blue for a positive share, less red and more blue for a negative one."""
    return cv2.transform(pixels, np.diag([1 + share, 1.0, 1 - share]))


def _greened(pixels: np.ndarray, share: float) -> np.ndarray:
    """More green and less of the rest for a positive share, less green and more of the rest for a negative one."""
    return _bytes(pixels * np.array([1 - share / 2, 1 + share, 1 - share / 2]))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).round().astype(np.uint8)


def _magick(*words: str) -> Run:
    """An ImageMagick operator; in its words {} is the setting and {size} the image's own, as in 640x480."""

    def run(pixels: np.ndarray, setting: float, rng: np.random.Generator) -> np.ndarray:
        program = magick()
        if program is None:
            raise UsageError("ImageMagick is not installed; expected its command on PATH: apt-get install imagemagick")
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        options = [word.replace("{size}", size).replace("{}", f"{setting:g}") for word in words]
        with tempfile.TemporaryDirectory(prefix="riqa-magick-") as folder:
            source, target = Path(folder) / "a.png", Path(folder) / "b.png"
            Image.fromarray(pixels).save(source)
            command = [str(program), "-seed", str(int(rng.integers(2**31))), str(source), *options, str(target)]
            # Each of its threads has a random stream of its own, so only one thread gives the same noise every time.
            one_thread = {**os.environ, "MAGICK_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "1"}
            try:
                subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S, env=one_thread)
            except subprocess.SubprocessError as error:
                raise UsageError(f"{' '.join(command)} failed: {error}; check the tool") from error
            return np.array(Image.open(target).convert("RGB"))

    return run


# Settings are chosen so that most reach severity .4 and few go far beyond 1. Median and bilateral smoothing count as
# smearing, as the engine's denoising and guided smoothing do: they keep edges and flatten what lies between them.
OPENCV: tuple[Operator, ...] = (
    Operator("opencv GaussianBlur", "sharpness", -1, (0.9, 1.3, 2, 3.5),
             lambda p, s, r: cv2.GaussianBlur(p, (0, 0), s)),
    Operator("opencv blur", "sharpness", -1, (3, 5, 7, 11), lambda p, s, r: cv2.blur(p, (int(s), int(s)))),
    Operator("opencv resize cubic", "sharpness", -1, (2, 3, 4, 6), lambda p, s, r: _scaled(p, s, cv2.INTER_CUBIC)),
    Operator("opencv unsharp", "sharpness", 1, (1, 2, 4), lambda p, s, r: _sharpened(p, s)),
    Operator("opencv resize nearest", "pixelation", 1, (2, 3, 4), lambda p, s, r: _scaled(p, s, cv2.INTER_NEAREST)),
    Operator("numpy Gaussian noise", "noise", 1, (10, 18, 30, 45), _noisy),
    Operator("opencv YCrCb noise", "chroma_noise", 1, (15, 30, 50), _chroma_noisy),
    Operator("numpy salt and pepper", "impulse", 1, (0.01, 0.03, 0.08), _sprinkled),
    Operator("opencv medianBlur", "smearing", 1, (3, 5, 7), lambda p, s, r: cv2.medianBlur(p, int(s))),
    Operator("opencv bilateralFilter", "smearing", 1, (60, 100, 160), lambda p, s, r: cv2.bilateralFilter(p, 9, s, s)),
    Operator("opencv brighter", "brightness", 1, (30, 50, 80), lambda p, s, r: cv2.convertScaleAbs(p, alpha=1, beta=s)),
    Operator("opencv darker", "brightness", -1, (20, 35, 60), lambda p, s, r: cv2.subtract(p, np.full_like(p, s))),
    Operator("opencv harsher", "contrast", 1, (1.5, 2, 3), lambda p, s, r: _spread_out(p, s)),
    Operator("opencv flatter", "contrast", -1, (0.65, 0.45, 0.3), lambda p, s, r: _spread_out(p, s)),
    Operator("opencv HLS desaturated", "saturation", -1, (0.5, 0.25, 0.0), lambda p, s, r: _saturated(p, s)),
    Operator("opencv HLS saturated", "saturation", 1, (1.8, 2.5, 4), lambda p, s, r: _saturated(p, s)),
    Operator("opencv gains warm", "color_cast", 1, (0.2, 0.35, 0.55), lambda p, s, r: _tinted(p, s)),
    Operator("opencv gains cool", "color_cast", -1, (0.2, 0.35, 0.55), lambda p, s, r: _tinted(p, -s)),
    Operator("numpy gains green", "tint", 1, (0.15, 0.25, 0.4), lambda p, s, r: _greened(p, s)),
    Operator("numpy gains magenta", "tint", -1, (0.15, 0.25, 0.4), lambda p, s, r: _greened(p, -s)),
    Operator("numpy posterise", "quantization", 1, (32, 48, 64), lambda p, s, r: _posterised(p, s)),
)  # fmt: skip
MAGICK: tuple[Operator, ...] = (
    Operator("magick -blur", "sharpness", -1, (1, 1.7, 3), _magick("-blur", "0x{}")),
    Operator("magick -motion-blur", "sharpness", -1, (1.5, 2.5, 5), _magick("-motion-blur", "0x{}+30")),
    Operator("magick -unsharp", "sharpness", 1, (1.5, 3, 5), _magick("-unsharp", "0x1.5+{}+0")),
    Operator("magick +noise Gaussian", "noise", 1, (0.6, 1, 2), _magick("-attenuate", "{}", "+noise", "Gaussian")),
    Operator("magick +noise Impulse", "impulse", 1, (0.3, 0.6, 1.2), _magick("-attenuate", "{}", "+noise", "Impulse")),
    Operator("magick -modulate lightness", "brightness", 1, (130, 150, 180), _magick("-modulate", "{}")),
    Operator("magick -gamma", "brightness", -1, (0.7, 0.55, 0.4), _magick("-gamma", "{}")),
    Operator("magick -sigmoidal-contrast", "contrast", 1, (5, 8, 14), _magick("-sigmoidal-contrast", "{}x50%")),
    Operator("magick -modulate saturation", "saturation", -1, (50, 25, 0), _magick("-modulate", "100,{}")),
    Operator("magick -modulate hue", "hue", 1, (115, 125, 140), _magick("-modulate", "100,100,{}")),
    # Not "-channel R -roll": that rolls all channels.
    Operator("magick -roll of red", "chroma_defect", 1, (2, 4, 7),
             _magick("(", "+clone", "-roll", "+{}+0", ")", "-compose", "CopyRed", "-composite")),
    Operator("magick -posterize", "quantization", 1, (8, 6, 4), _magick("-posterize", "{}")),
    Operator("magick -spread", "geometric", 1, (1, 2, 4), _magick("-spread", "{}")),
    Operator("magick -scale", "pixelation", 1, (50, 33, 25), _magick("-scale", "{}%", "-scale", "{size}!")),
)  # fmt: skip


def magick() -> Path | None:
    """ImageMagick's command, None where it is not installed: the `convert` of some machines is something else."""
    for name in ("magick", "convert-im6.q16", "convert"):
        path = shutil.which(name)
        if path is not None and _is_imagemagick(path):
            return Path(path)
    return None


@functools.cache
def _is_imagemagick(path: str) -> bool:
    try:
        said = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=_ENOUGH_TO_ASK_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.returncode == 0 and "ImageMagick" in said.stdout
