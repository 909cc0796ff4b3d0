"""load_image and save_image: the one policy for what people really have on disk or in memory.

What comes out is always float32 RGB, sRGB-encoded, (3, H, W), in [0, 1]. What happens on the way:

* Orientation: the EXIF (or TIFF) orientation is applied, as every viewer does.
* Colour: an embedded ICC profile is converted to sRGB; no profile means sRGB. A profile that cannot be parsed, or that
  is for other channels than the file has, is ignored, as browsers do. PNG gAMA and HDR signalling are not read.
* Alpha: fully opaque alpha is dropped; otherwise the image is laid over white, in sRGB values, as a browser page would.
* Grey and 1 bit become three equal channels; a palette is looked up; CMYK without a profile becomes
  (1 - ink) (1 - black), as in every viewer without colour management.
* Depth: 16 bit PNG, TIFF, PGM and JPEG XL keep their precision (value / 65535); AVIF and JPEG 2000 arrive with 8 bit.
* Refused, with one line that names the file and the remedy (ImageError): missing, folder, empty, damaged or cut short,
  not an image, animations and files of several pages, more than `max_pixels` (checked before decoding), a side below
  MIN_SIDE_PX, NaN or infinite values, floats outside [0, 1], shapes and types that would have to be guessed.
"""

import os
import threading
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import torch
from PIL import Image

from distortion_engine.errors import ImageError
from distortion_engine.reading.decoding import Samples, check_pixels, decode_file, decode_pil, out_of_memory

MAX_PIXELS = 200_000_000
"""Default limit on width * height; 200 megapixels are 2.4 GB as float32 RGB."""

MIN_SIDE_PX = 16
"""Smallest side that carries enough texture to be judged: the coarsest scale of the networks is 1/16."""

_FLOAT_SLACK = 1e-4  # what resampling and dtype changes leave outside [0, 1]; clamped, anything more is an error
_SRGB_SLACK = 0.5 / 255  # a profile that moves no colour by half an 8 bit step is sRGB: values stay bit-equal
_FULL_SCALE = {"uint8": 255.0, "uint16": 65535.0, "bool": 1.0}
_LOSSLESS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "lossless": True, "exact": True},
}


def load_image(
    source: str | os.PathLike[str] | Image.Image | np.ndarray | torch.Tensor, *, max_pixels: int = MAX_PIXELS
) -> torch.Tensor:
    """One image as float32 RGB (3, H, W), sRGB-encoded, in [0, 1]; the policy is in the module docstring.

    source: a path; a PIL image; an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, uint16 or floats in
    [0, 1]; a tensor (3, H, W) or (1, 3, H, W) of uint8 or floats in [0, 1] (stays on its device, detached).
    The source is never written to or shared. Raises ImageError.
    """
    if isinstance(source, torch.Tensor):
        return _from_tensor(source, max_pixels)
    if isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "")) or "PIL image"
        samples = decode_pil(source, name, max_pixels)
    elif isinstance(source, np.ndarray):
        name = "array"
        samples = _from_array(source, max_pixels)
    elif isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        samples = decode_file(Path(source), max_pixels)
    else:
        raise ImageError(
            f"{type(source).__name__} is not an image; expected a path, a PIL image, an array (H, W, 3) "
            "or a tensor (3, H, W)"
        )
    _check_side(name, *samples.values.shape[:2])
    try:
        rgb = _to_srgb(samples, name)
        return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))
    except MemoryError as error:
        raise out_of_memory(name) from error


