"""Which of several images are computed together, so that what one image alone says is computed few times and memory is
bounded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product


def in_groups(count: int, most: int) -> list[range]:
    """Indices of `count` images in as few groups of at most `most` as there can be, of nearly equal sizes."""
    groups = -(-count // most)
    edges = [count * group // groups for group in range(groups + 1)] if count else [0]
    return [range(first, last) for first, last in zip(edges, edges[1:], strict=False)]


def pairs_in_blocks(count: int, most: int) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
    """All pairs (i, j), i < j, of `count` images, each once, in blocks of at most `most` images.

    Yields:
        Indices of the images of a block, and the pairs of them that belong to this block.
    """
    if count <= most:
        yield list(range(count)), list(combinations(range(count), 2))
        return
    groups = in_groups(count, most // 2)
    for (k, one), (m, other) in combinations(enumerate(groups), 2):
        pairs = list(product(one, other))
        # Pairs within a group, once: in the block with the next group, or with the one before.
        pairs += combinations(one, 2) if m == k + 1 else []
        pairs += combinations(other, 2) if (k, m) == (len(groups) - 2, len(groups) - 1) else []
        yield [*one, *other], pairs
