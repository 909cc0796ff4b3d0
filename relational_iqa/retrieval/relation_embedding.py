"""A pair of images as one vector: what differs, by how much, and roughly where; from the public `Comparison` alone."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F

from distortion_engine.axes import AXES
from relational_iqa.results.comparison import Comparison
from relational_iqa.tiling.stored_image import Source

# Pooling levels: the whole image, and a grid of 2 x 2 that weighs half as much, so that what was done counts more than
# where.
GRIDS = (1, 2)
GRID_WEIGHTS = (1.0, 0.5)
CELLS = sum(grid * grid for grid in GRIDS)
DIMENSION = 2 * len(AXES) * CELLS


class Compares(Protocol):
    """What is needed of a model."""

    def compare(self, a: Source, b: Source) -> Comparison:
        """See `RelationalIQA.compare`."""


def relation_embedding(model: Compares, a: Source, b: Source) -> np.ndarray:
    """(DIMENSION,) float32 of what `b` has more or less of than `a`, without a reference."""
    return embedding_of(model.compare(a, b))


def embedding_of(comparison: Comparison) -> np.ndarray:
    """The same of a comparison at hand: per axis the signed mean over each cell of the grids, then the same of the root
    mean square. First all means, then all roots; every cell by the root of its share and its grid's weight, so that
    Euclidean distance compares grids, not cells."""
    maps = torch.from_numpy(np.stack([comparison.maps[axis.name] for axis in AXES])).float()[None]
    means, roots = [], []
    for grid, weight in zip(GRIDS, GRID_WEIGHTS, strict=True):
        means.append(weight / grid * F.adaptive_avg_pool2d(maps, grid).flatten())
        roots.append(weight / grid * F.adaptive_avg_pool2d(maps.square(), grid).sqrt().flatten())
    return torch.cat([*means, *roots]).numpy()


def swapped_embedding(embedding: np.ndarray) -> np.ndarray:
    """The embedding of (b, a) from that of (a, b): means change sign, magnitudes stay. (..., DIMENSION)."""
    half = DIMENSION // 2
    return np.concatenate([-embedding[..., :half], embedding[..., half:]], -1)
