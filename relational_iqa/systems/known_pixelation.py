"""What is known of the pixels is not guessed: where one image consists of blocks of equal pixels, what the distortion
network takes for noise, blur or smearing of that image is pixelation.

Enlargements by nearest neighbour by a small whole factor have both in them: detail is lost, and steps look like grain.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32

from distortion_engine.axes import AXES, AXIS_INDEX
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.equal_blocks import block_side

_MEANT = (("noise", 1.0), ("sharpness", -1.0), ("smearing", 1.0))
"""Axes of what is pixelation there, and the sign of an image that has it."""
_SEEN_PX = 768  # side of the part of an image, its middle, that is looked at


def blocks_of(image: StoredImage) -> int:
    """Side of the blocks of equal pixels in the middle of an image; 1 where there are none."""
    _, height, width = image.shape
    top, left = (max(0, (length - _SEEN_PX) // 2) for length in (height, width))
    part = image.window(top, min(height, top + _SEEN_PX), left, min(width, left + _SEEN_PX))
    return block_side(torch.as_tensor(part).permute(1, 2, 0).cpu().numpy())


def call_pixelation(maps: Float32[np.ndarray, "c h w"], a: int, b: int) -> None:
    """Moves what an image of blocks has more of, as noise, blur or smearing, to its pixelation; in place.

    Args:
        maps: M(a, b), one channel an axis; then, with a reference, what b lacks more of the two-sided axes.
        a: side of the blocks of a, 1 for none.
        b: side of the blocks of b. Nothing is moved where both images have blocks or neither has.
    """
    if (a > 1) == (b > 1):
        return
    sign = 1.0 if b > 1 else -1.0
    pixelation = maps[AXIS_INDEX["pixelation"]]
    two_sided = [axis.name for axis in AXES if axis.two_sided]
    has_lacks = len(maps) >= len(AXES) + len(two_sided)
    largest = 2.0 if has_lacks else 1.0  # with a reference maps are differences of two
    for row in range(maps.shape[1]):  # row by row: they may lie in a file
        moved = np.zeros_like(pixelation[row])
        for name, own in _MEANT:
            values = maps[AXIS_INDEX[name]][row]
            part = np.maximum(values * (own * sign), 0.0)
            values -= part * (own * sign)
            moved += part
            if has_lacks and name in two_sided:
                lacks = maps[len(AXES) + two_sided.index(name)][row]
                lacks -= np.maximum(lacks * sign, 0.0) * sign
        pixelation[row] = np.clip(pixelation[row] + sign * moved, -largest, largest)
