"""Arrays to pictures inside a page: previews of the images, overlays of the maps, as data URIs."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from distortion_engine.errors import ImageError
from relational_iqa.report.colormaps import overlay

PREVIEW_WIDTH_PX = 1600  # wider images are shown smaller, and the page says so
MAP_WIDTH_PX = 900  # overlay that is shown at full width
SMALL_MAP_WIDTH_PX = 560  # overlay that is one of several
LOSSLESS_PIXELS = 600_000  # previews up to here are PNG; larger ones JPEG at PREVIEW_QUALITY, 4:4:4
PREVIEW_QUALITY = 95  # the preview must not add artefacts of its own to what is being judged
MAP_QUALITY = 90


@dataclass(frozen=True)
class Preview:
    """An image as the page shows it: data URI, shown width and height in px, and what was done to it in words."""

    uri: str
    width: int
    height: int
    note: str


def as_uint8(image: Any, what: str) -> np.ndarray:
    """(H, W, 3) uint8 of a torch tensor or array: (3, H, W) or (H, W, 3), uint8 or float in [0, 1].

    Raises ImageError for other shapes and for values that are not finite; `what` names the image in it.
    """
    array = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] == 3 and array.shape[2] != 3:
        array = np.moveaxis(array, 0, 2)
    if array.ndim != 3 or array.shape[2] != 3:
        raise ImageError(f"{what} has shape {array.shape}, expected (3, H, W) or (H, W, 3): load it with load_image")
    if array.dtype == np.uint8:
        return array
    if not np.isfinite(array).all():
        raise ImageError(f"{what} has values that are not finite, expected numbers in [0, 1]: check how it was made")
    return np.rint(np.clip(array.astype(np.float32), 0, 1) * 255).astype(np.uint8)


def preview(pixels: np.ndarray) -> Preview:
    """A picture of (H, W, 3) uint8 that a browser shows without visible loss."""
    height, width = pixels.shape[:2]
    picture, note = Image.fromarray(pixels), "full size"
    if width > PREVIEW_WIDTH_PX:
        picture = _fit(picture, PREVIEW_WIDTH_PX)
        note = f"preview reduced from {width} × {height} to {picture.width} × {picture.height} px"
    if picture.width * picture.height <= LOSSLESS_PIXELS:
        return Preview(_uri(picture, "PNG", optimize=True), picture.width, picture.height, f"{note}, lossless")
    uri = _uri(picture, "JPEG", quality=PREVIEW_QUALITY, subsampling=0)
    return Preview(uri, picture.width, picture.height, f"{note}, JPEG quality {PREVIEW_QUALITY}")


def backdrop_of(images: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of equally large (H, W, 3) uint8 pictures, reduced to MAP_WIDTH_PX: what the maps are laid over."""
    small = [np.asarray(_fit(Image.fromarray(image), MAP_WIDTH_PX), dtype=np.float32) for image in images]
    return np.rint(np.mean(small, axis=0)).astype(np.uint8)


def map_uri(values: np.ndarray, scale: float, backdrop: np.ndarray, width_px: int) -> str:
    """values (H, W) over the grey `backdrop` (h, w, 3) uint8, at most `width_px` wide.

    Orange where value / scale is positive, full at 1, blue where it is negative; a negative scale swaps the colours.
    """
    below = _fit(Image.fromarray(backdrop), width_px)
    above = Image.fromarray(values.astype(np.float32, copy=False)).resize(below.size, Image.Resampling.BOX)
    picture = overlay(np.asarray(above) / np.float32(scale), np.asarray(below))
    return _uri(Image.fromarray(picture), "JPEG", quality=MAP_QUALITY)


def _fit(picture: Image.Image, width_px: int) -> Image.Image:
    if picture.width <= width_px:
        return picture
    height = max(1, round(picture.height * width_px / picture.width))
    return picture.resize((width_px, height), Image.Resampling.LANCZOS)


def _uri(picture: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
