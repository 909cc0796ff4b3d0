"""Images kept as they were decoded, 8 or 16 bits a sample, and converted to float32 sRGB one window at a time.

A hundred megapixels take 300 MB in this form, in a temporary file, against 1.2 GB as float32 in memory. Every step of
`load_image` (full scale, profile, grey, CMYK, alpha) acts on single pixels, so a window equals the same part of the
whole image to the bit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import EllipsisType

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, UInt8
from PIL import Image
from torch import Tensor

from distortion_engine.reading.colour import to_srgb
from distortion_engine.reading.image_io import MAX_PIXELS, check_side, load_image, read_samples
from distortion_engine.reading.refusals import out_of_memory
from distortion_engine.reading.samples import Samples
from relational_iqa.tiling.temporary_arrays import IN_FILE_FROM_BYTES, give_back, in_file, temporary_array
from relational_iqa.viewing.alignment import match_sizes_by, resized

Source = str | os.PathLike[str] | Image.Image | np.ndarray | Tensor
"""An image as it enters: a path, a PIL image, an array (H, W, 3) or a tensor (3, H, W) in [0, 1]."""

_STRIP_PX = 1 << 20  # of one conversion, where a whole image is gone through


class StoredImage:
    """One image: stands for the tensor (3, H, W) that `load_image` gives, `shape` is that of this tensor.

    Made by `open_image`. The source's memory is used where that is possible, and never written to.
    """

    def __init__(self, content: Samples | Float32[Tensor, "3 _ _"], name: str) -> None:
        self._content, self._name = content, name
        height, width = content.shape[-2:] if isinstance(content, Tensor) else content.values.shape[:2]
        self.shape = (3, int(height), int(width))

    @property
    def memory_bytes(self) -> int:
        """What it takes in memory: nothing where it lies in a temporary file."""
        if isinstance(self._content, Tensor):
            return self._content.nbytes
        return 0 if in_file(self._content.values) else self._content.values.nbytes

    def window(
        self, top: int, bottom: int, left: int = 0, right: int | None = None
    ) -> Float32[Tensor, "3 {bottom-top} _"]:
        """Rows [top, bottom) and columns [left, right), sRGB in [0, 1].

        Without `right` the window reaches to the last column.
        """
        if isinstance(self._content, Tensor):
            return self._content[:, top:bottom, left:right]
        part = replace(self._content, values=self._content.values[top:bottom, left:right])
        try:
            return torch.from_numpy(np.ascontiguousarray(to_srgb(part, self._name).transpose(2, 0, 1)))
        except MemoryError as error:
            raise out_of_memory(self._name) from error

    def __getitem__(self, key: tuple[EllipsisType, slice, slice]) -> StoredImage:
        """The part `image[..., rows, columns]`, still stored; what alignment by cropping asks for."""
        _, rows, columns = key
        if isinstance(self._content, Tensor):
            return StoredImage(self._content[:, rows, columns], self._name)
        return StoredImage(replace(self._content, values=self._content.values[rows, columns]), self._name)

    def resized(self, height: int, width: int) -> StoredImage:
        """The image at another size, as float32."""
        return StoredImage(resized(self.pixels(), height, width), self._name)

    def pixels(self) -> Float32[Tensor, "3 {self.shape[1]} {self.shape[2]}"]:
        """The whole image, sRGB in [0, 1]."""
        return self.window(0, self.shape[1])

    def strips(self) -> Iterator[Float32[Tensor, "3 _ {self.shape[2]}"]]:
        """The whole image from top to bottom, some rows at a time."""
        _, height, width = self.shape
        rows = max(1, _STRIP_PX // width)
        for top in range(0, height, rows):
            yield self.window(top, min(top + rows, height))

    def mean(self) -> float:
        """Mean over channels and pixels, 0 to 1; 0 only where all is black."""
        return sum(float(strip.double().sum()) for strip in self.strips()) / (3 * self.shape[1] * self.shape[2])

    def to_uint8(self) -> UInt8[np.ndarray, "{self.shape[1]} {self.shape[2]} 3"]:
        """The whole image, 0 to 255, rounded to nearest. Do not write to it: it may be the stored image itself."""
        content = self._content
        if isinstance(content, Samples) and content.values.dtype == np.uint8 and content.space == "rgb":
            if not content.alpha and not content.profile:
                return content.values
        out = np.empty((*self.shape[1:], 3), np.uint8)
        top = 0
        for strip in self.strips():
            values = (strip.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
            out[top : top + len(values)] = values
            top += len(values)
        return out

    def give_back(self) -> None:
        """Takes what was read of a temporary file out of memory again."""
        if isinstance(self._content, Samples):
            give_back(self._content.values)


def open_image(source: Source | StoredImage, *, max_pixels: int = MAX_PIXELS) -> StoredImage:
    """A source as `load_image` takes it, checked in the same way. Raises ImageError. What was decoded here from a file
    and is large is moved to a temporary file."""
    if isinstance(source, StoredImage):
        return source
    if isinstance(source, Tensor):
        return StoredImage(_checked(source, max_pixels), "tensor")
    name, samples = read_samples(source, max_pixels)
    if samples.values.dtype.kind == "f":  # checked as a whole, and few
        return StoredImage(torch.from_numpy(np.ascontiguousarray(to_srgb(samples, name).transpose(2, 0, 1))), name)
    if isinstance(source, str | os.PathLike):
        samples = replace(samples, values=_moved(samples.values))
    return StoredImage(samples, name)


def align_images(images: Sequence[tuple[str, StoredImage]], align: str | None) -> list[StoredImage]:
    """As `match_sizes`: images of one size, in order. Resized ones are float32 from here on."""
    return match_sizes_by(StoredImage.resized, images, align)


def open_images(
    paths: Sequence[str | os.PathLike[str]], max_pixels: int | None = None, align: str | None = None
) -> list[StoredImage]:
    """Images of one scene from files, brought to one size.

    Args:
        paths: image files.
        max_pixels: largest width x height that is decoded; None for the limit of `open_image`.
        align: what to do when sizes differ: "resize" or "crop" everything to the smallest; None refuses that.

    Raises:
        ImageError: for a file that is no usable image, and for different sizes without `align`.
    """
    opened = [(str(path), open_image(path, max_pixels=max_pixels or MAX_PIXELS)) for path in paths]
    return align_images(opened, align)


def align_mask(name: str, mask: StoredImage, like: StoredImage, align: str | None) -> StoredImage:
    """The mask at the size of `like`.

    Args:
        name: what error messages call the mask.
        mask: the mask.
        like: an image of the size that the mask is to have.
        align: None refuses a mask of another size; "resize" and "crop" both resize it.

    Raises:
        ImageError: for a mask of another size without `align`.
    """
    if align is None or mask.shape == like.shape:
        return align_images([("the image", like), (name, mask)], None)[1]
    enlarged = F.interpolate(mask.pixels()[None], like.shape[-2:], mode="bilinear", antialias=True)
    return StoredImage(enlarged[0].clamp(0, 1), name)


def _checked(tensor: Tensor, max_pixels: int) -> Tensor:
    """(3, H, W) float32: the tensor itself where there is nothing to convert or to refuse, else what `load_image` makes
    or says of it."""
    image = tensor.detach()
    image = image[0] if image.ndim == 4 and image.shape[0] == 1 else image
    plain = image.ndim == 3 and image.shape[0] == 3 and image.dtype == torch.float32 and image.numel() > 0
    if plain and image.shape[1] * image.shape[2] <= max_pixels:
        low, high = (float(value) for value in torch.aminmax(image))
        if low >= 0 and high <= 1:  # false for NaN
            check_side("tensor", *image.shape[1:])
            return image
    return load_image(tensor, max_pixels=max_pixels)


def _moved(values: np.ndarray) -> np.ndarray:
    """The samples in a temporary file, where they are many."""
    if values.nbytes < IN_FILE_FROM_BYTES:
        return values
    stored = temporary_array(values.shape, values.dtype)
    if not in_file(stored):
        return values
    rows = max(1, _STRIP_PX // values.shape[1])
    for top in range(0, len(values), rows):
        stored[top : top + rows] = values[top : top + rows]
        give_back(stored)
    return stored
