"""RankedSetDataset: ranked image sets made on the fly, each a function of (seed, index) alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from distortion_engine.augment import random_crop
from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.recipe import RankedSet, Recipe
from distortion_engine.render import render
from distortion_engine.sampling import DEFAULT_SAMPLING, SamplingConfig, sample_set

# judge(test (B, 3, H, W), reference (B, 3, H, W)) -> loss of quality (B, M): one column for each metric, 0 for no loss,
# about 1 for a severe one.
Judge = Callable[[Tensor, Tensor], Tensor]
# A set is dropped when the mean of the judge's columns is higher for a better-ranked member by more than this (half a
# level).
CONTRADICTION = 0.1
# Sets are rendered this much larger and cropped at a drawn offset, so that 8x8 and 16x16 block grids start anywhere.
GRID_MARGIN_PX = 16
_MAX_ATTEMPTS = 8
# Decoded photographs a process keeps at hand.
_PHOTO_CACHE_BYTES = 1 << 30


@dataclass(frozen=True)
class Crop:
    """The part of a photograph that a set shows. Together with the recipes it is all that rendering needs.

    Args:
        seed: seed of `random_crop`.
        side_px: side of that crop.
        min_scale: smallest factor by which the photograph may be shrunk first.
        top: first row of the window of that crop which is kept.
        left: first column of that window.
        size_px: side of that window.
    """

    seed: int
    side_px: int
    min_scale: float
    top: int
    left: int
    size_px: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `Crop(**d)` is the inverse."""
        return asdict(self)


@dataclass(frozen=True)
class RankedItem:
    """One rendered ranked set: a reference and n distorted members, whose order of quality is known.

    `item["images"]` is the same as `item.images`.

    Shape:
        images: (n + 1, 3, S, S) uint8, the reference first.
        fields: (n + 1, K, S, S) float32 in [-1, 1], one channel for each axis of `AXES`; 0 for the reference.
        validity: (n + 1, 1, S, S) float32, 1 where the field can be learned from, 0 where nothing can be seen.
        ranks: (n + 1,) int64, -1 for the reference, then 0 for the best member; equal for members between which
            construction tells no order.
        labels: (n + 1, M) float32, the judge's columns; M is 0 without a judge.

    Args:
        certainty: how sure the order is, in [0, 1].
        set: the recipes and their ranks.
        photo: file name of the photograph.
        crop: the part of the photograph.
        dropped: how many sets were drawn and rejected before this one, because the judge contradicted their order or
            because two images of different rank were equal (a sharpened sky, a mask outside of the window).
    """

    images: Tensor
    fields: Tensor
    validity: Tensor
    ranks: Tensor
    labels: Tensor
    certainty: float
    set: RankedSet
    photo: str
    crop: Crop
    dropped: int = 0

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def render_set(photo: np.ndarray, crop: Crop, ranked: RankedSet) -> tuple[Tensor, Tensor, Tensor]:
    """Renders images, fields and validity of a ranked set; the shapes are those of `RankedItem`.

    photo: (H, W, 3) uint8. The same arguments give the same bytes.
    """
    pixels = random_crop(photo, crop.side_px, crop.seed, min_scale=crop.min_scale)
    reference = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    window = (slice(None), slice(crop.top, crop.top + crop.size_px), slice(crop.left, crop.left + crop.size_px))
    rendered = [render(reference, recipe) for recipe in (Recipe(), *ranked.members)]
    images = torch.stack([(r.image[window] * 255).round().to(torch.uint8) for r in rendered])
    return images, torch.stack([r.field[window] for r in rendered]), torch.stack([r.validity[window] for r in rendered])


class RankedSetDataset(Dataset[RankedItem]):
    """Ranked sets of square crops of photographs.

    Args:
        photos: image files.
        size_px: side S of the crops.
        seed: with the index, decides everything that is drawn.
        length: the length that is reported; item i is the same for any length.
        sampling: what is drawn and how often.
        judge: adds labels, and rejects sets whose order it clearly contradicts.
        min_scale: photographs are first shrunk by a factor drawn from [min_scale, 1].

    Raises:
        ImageError: on access, when a photograph cannot be read.
    """

    def __init__(
        self,
        photos: Sequence[Path],
        size_px: int = 128,
        seed: int = 0,
        length: int = 1000,
        sampling: SamplingConfig = DEFAULT_SAMPLING,
        judge: Judge | None = None,
        min_scale: float = 0.5,
    ) -> None:
        self.photos = [Path(photo) for photo in photos]
        self.size_px = size_px
        self.seed = seed
        self.length = length
        self.sampling = sampling
        self.judge = judge
        self.min_scale = min_scale

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> RankedItem:
        if not 0 <= index < self.length:
            raise IndexError(f"index {index} is outside a dataset of {self.length} sets")
        for attempt in range(_MAX_ATTEMPTS):
            item = self._draw(index, attempt)
            if attempt == _MAX_ATTEMPTS - 1 or not (_indistinct(item) or self._contradicted(item)):
                break
        return replace(item, dropped=attempt)

    def _draw(self, index: int, attempt: int) -> RankedItem:
        rng = np.random.default_rng([self.seed, index, attempt])
        photo = self.photos[int(rng.integers(len(self.photos)))]
        crop_seed = int(rng.integers(2**31 - 1))
        ranked = sample_set(rng, self.sampling)
        top, left = (int(offset) for offset in rng.integers(0, GRID_MARGIN_PX + 1, 2))
        crop = Crop(crop_seed, self.size_px + GRID_MARGIN_PX, self.min_scale, top, left, self.size_px)
        images, fields, validity = render_set(read_photo(photo), crop, ranked)
        return RankedItem(
            images,
            fields,
            validity,
            ranks=torch.tensor([-1, *ranked.ranks]),
            labels=self._labels(images),
            certainty=ranked.certainty,
            set=ranked,
            photo=photo.name,
            crop=crop,
        )

    def _labels(self, images: Tensor) -> Tensor:
        if self.judge is None:
            return torch.zeros(len(images), 0)
        decoded = images.float() / 255
        with torch.no_grad():
            opinions = self.judge(decoded[1:], decoded[:1].expand_as(decoded[1:])).float()
            return torch.cat([torch.zeros_like(opinions[:1]), opinions])

    def _contradicted(self, item: RankedItem) -> bool:
        """Whether the judge clearly disagrees with an order that is certain by construction."""
        if self.judge is None or item.certainty < 0.8:
            return False
        ranks, labels = item.ranks, item.labels.mean(1)
        better = ranks[:, None] < ranks[None, :]
        return bool((better & (labels[:, None] > labels[None, :] + CONTRADICTION)).any())


def _indistinct(item: RankedItem) -> bool:
    """Whether two images of different rank are equal in every pixel, so that no order can be seen."""
    ranks, images = item.ranks, item.images
    equal = (images[:, None] == images[None, :]).flatten(2).all(2)
    return bool((equal & (ranks[:, None] != ranks[None, :])).any())


_photo_cache: OrderedDict[Path, np.ndarray] = OrderedDict()


def read_photo(photo: Path) -> np.ndarray:
    """The pixels (H, W, 3) uint8 of a photograph; those that were read last are kept, up to a number of bytes."""
    pixels = _photo_cache.pop(photo, None)
    if pixels is None:
        pixels = to_uint8(load_image(photo))
    _photo_cache[photo] = pixels  # the newest last
    while len(_photo_cache) > 1 and sum(kept.nbytes for kept in _photo_cache.values()) > _PHOTO_CACHE_BYTES:
        _photo_cache.popitem(last=False)
    return pixels
