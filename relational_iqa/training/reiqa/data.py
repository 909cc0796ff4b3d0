"""Training data of the encoders of Re-IQA: chunks for the quality encoder, photographs for the content encoder.

A chunk is one region of a photograph, pristine and distorted. With `chunks` > 0, chunks are stored in folders like
those of `riqa generate`; with `chunks` 0, new ones are rendered as long as training goes on. Item n is a function of
(seed, n) alone.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.generation.manifest import MANIFEST_NAME, Manifest
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.stored_sets import SetArray
from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.severity import LEVELS
from distortion_engine.versions import shuffled_index
from relational_iqa.training.data.training_sets import cache_folder, generated_sets

CHUNKS_PER_SHARD = 16  # at most so many are rendered again by each worker after a kill
_CONTENT_PHOTOS_KEPT = 2048  # decoded and shrunk, about 0.4 MB each


@dataclass(frozen=True)
class ReIQAData:
    """What Re-IQA is trained on.

    Args:
        photos: folder of pristine photographs.
        region_px: side of the square that is distorted and then cropped, a multiple of 4.
        distorted: versions of it besides the pristine one, each of another type.
        chunks: how many are generated and kept; 0 renders new ones for ever.
        weakest: the lowest of the five levels that is drawn. The paper draws all; short runs learn little from what is
            hardly visible.
        min_scale: photographs are first shrunk by a factor drawn from [min_scale, 1].
        content_px: shorter side of the photographs that the content encoder sees.
        seed: decides what is drawn.
        workers: processes that render the chunks that are kept; new ones are rendered by the `data_workers` of the
            trainer.
        cache_dir: where chunks are generated.

    Raises:
        UsageError: for values out of range.
    """

    photos: str
    region_px: int = 256
    distorted: int = 11
    chunks: int = 1500
    weakest: float = 0.2
    min_scale: float = 0.5
    content_px: int = 256
    seed: int = 0
    workers: int = 2
    cache_dir: str = ".cache/reiqa"

    def __post_init__(self) -> None:
        types = sum(spec.trained for spec in DISTORTIONS.values())
        rules = {
            "region_px": (self.region_px >= 32 and self.region_px % 4 == 0, "a multiple of 4, >= 32"),
            "distorted": (1 <= self.distorted <= types, f"1 to {types}, the types there are"),
            "chunks": (self.chunks >= 0, ">= 0; 0 renders new ones for ever"),
            "weakest": (self.weakest in LEVELS, f"one of {', '.join(map(str, LEVELS))}"),
            "min_scale": (0 < self.min_scale <= 1, "in (0, 1]"),
            "content_px": (self.content_px >= 32, ">= 32"),
            "workers": (self.workers >= 0, ">= 0"),
        }
        for name, (fine, expected) in rules.items():
            if not fine:
                raise UsageError(f"data option {name} is {getattr(self, name)!r}: it must be {expected}")


def chunk_options(data: ReIQAData) -> GenerateOptions:
    """What is generated for the quality encoder: `data.chunks` regions, or any number of them if that is 0."""
    return GenerateOptions(
        data.chunks or sys.maxsize, data.seed, data.region_px, "train", CHUNKS_PER_SHARD, image_format="npy",
        min_scale=data.min_scale, versions=data.distorted, weakest=data.weakest,
    )  # fmt: skip


def stored_chunks(data: ReIQAData, photos: Sequence[Path]) -> SetArray:
    """The images (N, m, 3, R, R) uint8 of the first `data.chunks` chunks; generates those that are missing first."""
    return generated_sets(chunk_options(data), photos, data.cache_dir, None, data.workers).images


def photos_of_chunks(data: ReIQAData, photos: Sequence[Path]) -> list[Path]:
    """The photograph of each of the stored chunks, as `VersionsDataset` draws it from those that were usable."""
    folder = cache_folder(chunk_options(data), photos, data.cache_dir, None)
    used = Manifest.read(folder / MANIFEST_NAME).photos(chunk_options(data))
    usable = [photo for photo in photos if photo.name in used]
    return [usable[shuffled_index(number, len(usable), data.seed)] for number in range(data.chunks)]


class ChunkImages(Dataset[Tensor]):
    """Item n: the images (m, 3, R, R) uint8 of chunk n, rendered when it is asked for, the pristine region first."""

    def __init__(self, photos: Sequence[Path], data: ReIQAData) -> None:
        self.items = chunk_options(data).dataset(photos, None)

    def __getitem__(self, index: int) -> Tensor:
        return self.items[index].images


class ContentPhotos(Dataset[Tensor]):
    """Item n: a photograph (3, H, W) uint8, its shorter side `data.content_px` or less; every photograph comes once
    before any comes again."""

    def __init__(self, photos: Sequence[Path], data: ReIQAData) -> None:
        self.photos, self.data = list(photos), data

    def __getitem__(self, index: int) -> Tensor:
        return self.in_order(shuffled_index(index, len(self.photos), self.data.seed))

    def in_order(self, number: int) -> Tensor:
        """Photograph `number` of the list."""
        photo = self.photos[number]
        return torch.from_numpy(_shrunk(photo, self.data.content_px)).permute(2, 0, 1)


@functools.lru_cache(maxsize=_CONTENT_PHOTOS_KEPT)
def _shrunk(photo: Path, shorter_px: int) -> np.ndarray:
    import cv2

    pixels = to_uint8(load_image(photo))
    scale = shorter_px / min(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (round(side * scale) for side in pixels.shape[:2])
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