def to_uint8(image: torch.Tensor) -> np.ndarray:
    """Array (H, W, 3) uint8 of an image (3, H, W) or (1, 3, H, W) in [0, 1]: clamped and rounded to nearest."""
    values = _one_image(image, "tensor").detach().float()
    return (values.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def encode_lossless(pixels: np.ndarray, suffix: str) -> bytes:
    """File content of pixels (H, W, 3) uint8; suffix: ".png" or ".webp". Same pixels, same bytes."""
    content = BytesIO()
    Image.fromarray(pixels).save(content, **_LOSSLESS[suffix])
    return content.getvalue()


def save_image(image: torch.Tensor, path: str | os.PathLike[str]) -> None:
    """Write an image (3, H, W) or (1, 3, H, W) in [0, 1] as 8 bit .png or lossless .webp, by the suffix of `path`.

    Atomic: the file appears complete or not at all. Same tensor, same bytes. Raises ImageError.
    """
    target = Path(path)
    options = _LOSSLESS.get(target.suffix.lower())
    if options is None:
        raise ImageError(f"{target}: images are written lossless; end the name in .png or .webp")
    picture = Image.fromarray(to_uint8(image))
    partial = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        with open(partial, "wb") as stream:
            picture.save(stream, **options)
        os.replace(partial, target)
    except OSError as error:
        raise ImageError(
            f"{target}: cannot be written ({error.strerror or error}); check that the folder exists and has room"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _check_side(name: str, height: int, width: int) -> None:
    if min(height, width) < MIN_SIDE_PX:
        raise ImageError(f"{name}: {width}x{height} px; use a larger image, each side needs at least {MIN_SIDE_PX} px")


def _one_image(image: torch.Tensor, name: str) -> torch.Tensor:
    shape = tuple(image.shape)
    if len(shape) == 4 and shape[0] == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] != 3:
        hint = "; use permute(2, 0, 1)" if len(shape) == 3 and shape[2] == 3 else ""
        raise ImageError(f"{name}: shape {shape}, expected one RGB image (3, H, W) or (1, 3, H, W){hint}")
    return image


def _from_tensor(tensor: torch.Tensor, max_pixels: int) -> torch.Tensor:
    name = "tensor"
    image = _one_image(tensor.detach(), name)
    height, width = image.shape[1:]
    check_pixels(name, width, height, max_pixels)
    _check_side(name, height, width)
    if image.dtype == torch.uint8:
        return image.to(torch.float32) / 255
    if not image.is_floating_point():
        raise ImageError(f"{name}: type {image.dtype}, expected floats in [0, 1] or uint8; convert it first")
    bad = int((~torch.isfinite(image)).sum())
    _check_values(name, bad, *((0.0, 0.0) if bad else (float(image.min()), float(image.max()))))
    return image.to(torch.float32, copy=True).clamp_(0, 1)


def _from_array(array: np.ndarray, max_pixels: int) -> Samples:
    name = "array"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        hint = "; use transpose(1, 2, 0)" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ImageError(f"{name}: shape {array.shape}, expected (H, W), (H, W, 3) or (H, W, 4){hint}")
    if str(array.dtype) not in _FULL_SCALE and array.dtype.kind != "f":
        raise ImageError(f"{name}: type {array.dtype}, expected uint8, uint16 or floats in [0, 1]; convert it first")
    values = array if array.ndim == 3 else array[:, :, None]
    check_pixels(name, values.shape[1], values.shape[0], max_pixels)
    channels = values.shape[2]
    return Samples(values, "grey" if channels == 1 else "rgb", channels == 4, None)


def _check_values(name: str, bad: int, low: float, high: float) -> None:
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
    full_scale = _FULL_SCALE.get(str(values.dtype))
    if full_scale is not None:
        planes = np.array(np.moveaxis(values, -1, 0), dtype=np.float32, order="C")
        planes /= np.float32(full_scale)
        return np.moveaxis(planes, 0, -1)
    bad = int(values.size - np.isfinite(values).sum())
    if values.size:
        _check_values(name, bad, *((0.0, 0.0) if bad else (float(values.min()), float(values.max()))))
    planes = np.array(np.moveaxis(values, -1, 0), dtype=np.float32, order="C")
    return np.moveaxis(np.clip(planes, 0, 1, out=planes), 0, -1)


def _to_srgb(samples: Samples, name: str) -> np.ndarray:
    """float32 (H, W, 3) in [0, 1], sRGB-encoded: profile, grey, CMYK and alpha resolved."""
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
