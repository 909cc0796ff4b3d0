"""Whether an image consists of blocks of equal pixels, as an enlargement by nearest neighbour does."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

MOST_PX = 8  # side of the largest blocks that are looked for
_INSIDE = 0.995  # least share of neighbours within a block that are equal
_ACROSS = (
    0.9  # most of those on both sides of an edge between blocks: elsewhere everything is equal, as in a white area
)


def block_side(pixels: Shaped[np.ndarray, "h w c"]) -> int:
    """Side of the blocks of equal pixels that an image, or a part of it, consists of; 1 where it does not.

    Args:
        pixels: values as they were read: what was compressed or filtered afterwards has no equal pixels left.
    """
    columns = (pixels[:, 1:] == pixels[:, :-1]).all(2).mean(0)
    rows = (pixels[1:] == pixels[:-1]).all(2).mean(1)
    # The largest side wins: blocks of 4 x 4 pixels are blocks of 2 x 2 as well, but for the edges that are none.
    return max((side for side in range(2, MOST_PX + 1) if _is_side(columns, side) and _is_side(rows, side)), default=1)


def _is_side(equal: np.ndarray, side: int) -> bool:
    """Whether shares of equal neighbours along a line are those of blocks of this side, from any offset on."""
    if len(equal) < 4 * side:
        return False
    places = np.arange(len(equal)) % side
    for offset in range(side):
        inside, edges = equal[places != offset], equal[places == offset]
        if inside.min() >= _INSIDE and edges.mean() <= _ACROSS:
            return True
    return False
