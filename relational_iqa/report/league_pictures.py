"""The images of a league as its page shows them: lossless where they fit, else smaller by a whole number, all alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from distortion_engine.errors import ImageError
from relational_iqa.report.pictures import as_uint8, data_uri, encoded

PAGE_BYTES = 18_000_000
"""Of all images of a page together; 4/3 of it in the file."""
_LOSSLESS_PIXELS = 7_000_000  # of all images together: photographs take about 2 bytes a pixel, so more rarely fit
_JPEG_PIXELS = 32_000_000  # the same for JPEG of quality 95, which takes about half a byte a pixel
_JPEG = {"quality": 95, "subsampling": 0}


@dataclass(frozen=True)
class Pictures:
    """Images of one size, encoded alike.

    Args:
        uris: a data URI for each image.
        width: of the embedded pictures, px.
        height: of the embedded pictures, px.
        reduction: the images were made smaller by this factor; 1 where they were not.
        lossless: whether the pixels are those of the images, or of the reduced images.
        full: width and height of the images, px.
    """

    uris: tuple[str, ...]
    width: int
    height: int
    reduction: int
    lossless: bool
    full: tuple[int, int]

    @property
    def note(self) -> str:
        """How the page shows the images, in words."""
        how = "lossless" if self.lossless else "JPEG quality 95"
        if self.reduction == 1:
            return f"{self.full[0]} × {self.full[1]} px, full size, {how}"
        return (
            f"previews of {self.width} × {self.height} px, 1/{self.reduction} of the size of the images "
            f"({self.full[0]} × {self.full[1]} px), {how}"
        )


def embed(images: Sequence[Any]) -> Pictures:
    """The images for a page, at most PAGE_BYTES together.

    Args:
        images: of one size, as `write_report` takes them.

    Raises:
        ImageError: for something that is no image, and for images of different sizes.
    """
    height, width = as_uint8(images[0], "image 1").shape[:2]
    for number, image in enumerate(images[1:], start=2):
        other = as_uint8(image, f"image {number}").shape[:2]
        if other != (height, width):
            raise ImageError(
                f"image {number} is {other[1]} x {other[0]} px, image 1 {width} x {height} px: pass the images that "
                "were compared"
            )
    total = len(images) * width * height
    if total <= _LOSSLESS_PIXELS:
        contents = [_reduced(image, 1, lossless=True) for image in images]
        if sum(map(len, contents)) <= PAGE_BYTES:
            return _pictures(contents, 1, True, (width, height))
    reduction = max(1, math.ceil(math.sqrt(total / _JPEG_PIXELS)))
    while True:
        contents = [_reduced(image, reduction, lossless=False) for image in images]
        if sum(map(len, contents)) <= PAGE_BYTES or reduction >= max(width, height):
            return _pictures(contents, reduction, False, (width, height))
        reduction += 1


def reduced_size(size: tuple[int, int], reduction: int) -> tuple[int, int]:
    """Width and height of an image of `size` (width, height) that was made smaller."""
    return max(1, round(size[0] / reduction)), max(1, round(size[1] / reduction))


def _reduced(image: Any, reduction: int, lossless: bool) -> bytes:
    pixels: np.ndarray = as_uint8(image, "an image")
    picture = Image.fromarray(pixels)
    if reduction > 1:
        picture = picture.resize(reduced_size(picture.size, reduction), Image.Resampling.LANCZOS)
    return encoded(picture, "WEBP", lossless=True, method=3) if lossless else encoded(picture, "JPEG", **_JPEG)


def _pictures(contents: Sequence[bytes], reduction: int, lossless: bool, full: tuple[int, int]) -> Pictures:
    kind = "webp" if lossless else "jpeg"
    uris = tuple(data_uri(content, kind) for content in contents)
    return Pictures(uris, *reduced_size(full, reduction), reduction, lossless, full)
