"""Looks at the images of a comparison before they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from distortion_engine.reading.notes import Note
from relational_iqa.results.noticed import ROLES, Noticed, Placed, Role
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.registration import find_motion, preview, preview_factor
from relational_iqa.viewing.scene import SAME_SCENE, scene_correlation

LEAST_SIDE_PX = 96
"""Smaller images have too little structure to say where they lie or what they show."""
_SCENE_PX = 256  # longest side of the images that are held against each other


def notice(
    a: StoredImage,
    b: StoredImage,
    reference: StoredImage | None,
    visible_difference: float,
    blocks: tuple[int, int] = (1, 1),
) -> Noticed:
    """What is noticed about images of one size.

    Args:
        a: one image.
        b: the other one.
        reference: the pristine image, if there is one.
        visible_difference: of a and b; where it is below 1 they lie on each other and show one scene.
        blocks: sides of the blocks of equal pixels that a and b consist of, 1 for none.
    """
    images: dict[Role, StoredImage] = {"a": a, "b": b}
    if reference is not None:
        images["reference"] = reference
    notes = {role: image.notes for role, image in images.items()}
    for role, side in zip(ROLES[:2], blocks, strict=True):
        if side > 1:
            notes[role] = (*notes[role], Note("blocks", f"blocks of {side} × {side} equal pixels", tell=True))
    on: list[tuple[Role, Role]] = []
    if min(a.shape[1:]) >= LEAST_SIDE_PX:
        if reference is not None:
            on = [("a", "reference"), ("b", "reference")]
        elif visible_difference >= 1:
            on = [("b", "a")]
    return Noticed(tuple(_all_placed(on, images)), notes)


def _all_placed(on: Sequence[tuple[Role, Role]], images: dict[Role, StoredImage]) -> list[Placed]:
    """How images lie on others, (image, other) each; on several threads where torch uses several."""
    if not on:
        return []
    factor = preview_factor(*images.values())
    with ThreadPoolExecutor(torch.get_num_threads(), "riqa-registration") as pool:
        small = dict(zip(images, pool.map(lambda image: preview(image, factor), images.values()), strict=True))
        return list(pool.map(lambda pair: _placed(pair[0], pair[1], images, small), on))


def _placed(image: Role, on: Role, images: dict[Role, StoredImage], previews: dict[Role, np.ndarray]) -> Placed:
    motion = find_motion(images[on], images[image], (previews[on], previews[image]))
    if motion is not None:
        return Placed(image, on, motion, True)
    factor = -(-max(images[on].shape[1:]) // _SCENE_PX)
    correlation = scene_correlation(preview(images[on], factor), preview(images[image], factor))
    return Placed(image, on, None, None if correlation is None else correlation >= SAME_SCENE)
