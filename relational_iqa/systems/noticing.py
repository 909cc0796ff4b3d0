"""Looks at the images of a comparison before they are judged."""

from __future__ import annotations

from relational_iqa.results.noticed import Noticed, Placed, Role
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.registration import find_motion, preview
from relational_iqa.viewing.scene import SAME_SCENE, scene_correlation

LEAST_SIDE_PX = 96
"""Smaller images have too little structure to say where they lie or what they show."""
_SCENE_PX = 256  # longest side of the images that are held against each other


def notice(a: StoredImage, b: StoredImage, reference: StoredImage | None, visible_difference: float) -> Noticed:
    """What is noticed about images of one size.

    Args:
        a: one image.
        b: the other one.
        reference: the pristine image, if there is one.
        visible_difference: of a and b; where it is below 1 they lie on each other and show one scene.
    """
    images: dict[Role, StoredImage] = {"a": a, "b": b}
    if reference is not None:
        images["reference"] = reference
    notes = {role: image.notes for role, image in images.items()}
    placed = []
    if min(a.shape[1:]) >= LEAST_SIDE_PX:
        if reference is None:
            placed = [_placed("b", "a", images)] if visible_difference >= 1 else []
        else:
            placed = [_placed("a", "reference", images), _placed("b", "reference", images)]
    return Noticed(tuple(placed), notes)


def _placed(image: Role, on: Role, images: dict[Role, StoredImage]) -> Placed:
    motion = find_motion(images[on], images[image])
    if motion is not None:
        return Placed(image, on, motion, True)
    factor = -(-max(images[on].shape[1:]) // _SCENE_PX)
    correlation = scene_correlation(preview(images[on], factor), preview(images[image], factor))
    return Placed(image, on, None, None if correlation is None else correlation >= SAME_SCENE)
