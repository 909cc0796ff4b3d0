"""Decoded samples to sRGB: scale, ICC profile, grey, CMYK and alpha, by the policy that `image_io` describes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import imagecodecs
import numpy as np

from distortion_engine.errors import ImageError
from distortion_engine.reading.light import Light, white_shown
from distortion_engine.reading.samples import Samples, Space

FULL_SCALE = {"uint8": 255.0, "uint16": 65535.0, "bool": 1.0}
"""The value that stands for 1, by type of the samples."""
_BAND_PX = 1 << 20  # pixels that are worked on at once: bounds what is taken beside samples and result
_SPACES: dict[bytes, Space] = {b"GRAY": "grey", b"RGB ": "rgb", b"CMYK": "cmyk"}  # by the field of an ICC profile
_NAMES = {"grey": "gray", "rgb": "rgb", "cmyk": "cmyk"}  # of imagecodecs
_FLOAT_SLACK = 1e-4  # what resampling and dtype changes leave outside [0, 1]; clamped, anything more is an error
_SRGB_SLACK = 0.5 / 255  # a profile that moves no colour by half an 8 bit step is sRGB: values stay bit-equal


def to_srgb(samples: Samples, name: str) -> np.ndarray:
    """float32 (H, W, 3) in [0, 1], sRGB-encoded: profile, grey, CMYK and alpha resolved. HDR is as `light` says.

    Every step acts on single pixels. Raises ImageError, which calls the image `name`, for values that are not finite
    or outside [0, 1].
    """
    values = samples.values
    if str(values.dtype) not in FULL_SCALE and values.size:
        light = isinstance(samples.profile, Light)
        bad = int(values.size - sum(int(np.isfinite(rows).sum()) for rows in _bands(values)))
        check_values(name, bad, *((0.0, 0.0) if bad or light else (float(values.min()), float(values.max()))))
    converted = is_converted(samples)
    planes = np.empty((3, *values.shape[:2]), np.float32)
    top = 0
    for rows in _bands(values):
        planes[:, top : top + len(rows)] = np.moveaxis(_rows_to_srgb(rows, samples, converted), -1, 0)
        top += len(rows)
    return np.moveaxis(planes, 0, -1)


def _bands(values: np.ndarray) -> Iterator[np.ndarray]:
    """The rows from top to bottom, a million pixels or one row at a time: what is worked on beside the result."""
    rows = max(1, _BAND_PX // max(1, values.shape[1]))
    for top in range(0, values.shape[0], rows):
        yield values[top : top + rows]


def _rows_to_srgb(rows: np.ndarray, samples: Samples, converted: bool) -> np.ndarray:
    """`to_srgb` of some rows of `samples`; `converted`: by their profile."""
    if isinstance(samples.profile, Light):
        return _rows_of_light(rows, samples.profile, samples.alpha)
    values = _scaled(rows)
    alpha = None
    if samples.alpha:
        values, alpha = values[:, :, :-1], values[:, :, -1:]
    rgb = _by_profile(values, samples) if converted else None
    if rgb is None:
        rgb = values
        if samples.space == "cmyk":
            rgb = (1 - values[:, :, :3]) * (1 - values[:, :, 3:])
    if alpha is not None and alpha.min() < 1:
        rgb = rgb * alpha + (1 - alpha)
    return rgb


def _rows_of_light(rows: np.ndarray, light: Light, has_alpha: bool) -> np.ndarray:
    """The same of HDR; a picture that is not opaque is laid over the reference white."""
    values = rows.astype(np.float32) / np.float32(FULL_SCALE.get(str(rows.dtype), 1.0))
    if not has_alpha:
        return light.shown(values)
    alpha = np.clip(values[:, :, -1:], 0, 1)
    laid: np.ndarray = light.shown(values[:, :, :-1]) * alpha + (1 - alpha) * np.float32(white_shown())
    return laid


def check_values(name: str, bad: int, low: float, high: float) -> None:
    """Raises ImageError where `bad` values are not finite, or where the lowest or highest lies outside [0, 1]."""
    if bad:
        raise ImageError(f"{name}: {bad} values are NaN or infinite; replace them first (for example numpy.nan_to_num)")
    if low < -_FLOAT_SLACK or high > 1 + _FLOAT_SLACK:
        raise ImageError(
            f"{name}: float values from {low:.4g} to {high:.4g}, expected [0, 1]; divide by the full scale or clip "
            "them, or say that they are light: OpenEXR, or a TIFF with the ICC profile of linear light"
        )


def _scaled(values: np.ndarray) -> np.ndarray:
    """float32 in [0, 1], a new array, plane by plane in memory as the result will be.

    Floats are clipped, integers divided by their full scale.
    """
    planes = np.array(np.moveaxis(values, -1, 0), dtype=np.float32, order="C")
    full_scale = FULL_SCALE.get(str(values.dtype))
    if full_scale is None:
        np.clip(planes, 0, 1, out=planes)
    else:
        planes /= np.float32(full_scale)
    return np.moveaxis(planes, 0, -1)


def is_converted(samples: Samples) -> bool:
    """Whether there is a profile that can be read, is for channels as these are, and moves some colour."""
    profile = samples.icc
    space = _SPACES.get(profile[16:20])
    if space is None or (space != samples.space and (space, samples.space) != ("rgb", "grey")):
        return False
    try:
        probe = _probe({"grey": 1, "rgb": 3, "cmyk": 4}[space])
        converted = _transform(probe, profile, space)
    except (imagecodecs.CmsError, ValueError, TypeError):
        return False
    return space == "cmyk" or bool(np.abs(converted - probe).max() >= _SRGB_SLACK)


def _by_profile(values: np.ndarray, samples: Samples) -> np.ndarray:
    """Colours (H, W, C) converted to sRGB by the profile, which `is_converted` has tried."""
    profile = samples.icc
    space = _SPACES[profile[16:20]]
    if space == "rgb" and samples.space == "grey":
        values = np.repeat(values, 3, axis=2)
    converted: np.ndarray = np.clip(_transform(values, profile, space), 0, 1)
    return converted


def _transform(values: np.ndarray, profile: bytes, space: Space) -> np.ndarray:
    # LittleCMS through imagecodecs, float to float: its integer paths interpolate in a coarse table and miss by up to
    # 15 levels of 255 in the darks (measured on Display P3 against the closed form); Pillow offers 8 bit only.
    pixels = np.ascontiguousarray(values[:, :, 0] if space == "grey" else values)
    if space == "cmyk":
        pixels = pixels * np.float32(100)  # LittleCMS takes floating point ink in per cent
    return imagecodecs.cms_transform(
        pixels, profile, _srgb_profile(), colorspace=_NAMES[space], outcolorspace="rgb", outdtype=np.float32
    )


@lru_cache(maxsize=1)
def _srgb_profile() -> bytes:
    return imagecodecs.cms_profile("srgb")


def _probe(channels: int) -> np.ndarray:
    """A lattice of colours (N, 1, channels) in [0, 1] on which a profile is compared with sRGB."""
    steps = np.linspace(0, 1, 6, dtype=np.float32)
    return np.stack(np.meshgrid(*[steps] * channels, indexing="ij"), axis=-1).reshape(-1, 1, channels)
