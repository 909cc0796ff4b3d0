"""Images of one scene registered on one of them: shifted, scaled and turned so that they show the same pixel by pixel.

Registered images are read as ever, window by window: each window is taken from the image as it is stored, so memory
does not grow with the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType

import numpy as np
from jaxtyping import Float32, Float64
from torch import Tensor

from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import MIN_SIDE_PX
from distortion_engine.reading.notes import Note
from relational_iqa.tiling.derived_image import DerivedImage
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.registration import Motion, find_motion
from relational_iqa.viewing.warping import as_tensor, warped_window

_WHOLE_PX = 0.05
"""A shift this close to whole pixels is one: the image is cropped, and no pixel is interpolated."""

Box = tuple[int, int, int, int]  # top, bottom, left, right


class WarpedImage(DerivedImage):
    """An image as it looks in the pixel grid of another.

    Args:
        source: the image.
        matrix: place (x, y, 1) in the grid -> place in `source`.
        size: height and width of the grid.
    """

    def __init__(self, source: StoredImage, matrix: Float64[np.ndarray, "2 3"], size: tuple[int, int]) -> None:
        super().__init__(source, size)
        self._matrix = matrix

    def window(
        self, top: int, bottom: int, left: int = 0, right: int | None = None
    ) -> Float32[Tensor, "3 {bottom-top} _"]:
        bottom, right = self._within(bottom, right)
        return as_tensor(warped_window(self._source, self._matrix, top, bottom, left, right))

    def __getitem__(self, key: tuple[EllipsisType, slice, slice]) -> StoredImage:
        top, bottom, left, right = self._edges(key)
        matrix = np.column_stack([self._matrix[:, :2], self._matrix @ [left, top, 1.0]])
        part = WarpedImage(self._source, matrix, (bottom - top, right - left))
        part.notes = self.notes
        return part


def register_images(images: Sequence[tuple[str, StoredImage]], fixed: int) -> list[StoredImage]:
    """All images on the pixel grid of one of them, cropped to the area that all of them show, in order.

    Images that were registered before are returned as they are. Of images of one size, one that cannot be registered
    stays as it is, and its notes say so.

    Args:
        images: (name for error messages, image) pairs.
        fixed: index of the image that stays as it is.

    Raises:
        ImageError: for an image of another size that cannot be registered, and for images that share too little.
    """
    if any(note.kind == "registered" for _, image in images for note in image.notes):
        return [image for _, image in images]
    base_name, base = images[fixed]
    _, height, width = base.shape
    motions: list[Motion | None] = []
    for number, (name, image) in enumerate(images):
        motion = None if number == fixed else find_motion(base, image)
        if number != fixed and motion is None and image.shape != base.shape:
            raise ImageError(
                f"{name} ({image.shape[2]}x{image.shape[1]} px) cannot be registered on {base_name} ({width}x{height} "
                "px): too little of the two agrees; use --align resize or --align crop (align= in Python)"
            )
        motions.append(motion)
    moved = [None if motion is None or motion.is_none else _whole(motion.matrix) for motion in motions]
    box: Box = (0, height, 0, width)
    for matrix, (_, image) in zip(moved, images, strict=True):
        box = box if matrix is None else _shared(box, matrix, (image.shape[1], image.shape[2]))
    top, bottom, left, right = box
    if min(bottom - top, right - left) < MIN_SIDE_PX:
        raise ImageError(
            f"{base_name} and the images registered on it share less than {MIN_SIDE_PX} px; crop them yourself"
        )
    found = []
    for number, ((_, image), motion, matrix) in enumerate(zip(images, motions, moved, strict=True)):
        if matrix is None:
            aligned = image[..., top:bottom, left:right]
        else:
            aligned = _placed(image, matrix, (height, width), box)
        for note in _notes(number == fixed, motion, box, image.shape):
            aligned = aligned.with_note(note)
        found.append(aligned)
    return found


def _whole(matrix: Float64[np.ndarray, "2 3"]) -> Float64[np.ndarray, "2 3"]:
    """A shift by almost whole pixels made whole; other motions as they are."""
    shift = matrix[:, 2]
    if np.array_equal(matrix[:, :2], np.eye(2)) and np.abs(shift - np.rint(shift)).max() <= _WHOLE_PX:
        return np.column_stack([np.eye(2), np.rint(shift)])
    return matrix


def _shared(box: Box, matrix: Float64[np.ndarray, "2 3"], size: tuple[int, int]) -> Box:
    """The part of a box that an image of a size covers too; turned images lose their corners."""
    back = np.linalg.inv(np.vstack([matrix, [0.0, 0.0, 1.0]]))[:2]
    x0, y0, x1, y1 = 0.0, 0.0, size[1] - 1.0, size[0] - 1.0
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = (back @ [x, y, 1.0] for x, y in ((x0, y0), (x1, y0), (x0, y1), (x1, y1)))
    top, bottom, left, right = box
    slack = 1e-6
    return (
        max(top, int(np.ceil(max(ay, by) - slack))),
        min(bottom, int(np.floor(min(cy, dy) + slack)) + 1),
        max(left, int(np.ceil(max(ax, cx) - slack))),
        min(right, int(np.floor(min(bx, dx) + slack)) + 1),
    )


def _placed(image: StoredImage, matrix: Float64[np.ndarray, "2 3"], size: tuple[int, int], box: Box) -> StoredImage:
    """The box of an image in the grid of another."""
    top, bottom, left, right = box
    whole = np.rint(matrix[:, 2])
    if np.array_equal(matrix, np.column_stack([np.eye(2), whole])):
        x, y = (int(value) for value in whole)
        return image[..., top + y : bottom + y, left + x : right + x]
    return WarpedImage(image, matrix, size)[..., top:bottom, left:right]


def _notes(is_fixed: bool, motion: Motion | None, box: Box, shape: tuple[int, int, int]) -> list[Note]:
    """What was done to one image of a shape."""
    top, bottom, left, right = box
    notes = []
    if is_fixed:
        notes.append(Note("registered", "the others are registered on it"))
    elif motion is None:
        notes.append(Note("registered", "could not be registered, compared as it is", tell=True))
    elif motion.is_none:
        notes.append(Note("registered", "was in register already"))
    else:
        notes.append(Note("registered", f"registered, it was {motion.said()}", tell=True))
    if (bottom - top, right - left) != shape[1:]:
        notes.append(Note("size", f"cropped to {right - left}x{bottom - top} px", tell=True))
    return notes
