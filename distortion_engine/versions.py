"""VersionsDataset: one region of a photograph and versions of it by different distortions, in no known order."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.dataset import Crop, RankedItem, read_photo, render_set
from distortion_engine.recipe import UNORDERED, RankedSet, Recipe
from distortion_engine.sampling import SamplingConfig, sample_step
from distortion_engine.severity import LEVELS, max_severity

_WHOLE = SamplingConfig(mask_share=0.0)


class VersionsDataset(Dataset[RankedItem]):
    """Regions and versions of them, as Re-IQA's quality encoder is trained on (CVPR 2023, section 3.2).

    An item is a `RankedItem` of the kind `UNORDERED`: all ranks are 0, certainty is 0, and there are no labels. Item
    `index` is a function of (seed, index), and every photograph comes once before any comes again.

    Args:
        photos: image files.
        size_px: side of the square regions.
        seed: with the index, decides everything that is drawn.
        length: the length that is reported; item i is the same for any length.
        versions: how many versions of a region, each by another distortion over the whole of it.
        weakest: the lowest of the five levels that is drawn.
        min_scale: photographs are first shrunk by a factor drawn from [min_scale, 1].
    """

    def __init__(
        self, photos: Sequence[Path], size_px: int, seed: int, length: int, versions: int, weakest: float,
        min_scale: float,
    ) -> None:  # fmt: skip
        self.photos, self.size_px, self.seed, self.length = list(photos), size_px, seed, length
        self.versions, self.weakest, self.min_scale = versions, weakest, min_scale

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> RankedItem:
        if not 0 <= index < self.length:
            raise IndexError(f"index {index} is outside a dataset of {self.length} regions")
        photo = self.photos[shuffled_index(index, len(self.photos), self.seed)]
        rng = np.random.default_rng([self.seed, index, 11])
        crop = Crop(int(rng.integers(2**31)), self.size_px, self.min_scale, 0, 0, self.size_px)
        recipes = sample_versions(rng, self.versions, self.weakest)
        unordered = RankedSet(UNORDERED, recipes, (0,) * len(recipes), certainty=0.0)
        images, fields, validity = render_set(read_photo(photo), crop, unordered)
        ranks, labels = torch.tensor([-1, *unordered.ranks]), torch.zeros(len(images), 0)
        return RankedItem(images, fields, validity, ranks, labels, 0.0, unordered, photo.name, crop)


def sample_versions(rng: np.random.Generator, number: int, weakest: float) -> tuple[Recipe, ...]:
    """Draws `number` recipes of one step over the whole image, each of another type.

    The severity of a step is a level drawn from `LEVELS`, `weakest` or more, times the highest severity of the type.
    """
    names = list(DISTORTIONS)
    levels = [level for level in LEVELS if level >= weakest]
    chosen = rng.permutation([index for index, name in enumerate(names) if DISTORTIONS[name].trained])[:number]
    recipes = []
    for index in chosen:
        name = names[int(index)]
        step = sample_step(rng, _WHOLE, name, float(rng.choice(levels)) * max_severity(name))
        recipes.append(Recipe((step,)))
    return tuple(recipes)


def shuffled_index(index: int, length: int, seed: int) -> int:
    """Item `index` of endless epochs over `length` things, each epoch in an order of its own."""
    epoch, place = divmod(index, length)
    return int(_order(length, seed, epoch)[place])


@functools.lru_cache(maxsize=4)
def _order(length: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch, 12]).permutation(length)
