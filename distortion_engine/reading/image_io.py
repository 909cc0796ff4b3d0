"""load_image and save_image: the one policy for what people really have on disk or in memory.

What comes out is always float32 RGB, sRGB-encoded, (3, H, W), in [0, 1]. What happens on the way, by format:

| format | bits | alpha | colours from | orientation from |
| --- | --- | --- | --- | --- |
| PNG | 1 to 16 | straight, tRNS | cICP, iCCP, sRGB, gAMA and cHRM, in this order | eXIf |
| JPEG | 8, 12; lossless to 16 | none | ICC profile; grey, RGB, YCbCr, CMYK | EXIF |
| JPEG XL | 1 to 16; float | straight, premultiplied | colour encoding, ICC profile; CMYK | codestream |
| AVIF | 8, 10, 12 | straight, premultiplied | ICC profile, nclx | clap, irot, imir |
| JPEG 2000 | 1 to 16 | straight, premultiplied | ICC profile; sRGB, grey; of 8 bits YCbCr, CMYK | none |
| TIFF | 1 to 16; float | straight, premultiplied | ICC profile; of 8 bits YCbCr, CMYK, palette too | tag |
| WebP, BMP, GIF, PPM | 8; PPM, PGM to 16 | straight | ICC profile (WebP), else sRGB | EXIF (WebP) |

* Depth: value / (2^bits - 1). Floats have to lie in [0, 1].
* Colour: a profile is converted to sRGB; none means sRGB. A profile that cannot be parsed, or that is for other
  channels than the file has, is ignored, as browsers do. HDR is refused by name here; `light` is for comparisons.
* Alpha: fully opaque alpha is dropped; otherwise the image is laid over white, in sRGB values, as a browser page would.
  Channels that are not said to be alpha are left out.
* Grey and 1 bit become three equal channels; a palette is looked up; CMYK without a profile becomes
  (1 - ink) (1 - black), as in every viewer without colour management.
* Refused, with one line that names the file and the remedy (ImageError): missing, folder, empty, damaged or cut short,
  not an image, formats and kinds of file that are not read (by their names), animations and files of several pages,
  more than `max_pixels` (checked before decoding), a side below MIN_SIDE_PX, NaN or infinite values, floats outside
  [0, 1], shapes and types that would have to be guessed.

docs/image-files.md says more, and lists every kind of file that is compared with another program's decoder.
"""

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.jobs.safe_files import atomic_file
from distortion_engine.reading.code_points import refuse_light
from distortion_engine.reading.colour import FULL_SCALE, check_values, to_srgb
from distortion_engine.reading.decoding import decode_file, decode_pil
from distortion_engine.reading.light import Light
from distortion_engine.reading.refusals import check_pixels, out_of_memory
from distortion_engine.reading.samples import Samples

MAX_PIXELS = 200_000_000
"""Default limit on width * height; 200 megapixels are 2.4 GB as float32 RGB."""

MIN_SIDE_PX = 16
"""Smallest side that carries enough texture to be judged: the coarsest scale of the networks is 1/16."""

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
    name, samples = read_samples(source, max_pixels)
    if isinstance(samples.profile, Light):
        refuse_light(name, samples.profile)
    try:
        rgb = to_srgb(samples, name)
        return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))
    except MemoryError as error:
        raise out_of_memory(name) from error


def read_samples(
    source: str | os.PathLike[str] | Image.Image | np.ndarray, max_pixels: int = MAX_PIXELS, gain_map: bool = False
) -> tuple[str, Samples]:
    """What to call the image, and its samples as they were decoded, upright; values of floats are not yet checked.

    source: as for `load_image`, but no tensor. gain_map: as for `decode_file`. Raises ImageError.
    """
    if isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "")) or "PIL image"
        samples = decode_pil(source, name, max_pixels)
    elif isinstance(source, np.ndarray):
        name = "array"
        samples = _from_array(source, max_pixels)
    elif isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        samples = decode_file(Path(source), max_pixels, gain_map)
    else:
        raise ImageError(
            f"{type(source).__name__} is not an image; expected a path, a PIL image, an array (H, W, 3) "
            "or a tensor (3, H, W)"
        )
    check_side(name, *samples.values.shape[:2])
    return name, samples


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
    try:
        with atomic_file(target) as stream:
            picture.save(stream, **options)
    except UsageError as error:
        raise ImageError(str(error)) from error


def check_side(name: str, height: int, width: int) -> None:
    """Raises ImageError where a side is shorter than MIN_SIDE_PX."""
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
    check_side(name, height, width)
    if image.dtype == torch.uint8:
        return image.to(torch.float32) / 255
    if not image.is_floating_point():
        raise ImageError(f"{name}: type {image.dtype}, expected floats in [0, 1] or uint8; convert it first")
    bad = int((~torch.isfinite(image)).sum())
    check_values(name, bad, *((0.0, 0.0) if bad else (float(image.min()), float(image.max()))))
    return image.to(torch.float32, copy=True).clamp_(0, 1)


def _from_array(array: np.ndarray, max_pixels: int) -> Samples:
    name = "array"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        hint = "; use transpose(1, 2, 0)" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ImageError(f"{name}: shape {array.shape}, expected (H, W), (H, W, 3) or (H, W, 4){hint}")
    if array.dtype.name not in FULL_SCALE and array.dtype.kind != "f":
        raise ImageError(f"{name}: type {array.dtype}, expected uint8, uint16 or floats in [0, 1]; convert it first")
    values = array if array.ndim == 3 else array[:, :, None]
    check_pixels(name, values.shape[1], values.shape[0], max_pixels)
    if not values.dtype.isnative:  # as files of the other byte order are read
        values = values.astype(values.dtype.newbyteorder("="))
    channels = values.shape[2]
    return Samples(values, "grey" if channels == 1 else "rgb", channels == 4, None)
