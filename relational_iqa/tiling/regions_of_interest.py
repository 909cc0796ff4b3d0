"""Regions of interest: parts of the pictures that are compared as if there were nothing else.

A rectangle is cut out. Of a mask, the box around what it shows is cut out, and what lies outside of the mask in that
box is filled smoothly (`filled_image.py`), in each image by its own pixels inside. So the answer for a region is a
function of the pixels inside, by construction: what lies outside has no influence at all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import MAX_PIXELS, MIN_SIDE_PX
from relational_iqa.tiling.aligned_images import align_mask
from relational_iqa.tiling.filled_image import FilledImage, is_known
from relational_iqa.tiling.rectangles import Rectangle
from relational_iqa.tiling.stored_image import Source, StoredImage, open_image


@dataclass(frozen=True)
class RegionOfInterest:
    """A region of pictures of one size.

    Args:
        name: what answers call it.
        box: the rectangle around it.
        share: of the pixels of the pictures that count, 0 to 1; grey pixels of a mask count in part.
        mask: within the box, above 0 where pixels count; None where all do.
    """

    name: str
    box: Rectangle
    share: float
    mask: StoredImage | None = None

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the box."""
        x, y, width, height = self.box
        return slice(y, y + height), slice(x, x + width)

    @property
    def said(self) -> str:
        """Its name, and how much of the picture it is."""
        return f"{self.name} ({100 * self.share:.3g} % of the picture)"

    def to_json(self) -> dict[str, Any]:
        """Name, box and share as plain Python."""
        x, y, width, height = self.box
        box = {"left": x, "top": y, "width": width, "height": height}
        return {"name": self.name, "box": box, "share": self.share}

    def of(self, image: StoredImage) -> StoredImage:
        """The part of an image that is compared."""
        part = image[..., *self.slices].at(self.box[:2])
        return part if self.mask is None else FilledImage(part, self.mask)


Region = Rectangle | Source | StoredImage | RegionOfInterest
"""A region of interest as it enters: a rectangle, or an image that is white where pixels count; or one that was found
in images of the same size."""


def find_region(
    region: Region,
    like: StoredImage,
    align: str | None = None,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> RegionOfInterest:
    """A region of images of one size.

    Args:
        region: a rectangle in pixels of the images as they are compared, or an image that is white where pixels count.
        like: one of the images.
        align: how the images were brought to one size, as of `align_mask`.
        name: what to call it; by default its numbers or the name of its file.
        max_pixels: largest width x height of a mask that is decoded.

    Raises:
        ImageError: for a rectangle that does not lie in the images or is too small, for a mask that is no usable image,
            of another size, or black everywhere, and for any region of images that were registered.
    """
    if isinstance(region, RegionOfInterest):
        return region
    if isinstance(region, tuple):
        if align == "auto":
            raise ImageError(
                f"region {','.join(map(str, region))}: registering crops the pictures, so a region moves; register "
                "them first, then name the region"
            )
        return _rectangle(region, like, name)
    if name is None:
        name = os.path.basename(region) if isinstance(region, str | os.PathLike) else "mask"
    mask = align_mask(name, open_image(region, max_pixels=max_pixels), like, align)
    return _masked(mask, name)


def within(images: Sequence[StoredImage], region: RegionOfInterest) -> list[StoredImage]:
    """The part of each image that is compared, in order."""
    return [region.of(image) for image in images]


def _rectangle(box: Rectangle, like: StoredImage, name: str | None) -> RegionOfInterest:
    x, y, width, height = box
    _, tall, wide = like.shape
    name = name or f"{width} × {height} px at ({x}, {y})"
    if min(x, y, width, height) < 0 or x + width > wide or y + height > tall:
        raise ImageError(f"region {x},{y},{width},{height} does not lie in the pictures, which are {wide}x{tall} px")
    if min(width, height) < MIN_SIDE_PX:
        raise ImageError(f"region {x},{y},{width},{height}: each side needs at least {MIN_SIDE_PX} px")
    return RegionOfInterest(name, box, width * height / (wide * tall))


def _masked(mask: StoredImage, name: str) -> RegionOfInterest:
    """The box around what a mask shows, widened to what can be compared."""
    _, height, width = mask.shape
    rows, columns, total = [], torch.zeros(width, dtype=torch.bool), 0.0
    for strip in mask.strips():
        known = is_known(strip.cpu())[0] > 0
        rows.append(known.any(1))
        columns |= known.any(0)
        total += float(strip.double().mean(0).sum())
    found = [torch.nonzero(line)[:, 0].tolist() for line in (torch.cat(rows), columns)]
    if not found[0]:
        raise ImageError(f"{name}: the mask is black everywhere: make white what should count")
    (top, bottom), (left, right) = (
        _widened(line[0], line[-1] + 1, length) for line, length in zip(found, (height, width), strict=True)
    )
    part = mask[..., top:bottom, left:right]
    return RegionOfInterest(name, (left, top, right - left, bottom - top), total / (height * width), part)


def _widened(start: int, stop: int, length: int) -> tuple[int, int]:
    """The interval, of at least MIN_SIDE_PX where there is room."""
    missing = max(0, MIN_SIDE_PX - (stop - start))
    start = max(0, min(start - missing // 2, length - max(MIN_SIDE_PX, stop - start)))
    return start, min(length, max(stop, start + MIN_SIDE_PX))
