"""Looks at the images of a comparison before they are judged."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from torch import Tensor

from distortion_engine.reading.notes import Note
from relational_iqa.networks.in_parts import begun
from relational_iqa.results.noticed import ROLES, Noticed, Placed, Role
from relational_iqa.systems.known_pixels import KnownPixels
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.registration import find_motion, preview, preview_factor
from relational_iqa.viewing.scene import SAME_SCENE, scene_correlation

LEAST_SIDE_PX = 96
"""Smaller images have too little structure to say where they lie or what they show."""
_SCENE_PX = 256  # longest side of the images that are held against each other


class Noticing:
    """What is looked for in images of one size beside the networks, on threads that these share: begun when it is made.

    Args:
        a: one image.
        b: the other one.
        reference: the pristine image, if there is one.
    """

    def __init__(self, a: StoredImage, b: StoredImage, reference: StoredImage | None) -> None:
        self._images: dict[Role, StoredImage] = {"a": a, "b": b}
        if reference is not None:
            self._images["reference"] = reference
        self._known = begun(partial(KnownPixels.of, a, b, reference))
        self._on: list[tuple[Role, Role]] = []
        if min(a.shape[1:]) >= LEAST_SIDE_PX:
            self._on = [("b", "a")] if reference is None else [("a", "reference"), ("b", "reference")]
        previews = _Previews(self._images) if self._on else None
        self._placed = [begun(partial(_placed, *pair, self._images, previews)) for pair in self._on if previews]

    def known(self) -> KnownPixels:
        """What is known of the pixels of a and b, beside the reference."""
        return self._known()

    def found(self, visible_difference: float) -> Noticed:
        """All that is noticed.

        Args:
            visible_difference: of a and b; where it is below 1 they lie on each other and show one scene.
        """
        notes = {role: image.notes for role, image in self._images.items()}
        for role, side in zip(ROLES[:2], self.known().blocks, strict=True):
            if side > 1:
                notes[role] = (*notes[role], Note("blocks", f"blocks of {side} × {side} equal pixels", tell=True))
        plain = "reference" not in self._images and visible_difference < 1
        return Noticed(() if plain else tuple(one() for one in self._placed), notes)


class _Lent:
    """An image of which nothing stays in memory that lies in a temporary file: it is read beside the networks."""

    def __init__(self, image: StoredImage) -> None:
        self._image, self.shape = image, image.shape

    def window(self, top: int, bottom: int, left: int = 0, right: int | None = None) -> Tensor:
        """As of the image."""
        found = self._image.window(top, bottom, left, right)
        self._image.give_back()
        return found


class _Previews:
    """Small luma of images, begun when they are made.

    Args:
        images: by their roles.
    """

    def __init__(self, images: Mapping[Role, StoredImage]) -> None:
        factor = preview_factor(*images.values())
        self._made = {role: begun(partial(preview, _Lent(image), factor)) for role, image in images.items()}

    def of(self, role: Role) -> np.ndarray:
        """That of an image."""
        return self._made[role]()


def _placed(image: Role, on: Role, images: Mapping[Role, StoredImage], previews: _Previews) -> Placed:
    """How an image lies on another."""
    motion = find_motion(_Lent(images[on]), _Lent(images[image]), (previews.of(on), previews.of(image)))
    if motion is not None:
        return Placed(image, on, motion, True)
    factor = -(-max(images[on].shape[1:]) // _SCENE_PX)
    correlation = scene_correlation(preview(_Lent(images[on]), factor), preview(_Lent(images[image]), factor))
    return Placed(image, on, None, None if correlation is None else correlation >= SAME_SCENE)
