"""Decoded samples to sRGB: scale, ICC profile, grey, CMYK and alpha, by the policy that `image_io` describes."""

from __future__ import annotations

from functools import lru_cache

import imagecodecs
import numpy as np

from distortion_engine.errors import ImageError
from distortion_engine.reading.decoding import Samples

FULL_SCALE = {"uint8": 255.0, "uint16": 65535.0, "bool": 1.0}
"""The value that stands for 1, by type of the samples."""
_FLOAT_SLACK = 1e-4  # what resampling and dtype changes leave outside [0, 1]; clamped, anything more is an error
_SRGB_SLACK = 0.5 / 255  # a profile that moves no colour by half an 8 bit step is sRGB: values stay bit-equal


def to_srgb(samples: Samples, name: str) -> np.ndarray:
    """float32 (H, W, 3) in [0, 1], sRGB-encoded: profile, grey, CMYK and alpha resolved.

    Every step acts on single pixels. Raises ImageError, which calls the image `name`, for values that are not finite
    or outside [0, 1].
    """
    values = _scaled(samples.values, name)
    alpha = None
    if samples.alpha:
        values, alpha = values[:, :, :-1], values[:, :, -1:]
    rgb = _by_profile(values, samples) if samples.profile else None
    if rgb is None:
        rgb = values
        if samples.space == "cmyk":
            rgb = (1 - values[:, :, :3]) * (1 - values[:, :, 3:])
    if rgb.shape[2] == 1:
        rgb = np.broadcast_to(rgb, (*rgb.shape[:2], 3))
    if alpha is not None and alpha.min() < 1:
        rgb = rgb * alpha + (1 - alpha)
    return rgb


def check_values(name: str, bad: int, low: float, high: float) -> None:
    """Raises ImageError where `bad` values are not finite, or where the lowest or highest lies outside [0, 1]."""
    if bad:
        raise ImageError(f"{name}: {bad} values are NaN or infinite; replace them first (for example numpy.nan_to_num)")
    if low < -_FLOAT_SLACK or high > 1 + _FLOAT_SLACK:
        raise ImageError(
            f"{name}: float values from {low:.4g} to {high:.4g}, expected [0, 1]; divide by the full scale or clip them"
        )


def _scaled(values: np.ndarray, name: str) -> np.ndarray:
    """float32 in [0, 1], a new array; floats are checked, integers divided by their full scale.

    It lies in memory plane by plane, as the result will: that spares large images a copy.
    """
    full_scale = FULL_SCALE.get(str(values.dtype))
    if full_scale is not None:
        planes = np.array(np.moveaxis(values, -1, 0), dtype=np.float32, order="C")
        planes /= np.float32(full_scale)
        return np.moveaxis(planes, 0, -1)
    bad = int(values.size - np.isfinite(values).sum())
    if values.size:
        check_values(name, bad, *((0.0, 0.0) if bad else (float(values.min()), float(values.max()))))
    planes = np.array(np.moveaxis(values, -1, 0), dtype=np.float32, order="C")
    return np.moveaxis(np.clip(planes, 0, 1, out=planes), 0, -1)


def _by_profile(values: np.ndarray, samples: Samples) -> np.ndarray | None:
    """Colours converted to sRGB, or None where the profile is sRGB already, unreadable or for other channels."""
    profile = samples.profile or b""
    space = {b"GRAY": "gray", b"RGB ": "rgb", b"CMYK": "cmyk"}.get(profile[16:20])
    if space == "rgb" and samples.space == "grey":
        values = np.repeat(values, 3, axis=2)
    elif space != {"grey": "gray"}.get(samples.space, samples.space):
        return None
    try:
        probe = _probe(3 if space == "rgb" else values.shape[2])
        if space != "cmyk" and np.abs(_transform(probe, profile, space) - probe).max() < _SRGB_SLACK:
            return None
        converted: np.ndarray = np.clip(_transform(values, profile, space), 0, 1)
        return converted
    except (imagecodecs.CmsError, ValueError, TypeError):
        return None


def _transform(values: np.ndarray, profile: bytes, space: str) -> np.ndarray:
    # LittleCMS through imagecodecs, float to float: its integer paths interpolate in a coarse table and miss by up to
    # 15 levels of 255 in the darks (measured on Display P3 against the closed form); Pillow offers 8 bit only.
    pixels = np.ascontiguousarray(values[:, :, 0] if space == "gray" else values)
    if space == "cmyk":
        pixels = pixels * np.float32(100)  # LittleCMS takes floating point ink in per cent
    return imagecodecs.cms_transform(
        pixels, profile, _srgb_profile(), colorspace=space, outcolorspace="rgb", outdtype=np.float32
    )


@lru_cache(maxsize=1)
def _srgb_profile() -> bytes:
    return imagecodecs.cms_profile("srgb")


def _probe(channels: int) -> np.ndarray:
    """A lattice of colours (N, 1, channels) in [0, 1] on which a profile is compared with sRGB."""
    steps = np.linspace(0, 1, 6, dtype=np.float32)
    return np.stack(np.meshgrid(*[steps] * channels, indexing="ij"), axis=-1).reshape(-1, 1, channels)
