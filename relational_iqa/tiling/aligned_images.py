"""Images of one scene brought to one size: opened, registered, resized or cropped as the caller says."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch.nn.functional as F

from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import MAX_PIXELS
from distortion_engine.reading.notes import Note
from relational_iqa.tiling.one_space import in_one_space
from relational_iqa.tiling.registered_images import register_images
from relational_iqa.tiling.stored_image import StoredImage, open_images_at_once
from relational_iqa.viewing.alignment import match_sizes_by


def align_images(
    images: Sequence[tuple[str, StoredImage]], align: str | None, has_reference: bool = False
) -> list[StoredImage]:
    """Images of one size, in order; what was done to each is in its notes. Resized ones are float32 from here on.

    Args:
        images: (name for error messages, image) pairs.
        align: as of `match_sizes`; "auto" registers all on the reference or, where there is none, on the first.
        has_reference: whether the last image is the reference.

    Raises:
        ImageError: for different sizes where `align` is None, and for images that "auto" cannot register.
        UsageError: for another `align`.
    """
    images = in_one_space(images)
    if align == "auto":
        return register_images(images, len(images) - 1 if has_reference else 0)
    aligned = match_sizes_by(StoredImage.resized, images, align)
    return [_with_size_note(image, before.shape) for image, (_, before) in zip(aligned, images, strict=True)]


def _with_size_note(image: StoredImage, before: tuple[int, int, int]) -> StoredImage:
    """With what aligning did to its size."""
    (_, high, wide), (_, height, width) = before, image.shape
    if (height, width) == (high, wide):
        return image
    how = "cropped" if height <= high and width <= wide else "resized"
    return image.with_note(Note("size", f"{how} from {wide}x{high} to {width}x{height} px", tell=True))


def open_images(
    paths: Sequence[str | os.PathLike[str]],
    max_pixels: int | None = None,
    align: str | None = None,
    has_reference: bool = False,
    gain_map: bool = False,
) -> list[StoredImage]:
    """Images of one scene from files, brought to one size and, where any is HDR, to one space.

    Args:
        paths: image files.
        max_pixels: largest width x height that is decoded; None for the limit of `open_image`.
        align: what to do when sizes differ or the images do not lie on each other, as of `align_images`.
        has_reference: whether the last one is the reference.
        gain_map: of JPEGs with a gain map, their HDR rendition.

    Raises:
        ImageError: for a file that is no usable image, and for different sizes without `align`.
    """
    opened = open_images_at_once(paths, max_pixels=max_pixels or MAX_PIXELS, gain_map=gain_map)
    return align_images(list(zip(map(str, paths), opened, strict=True)), align, has_reference)


def align_mask(name: str, mask: StoredImage, like: StoredImage, align: str | None) -> StoredImage:
    """The mask at the size of `like`.

    Args:
        name: what error messages call the mask.
        mask: the mask.
        like: an image of the size that the mask is to have.
        align: None refuses a mask of another size; "resize" and "crop" both resize it, "auto" refuses any mask.

    Raises:
        ImageError: for a mask of another size without `align`.
    """
    if align == "auto":
        raise ImageError(
            f"{name}: a mask does not move with images that are registered; register them first, then mask"
        )
    if align is None or mask.shape == like.shape:
        match_sizes_by(StoredImage.resized, [("the image", like), (name, mask)], None)
        return mask
    enlarged = F.interpolate(mask.pixels()[None], like.shape[-2:], mode="bilinear", antialias=True)
    return StoredImage(enlarged[0].clamp(0, 1), name)
