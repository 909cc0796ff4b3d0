"""Images that are computed of another one when they are read, window by window."""

from __future__ import annotations

from types import EllipsisType

import numpy as np
from jaxtyping import Float32, UInt8
from torch import Tensor

from distortion_engine.reading.notes import Note
from relational_iqa.tiling.stored_image import StoredImage


class DerivedImage(StoredImage):
    """An image that takes no memory of its own: what is read of it is computed of its source. `window` and the part of
    it are those of each kind.

    Args:
        source: the image behind it, whose name it has.
        size: height and width, px; by default those of the source.
        notes: what reading and aligning changed; by default what it did to the source.
        counts: an image of the same size, white where pixels count; None where all do.
        origin: where its upper left pixel lies in the picture that it is a part of: x and y, px.
    """

    def __init__(
        self,
        source: StoredImage,
        size: tuple[int, int] | None = None,
        notes: tuple[Note, ...] | None = None,
        counts: StoredImage | None = None,
        origin: tuple[int, int] = (0, 0),
    ) -> None:
        self._source, self._name = source, source._name
        self.shape = source.shape if size is None else (3, *size)
        self.notes = source.notes if notes is None else notes
        self.counts, self.origin = counts, origin

    @property
    def memory_bytes(self) -> int:
        """What its source takes."""
        return self._source.memory_bytes

    def window(
        self, top: int, bottom: int, left: int = 0, right: int | None = None
    ) -> Float32[Tensor, "3 {bottom-top} _"]:
        """As of `StoredImage`."""
        raise NotImplementedError

    def __getitem__(self, key: tuple[EllipsisType, slice, slice]) -> StoredImage:
        """As of `StoredImage`."""
        raise NotImplementedError

    def to_uint8(self) -> UInt8[np.ndarray, "{self.shape[1]} {self.shape[2]} 3"]:
        """The whole image, 0 to 255, rounded to nearest."""
        return self._by_strips()

    def give_back(self) -> None:
        """Takes what was read of the source out of memory again."""
        self._source.give_back()

    def _within(self, bottom: int, right: int | None) -> tuple[int, int]:
        """The ends of a window, as far as they lie in the image."""
        _, height, width = self.shape
        return min(bottom, height), width if right is None else min(right, width)

    def _edges(self, key: tuple[EllipsisType, slice, slice]) -> tuple[int, int, int, int]:
        """Top, bottom, left and right of a part."""
        _, rows, columns = key
        (top, bottom, _), (left, right, _) = rows.indices(self.shape[1]), columns.indices(self.shape[2])
        return top, bottom, left, right
