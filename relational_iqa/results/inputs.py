"""Which images a comparison was made of, so that its report can show them, without keeping any of them in memory.

Of a file the path is kept, of an image in memory a weak reference: a thousand results in a list hold no image, and an
image that the caller still has can be shown. What is gone, or was written anew since, is refused with the remedy.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.reading.image_io import MAX_PIXELS
from relational_iqa.tiling.aligned_images import align_images
from relational_iqa.tiling.seen_images import see
from relational_iqa.tiling.stored_image import Source, StoredImage, open_image
from relational_iqa.viewing.condition import Viewing

ROLES = ("a", "b", "reference")


@dataclass(frozen=True)
class _File:
    """A file as it was: absolute path, size in bytes, time of its last change in ns."""

    path: Path
    state: tuple[int, int]

    def get(self, role: str) -> Path:
        try:
            now = _state(self.path)
        except OSError as error:
            raise UsageError(f"{self.path}: {error.strerror or error}; {_remedy(role)}") from error
        if now != self.state:
            raise UsageError(f"{self.path}: was changed since it was compared; compare it again, or {_remedy(role)}")
        return self.path


class _InMemory:
    """A weak reference to an image; without it in another process."""

    def __init__(self, image: object | None) -> None:
        self._reference = None if image is None else weakref.ref(image)

    def __reduce__(self) -> tuple[type[_InMemory], tuple[None]]:
        return _InMemory, (None,)

    def get(self, role: str) -> Any:
        image = None if self._reference is None else self._reference()
        if image is None:
            raise UsageError(f"image {role} is no longer in memory; {_remedy(role)}")
        return image


@dataclass(frozen=True)
class Inputs:
    """The images of a comparison, where they can still be had.

    Args:
        held: of a, b and, where there was one, the reference.
        align: how they were brought to one size.
        max_pixels: largest width x height that is decoded.
        roles: what to call each of them.
        box: the part that was compared: x, y, width and height in px; None for all.
        viewing: the condition under which it was seen; None where every pixel counts.
    """

    held: tuple[_File | _InMemory, ...]
    align: str | None = None
    max_pixels: int = MAX_PIXELS
    roles: tuple[str, ...] = ROLES
    box: tuple[int, int, int, int] | None = None
    viewing: Viewing | None = None

    @classmethod
    def of(
        cls,
        sources: Sequence[Source | StoredImage],
        align: str | None = None,
        max_pixels: int = MAX_PIXELS,
        viewing: Viewing | None = None,
    ) -> Inputs:
        """What to keep of a, b and the reference, as they came. Nothing is copied or read."""
        return cls(tuple(_held(source) for source in sources), align, max_pixels, viewing=viewing)

    @classmethod
    def of_ranked(
        cls,
        images: Sequence[Source | StoredImage],
        reference: Source | StoredImage | None = None,
        align: str | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Inputs:
        """The same of images that are ranked, and their reference."""
        sources = [*images] + ([] if reference is None else [reference])
        roles = tuple(str(number) for number in range(1, len(images) + 1))
        return cls(tuple(_held(source) for source in sources), align, max_pixels, (*roles, "of the reference"))

    @property
    def paths(self) -> list[Path | None]:
        """The files of the images, None for one that came from memory."""
        return [held.path if isinstance(held, _File) else None for held in self.held]

    def open(self, images: Sequence[Source | StoredImage] | None = None) -> list[StoredImage]:
        """The images, of one size, in their order; of those that were kept the part that was compared.

        Args:
            images: all of them, the reference last, in place of those that were kept.

        Raises:
            UsageError: for another number of images, and for an image that is gone or was changed.
            ImageError: for anything that is no usable image.
        """
        if images is not None and len(images) != len(self.held):
            raise UsageError(
                f"{len(images)} images, expected {len(self.held)}: {', '.join(self.roles[: len(self.held)])}"
            )
        given = images or [held.get(role) for held, role in zip(self.held, self.roles, strict=False)]
        opened = [
            (f"image {role}", open_image(source, max_pixels=self.max_pixels))
            for source, role in zip(given, self.roles, strict=False)
        ]
        aligned = align_images(opened, self.align, len(opened) == len(ROLES))
        if self.box is not None:
            x, y, width, height = self.box
            aligned = [image[..., y : y + height, x : x + width] for image in aligned]
        return see(aligned, self.viewing)


def open_inputs(
    inputs: Inputs | None, images: Sequence[Source | StoredImage] | None, shape: tuple[int, int]
) -> list[StoredImage]:
    """The images of a comparison, checked against the size (H, W) of its maps.

    Args:
        inputs: what the comparison kept; None where it was made by hand, so that `images` are needed.
        images: a, b and the reference, in place of what was kept.
        shape: of the maps.

    Raises:
        UsageError, ImageError: as `Inputs.open`; and for images of another size.
    """
    if inputs is None and images is None:
        raise UsageError(f"this result knows no images; {_remedy('a')}")
    kept = inputs or Inputs.of(images or ())
    opened = kept.open(images)
    if opened[0].shape[1:] != shape:
        _, height, width = opened[0].shape
        raise ImageError(
            f"the images are {width} x {height} px, the maps {shape[1]} x {shape[0]}: give what was compared"
        )
    return opened


def _held(source: Source | StoredImage) -> _File | _InMemory:
    if not isinstance(source, str | os.PathLike):
        return _InMemory(source)
    path = Path(source).absolute()
    try:
        return _File(path, _state(path)) if path.is_file() else _InMemory(None)  # a pipe is read only once
    except OSError:
        return _InMemory(None)


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _remedy(role: str) -> str:
    if role not in ROLES:
        return "give the images, the reference last: ranking.save(path, images=[...])"
    more = ", reference" if role == "reference" else ""
    return f"give the images: result.save(path, images=(a, b{more}))"
