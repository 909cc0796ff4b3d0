"""Arrays to pictures inside a page: previews of the images and layers of the maps, as data URIs.

A report stays under 10 MB. Images that fit are embedded as they are, lossless. Of others, all previews of one report
together get PREVIEW_BYTES, and are encoded alike, so that no image looks worse than the other because of the page;
`tiles.py` adds original pixels where they are looked at.
"""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from distortion_engine.errors import ImageError
from relational_iqa.results.colormaps import shade, tint
from relational_iqa.results.map import Map

PREVIEW_SIDE_PX = 1600  # images with a longer side are shown smaller, and the page says so
EXACT_BYTES = 6_000_000  # of all images of a report together, lossless; 4/3 of it in the file
PREVIEW_BYTES = 1_900_000  # of all previews together, where images do not fit
# Longer side and JPEG quality (4:4:4), tried in turn: a preview must not add artefacts of its own to what is judged.
LOSSY = ((1600, 95), (1600, 90), (1400, 90), (1200, 90), (1000, 90), (800, 85), (600, 80), (400, 75))
MAP_SIDE_PX = 640  # the networks see a quarter of the resolution; more would be invented
MAP_BYTES = 55_000  # of one map; real ones take a third of it, white noise ten times as much
MAP_STEPS = ((640, 80), (640, 50), (480, 50), (320, 50), (200, 50), (120, 30))  # longer side and WebP quality, in turn
BACKDROP_QUALITY = 80
THUMBNAIL_SIDE_PX, THUMBNAIL_QUALITY = 480, 85  # beside the name of an image, twice the size of a narrow card


@dataclass(frozen=True)
class Preview:
    """An image as the page shows it.

    Args:
        uri: data URI.
        width: shown width in px.
        height: shown height in px.
        note: what was changed for the preview, in words.
        exact: whether it has the pixels of the image, unchanged.
    """

    uri: str
    width: int
    height: int
    note: str
    exact: bool


def as_uint8(image: Any, what: str) -> np.ndarray:
    """(H, W, 3) uint8 of a torch tensor or array: (3, H, W) or (H, W, 3), uint8 or float in [0, 1]; or of a
    StoredImage. Not to be written to: it may be the image itself.

    Raises ImageError for other shapes and for values that are not finite; `what` names the image in it.
    """
    if hasattr(image, "to_uint8"):
        stored: np.ndarray = image.to_uint8()
        return stored
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


def previews(images: Sequence[np.ndarray]) -> list[Preview]:
    """Pictures of equally large (H, W, 3) uint8 images, all encoded the same way: the images themselves where they are
    no larger than PREVIEW_SIDE_PX and take EXACT_BYTES or less together, else PREVIEW_BYTES or less."""
    height, width = images[0].shape[:2]
    pictures = [fit(Image.fromarray(image), PREVIEW_SIDE_PX) for image in images]
    shown = pictures[0]
    if shown.size == (width, height) and (exact := _lossless(pictures)):
        return _as_previews(exact, "webp", shown, (width, height), "lossless")
    contents, how = [], ""
    for side, quality in LOSSY:
        pictures = [fit(picture, side) for picture in pictures]
        shown, how = pictures[0], f"JPEG quality {quality}"
        contents = [encoded(picture, "JPEG", quality=quality, subsampling=0) for picture in pictures]
        if sum(map(len, contents)) <= PREVIEW_BYTES:
            break
    return _as_previews(contents, "jpeg", shown, (width, height), how)


def _lossless(pictures: Sequence[Image.Image]) -> list[bytes]:
    """The pictures as lossless WebP; empty where they do not fit, as soon as that is known."""
    contents: list[bytes] = []
    for picture in pictures:
        contents.append(encoded(picture, "WEBP", lossless=True, method=1))
        if sum(map(len, contents)) * len(pictures) > 1.5 * EXACT_BYTES * len(contents):
            return []
    return contents if sum(map(len, contents)) <= EXACT_BYTES else []


def _as_previews(
    contents: Sequence[bytes], kind: str, shown: Image.Image, size: tuple[int, int], how: str
) -> list[Preview]:
    note = "full size"
    if shown.size != size:
        note = f"preview reduced from {size[0]} × {size[1]} to {shown.width} × {shown.height} px"
    exact = shown.size == size and kind == "webp"
    return [Preview(data_uri(c, kind), shown.width, shown.height, f"{note}, {how}", exact) for c in contents]


def backdrop_of(images: Sequence[np.ndarray]) -> str:
    """Mean of equally large (H, W, 3) uint8 pictures in grey, in the middle of the range: what maps are laid over, so
    that colour shows on black and on white."""
    small = [
        np.asarray(fit(Image.fromarray(image), MAP_SIDE_PX).convert("L"), dtype=np.float32) / 255 for image in images
    ]
    grey = np.rint((0.25 + 0.6 * np.mean(small, axis=0)) * 255).astype(np.uint8)
    return data_uri(encoded(Image.fromarray(grey), "JPEG", quality=BACKDROP_QUALITY), "jpeg")


def map_uri(values: Map, scale: float) -> str:
    """A map of which image is better as a transparent layer, at most MAP_SIDE_PX on its longer side and MAP_BYTES.

    Orange where value / scale is positive, with full colour at 1, blue where it is negative; a negative scale swaps the
    colours.
    """
    return _layer_uri(values, lambda part: tint(part / np.float32(scale)))


def strength_uri(values: Map) -> str:
    """A map of how much of a defect an image has, 0 to 1 (what is below 0 counts as 0), as a layer of `map_uri`."""
    return _layer_uri(values, shade)


def _layer_uri(values: Map, draw: Callable[[np.ndarray], np.ndarray]) -> str:
    drawn = Map.from_array(np.zeros((1, 1))) if values.is_zero else values  # nothing to see at any size
    content = b""
    for side, quality in MAP_STEPS:
        layer = Image.fromarray(draw(drawn.reduced(side)))
        content = encoded(layer, "WEBP", quality=quality, alpha_quality=quality, method=4)
        if len(content) <= MAP_BYTES:
            break
    return data_uri(content, "webp")


def thumbnail_uri(image: np.ndarray) -> str:
    """A small picture of (H, W, 3) uint8."""
    picture = fit(Image.fromarray(image), THUMBNAIL_SIDE_PX)
    return data_uri(encoded(picture, "WEBP", quality=THUMBNAIL_QUALITY, method=4), "webp")


def fit(picture: Image.Image, side_px: int) -> Image.Image:
    """The picture, reduced where its longer side exceeds `side_px`."""
    size = _fitted(picture.size, side_px)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def _fitted(size: tuple[int, int], side_px: int) -> tuple[int, int]:
    shrink = min(1.0, side_px / max(size))
    return max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The file that Pillow writes with these options."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """The content of a picture of a kind, "webp" or "jpeg", as an address."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
