"""The largest visible difference of a pair, tile by tile, beside what the networks say of the same tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import add
from typing import Generic

import torch
from jaxtyping import Float
from torch import Tensor

from relational_iqa.tiling.tile_runner import Parts, TileFunction
from relational_iqa.viewing.visibility import visible_difference, visible_differences


@dataclass(frozen=True)
class Seen(Generic[Parts]):
    """What is known of the tiles that were seen so far.

    Args:
        sums: those of the networks, which add.
        difference: the largest visible difference of each pair, see `visible_difference`, of which the larger one
            stays.
    """

    sums: tuple[Parts, ...]
    difference: Float[Tensor, " b"]

    def __add__(self, other: Seen[Parts]) -> Seen[Parts]:
        sums = tuple(map(add, self.sums, other.sums))
        return Seen(sums, torch.maximum(self.difference, other.difference))


def with_visible_difference(function: TileFunction[Parts]) -> TileFunction[Seen[Parts]]:
    """A function of tiles whose first two images are a and b, with their visible difference beside its sums."""

    def of_tiles(
        tiles: Sequence[Float[Tensor, "1 3 h w"]], share: Float[Tensor, "1 1 h//4 w//4"]
    ) -> tuple[Float[Tensor, "c h//4 w//4"], tuple[Seen[Parts], ...]]:
        values, sums = function(tiles, share)
        return values, (Seen(sums, visible_difference(tiles[0], tiles[1], share)),)

    return of_tiles


def visible_differences_alone(pairs: Sequence[tuple[int, int]]) -> TileFunction[Seen[Tensor]]:
    """The same without networks, as a function of tiles of several images, for pairs of their indices."""

    def of_tiles(
        tiles: Sequence[Float[Tensor, "1 3 h w"]], share: Float[Tensor, "1 1 h//4 w//4"]
    ) -> tuple[Float[Tensor, "1 h//4 w//4"], tuple[Seen[Tensor], ...]]:
        return share[0], (Seen((), visible_differences(tiles, pairs, share)),)

    return of_tiles
