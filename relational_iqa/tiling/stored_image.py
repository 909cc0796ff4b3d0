"""Images kept as they were decoded, 8 or 16 bits a sample, and converted to float32 sRGB one window at a time.

A hundred megapixels take 300 MB in this form, in a temporary file, against 1.2 GB as float32 in memory. Every step of
`load_image` (full scale, profile, grey, CMYK, alpha) acts on single pixels, so a window equals the same part of the
whole image to the bit.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import EllipsisType

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image
from torch import Tensor

from distortion_engine.reading.colour import to_srgb
from distortion_engine.reading.conversions import conversion_notes
from distortion_engine.reading.image_io import MAX_PIXELS, check_side, load_image, read_samples
from distortion_engine.reading.notes import Note
from distortion_engine.reading.refusals import out_of_memory
from distortion_engine.reading.samples import Samples
from relational_iqa.tiling.temporary_arrays import IN_FILE_FROM_BYTES, give_back, in_file, temporary_array
from relational_iqa.viewing.alignment import resized
from relational_iqa.viewing.condition import Viewing

Source = str | os.PathLike[str] | Image.Image | np.ndarray | Tensor
"""An image as it enters: a path, a PIL image, an array (H, W, 3) or a tensor (3, H, W) in [0, 1]."""

AT_ONCE_PX = 50_000_000
"""So many pixels of files together are decoded at once; a decoder takes some ten bytes for each."""
_STRIP_PX = 1 << 20  # of one conversion, where a whole image is gone through


class StoredImage:
    """One image: stands for the tensor (3, H, W) that `load_image` gives, `shape` is that of this tensor.

    Made by `open_image`. The source's memory is used where that is possible, and never written to.

    Args:
        content: samples as they were decoded, or a tensor in [0, 1].
        name: for error messages.
        notes: what reading and aligning changed.
        counts: an image of the same size, white where pixels count; None where all do.
        origin: where its upper left pixel lies in the picture that it is a part of: x and y, px.
    """

    viewing: Viewing | None = None
    """The condition under which it is seen as it is here; None where every pixel counts."""

    def __init__(
        self,
        content: Samples | Float32[Tensor, "3 _ _"],
        name: str,
        notes: tuple[Note, ...] = (),
        counts: StoredImage | None = None,
        origin: tuple[int, int] = (0, 0),
    ) -> None:
        self._content, self._name, self.notes = content, name, notes
        self.counts, self.origin = counts, origin
        height, width = content.shape[-2:] if isinstance(content, Tensor) else content.values.shape[:2]
        self.shape = (3, int(height), int(width))

    @property
    def is_hdr(self) -> bool:
        """Whether its values are those of `distortion_engine.reading.light`, not sRGB."""
        return any(note.kind == "hdr" for note in self.notes)

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
            return StoredImage(self._content[:, rows, columns], self._name, self.notes)
        return StoredImage(replace(self._content, values=self._content.values[rows, columns]), self._name, self.notes)

    def resized(self, height: int, width: int) -> StoredImage:
        """The image at another size, as float32."""
        return StoredImage(resized(self.pixels(), height, width), self._name, self.notes)

    def copied(self) -> StoredImage:
        """The same image as another object."""
        return copy.copy(self)

    def at(self, origin: tuple[int, int]) -> StoredImage:
        """The same image, as the part of a picture that begins at `origin`."""
        other = copy.copy(self)
        other.origin = origin
        return other

    def with_note(self, note: Note) -> StoredImage:
        """The same image, with one more note."""
        other = copy.copy(self)
        other.notes = (*self.notes, note)
        return other

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
        return self._by_strips()

    def _by_strips(self) -> UInt8[np.ndarray, "{self.shape[1]} {self.shape[2]} 3"]:
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


def open_image(source: Source | StoredImage, *, max_pixels: int = MAX_PIXELS, gain_map: bool = False) -> StoredImage:
    """A source as `load_image` takes it, checked in the same way, or HDR. Raises ImageError. What was decoded here from
    a file and is large is moved to a temporary file. gain_map: of a JPEG with a gain map, its HDR rendition."""
    if isinstance(source, StoredImage):
        return source
    if isinstance(source, Tensor):
        return StoredImage(_checked(source, max_pixels), "tensor")
    name, samples = read_samples(source, max_pixels, gain_map)
    if samples.values.dtype.kind == "f":  # checked as a whole, and few
        pixels = torch.from_numpy(np.ascontiguousarray(to_srgb(samples, name).transpose(2, 0, 1)))
        return StoredImage(pixels, name, conversion_notes(samples))
    if isinstance(source, str | os.PathLike):
        samples = replace(samples, values=_moved(samples.values))
    return StoredImage(samples, name, conversion_notes(samples))


def open_images_at_once(
    sources: Sequence[Source | StoredImage], *, max_pixels: int = MAX_PIXELS, gain_map: bool = False
) -> list[StoredImage]:
    """Several sources as `open_image` opens each, in order; files are decoded at once, on at most as many threads as
    torch uses, unless they are so large that this would take more memory than comparing them. Raises ImageError for the
    first that is no usable image."""
    opened = partial(open_image, max_pixels=max_pixels, gain_map=gain_map)
    paths = {place: Path(source) for place, source in enumerate(sources) if isinstance(source, str | os.PathLike)}
    files = list(paths)
    threads = min(len(files), torch.get_num_threads())
    if threads < 2 or sum(map(_pixels_of, paths.values())) > AT_ONCE_PX:
        return [opened(source) for source in sources]
    with ThreadPoolExecutor(threads, "riqa-reader") as pool:
        begun = {place: pool.submit(opened, sources[place]) for place in files}
        try:
            return [begun[place].result() if place in begun else opened(source) for place, source in enumerate(sources)]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _pixels_of(path: Path) -> int:
    """How many pixels the header of a file promises; where Pillow does not know it, more than are decoded at once."""
    try:
        # Pillow's own limit of pixels warns; ours is checked when the file is decoded.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.width * image.height
    except Exception:  # any file may stand here; what is wrong with it is said when it is decoded
        return AT_ONCE_PX + 1


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
