"""Edits of the whole image: lightness, contrast, colour. Most are a matter of taste where there is no reference."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from experiments.words.manipulation import Manipulation, to_bytes, whole


def gamma(pixels: np.ndarray, exponent: float) -> np.ndarray:
    """Code values raised to an exponent: below 1 brighter, above 1 darker."""
    return to_bytes(255 * (pixels / 255) ** exponent)


def exposed(pixels: np.ndarray, stops: float) -> np.ndarray:
    """Light of the scene changed by `stops`, clipped; gamma 2.2."""
    return to_bytes(255 * np.minimum((pixels / 255) ** 2.2 * 2**stops, 1) ** (1 / 2.2))


def spread_out(pixels: np.ndarray, gain: float) -> np.ndarray:
    """Distance from the mean grey times `gain`."""
    return to_bytes((pixels - pixels.mean()) * gain + pixels.mean())


def saturated(pixels: np.ndarray, gain: float) -> np.ndarray:
    """Cr and Cb times `gain`."""
    planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    planes[..., 1:] = (planes[..., 1:] - 128) * gain + 128
    return cv2.cvtColor(to_bytes(planes), cv2.COLOR_YCrCb2RGB)


def tinted(pixels: np.ndarray, red: float, green: float, blue: float) -> np.ndarray:
    """Channels times their gains."""
    return to_bytes(pixels * np.array([red, green, blue]))


def _hue_turned(pixels: np.ndarray, degrees: int) -> np.ndarray:
    """Hue of HSV turned: red becomes yellow by 60 degrees."""
    planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    planes[..., 0] = (planes[..., 0].astype(np.int32) + degrees // 2) % 180
    return cv2.cvtColor(planes, cv2.COLOR_HSV2RGB)


def moved_channel(pixels: np.ndarray, channel: int, px: float, rng: np.random.Generator) -> np.ndarray:
    """One channel moved in a random direction."""
    angle, edited = rng.uniform(0, 2 * np.pi), pixels.copy()
    way = px * np.sin(angle), px * np.cos(angle)
    edited[..., channel] = to_bytes(
        ndimage.shift(pixels[..., channel].astype(np.float32), way, order=1, mode="nearest")
    )
    return edited


def posterised(pixels: np.ndarray, step: int) -> np.ndarray:
    """Code values in steps."""
    return to_bytes(pixels.astype(np.int32) // step * step + step // 2)


def _equalised(pixels: np.ndarray) -> np.ndarray:
    planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    planes[..., 0] = cv2.createCLAHE(4.0, (8, 8)).apply(planes[..., 0])
    return cv2.cvtColor(planes, cv2.COLOR_LAB2RGB)


def _hazy(pixels: np.ndarray, airlight: float, clear: float) -> np.ndarray:
    """Scattered light, denser towards the top."""
    share = clear ** np.linspace(1.6, 0.6, pixels.shape[0])[:, None, None]
    return to_bytes(pixels * share + airlight * (1 - share))


def _vignette(pixels: np.ndarray, strength: float) -> np.ndarray:
    y, x = (np.linspace(-1, 1, side) for side in pixels.shape[:2])
    return to_bytes(pixels / (1 + strength * (y[:, None] ** 2 + x**2) / 2)[..., None] ** 2)


def _colour_moved(pixels: np.ndarray, px: int) -> np.ndarray:
    planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)
    planes[:, px:, 1:] = planes[:, :-px, 1:].copy()
    return cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB)


def _colour_subsampled(pixels: np.ndarray, factor: int) -> np.ndarray:
    planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)
    height, width = planes.shape[:2]
    small = cv2.resize(planes[..., 1:], (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    planes[..., 1:] = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB)


TONE: tuple[Manipulation, ...] = (
    whole("gamma 0.6", "brightness+ contrast-", lambda p, r: gamma(p, 0.6), "taste"),
    whole("gamma 1.7", "brightness- contrast+", lambda p, r: gamma(p, 1.7), "taste"),
    whole("overexposed by 1.3 stops", "brightness+ contrast+ saturation-", lambda p, r: exposed(p, 1.3)),
    whole("underexposed by 1.5 stops", "brightness-", lambda p, r: exposed(p, -1.5), "taste"),
    whole("contrast x1.6", "contrast+ saturation+", lambda p, r: spread_out(p, 1.6), "taste"),
    whole("contrast x0.55", "contrast- saturation- haze+", lambda p, r: spread_out(p, 0.55), "taste"),
    whole("CLAHE", "contrast+ sharpness+ noise+ brightness+", lambda p, r: _equalised(p), "taste"),
    whole("haze", "haze+ contrast- brightness+ saturation-", lambda p, r: _hazy(p, 225, 0.6)),
    whole("vignette", "brightness-", lambda p, r: _vignette(p, 0.6), "taste"),
    whole("posterised, step 40", "quantization+", lambda p, r: posterised(p, 40)),
)  # fmt: skip
COLOUR: tuple[Manipulation, ...] = (
    whole("saturation x2", "saturation+", lambda p, r: saturated(p, 2), "taste"),
    whole("saturation x0.4", "saturation-", lambda p, r: saturated(p, 0.4), "taste"),
    whole("grey", "saturation-", lambda p, r: saturated(p, 0), "taste"),
    whole("warm cast", "color_cast+", lambda p, r: tinted(p, 1.2, 1, 0.75), "taste"),
    whole("cool cast", "color_cast-", lambda p, r: tinted(p, 0.78, 1, 1.2), "taste"),
    whole("green cast", "tint+", lambda p, r: tinted(p, 0.85, 1.15, 0.85), "taste"),
    whole("magenta cast", "tint-", lambda p, r: tinted(p, 1.1, 0.8, 1.1), "taste"),
    whole("hue turned by 40 degrees", "hue+", lambda p, r: _hue_turned(p, 40), "taste"),
    whole("hue turned back by 40 degrees", "hue-", lambda p, r: _hue_turned(p, -40), "taste"),
    whole("colour moved by 5 px", "chroma_defect+", lambda p, r: _colour_moved(p, 5)),
    whole("red moved by 3 px", "chroma_defect+", lambda p, r: moved_channel(p, 0, 3, r)),
    whole("colour subsampled x8", "chroma_defect+ saturation-", lambda p, r: _colour_subsampled(p, 8)),
)  # fmt: skip
