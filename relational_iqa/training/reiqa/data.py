"""What Re-IQA's encoders are trained on: chunks (one region of a photograph, pristine and distorted) for quality, two
augmented crops of a photograph for content. Item n is a function of (seed, n) alone.

Chunks are rendered once and kept as flat files (`chunks` > 0), or made afresh by workers for ever (`chunks` 0).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from distortion_engine import ENGINE_VERSION
from distortion_engine.augment import import_albumentations, random_crop
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.jobs.progress import progress
from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.render import apply_step
from distortion_engine.sampling import SamplingConfig, sample_step
from distortion_engine.severity import LEVELS, max_severity, provenance_hash
from relational_iqa.training.data.one_at_a_time import one_at_a_time

_WHOLE = SamplingConfig(mask_share=0.0)
_CONTENT_PHOTOS_KEPT = 2048  # decoded and shrunk, about 0.4 MB each


@dataclass(frozen=True)
class ReIQAData:
    """region_px: side of the square that is distorted and then cropped. distorted: versions of it besides the pristine
    one, each of another type. chunks: how many are kept in the cache; 0 renders new ones for ever. weakest: the lowest
    of the five levels that is drawn; the paper draws all, short runs learn little from what is hardly visible.
    min_scale: photographs are shrunk by a factor drawn in [min_scale, 1] first. content_px: shorter side of the
    photographs that the content encoder sees. workers: processes that render."""

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
            "region_px": (self.region_px >= 32, ">= 32"),
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


class ChunkDataset(Dataset[dict[str, Any]]):
    """Item n: `images` (m, 3, R, R) uint8, the pristine region first; `photo` index; `types` (m,), -1 for pristine,
    else the index in `DISTORTIONS`; `severities` (m,). Every photograph comes once before any comes again."""

    def __init__(self, photos: Sequence[Path], data: ReIQAData) -> None:
        self.photos, self.data = list(photos), data

    def __getitem__(self, index: int) -> dict[str, Any]:
        data = self.data
        photo = shuffled_index(index, len(self.photos), data.seed)
        rng = np.random.default_rng([data.seed, index, 11])
        pixels = random_crop(
            to_uint8(load_image(self.photos[photo])), data.region_px, int(rng.integers(2**31)), min_scale=data.min_scale
        )
        region = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        images, types, severities = distorted_versions(region, data.distorted, rng, data.weakest)
        return {"index": index, "images": images, "photo": photo, "types": types, "severities": severities}


def distorted_versions(
    region: Tensor, number: int, rng: np.random.Generator, weakest: float = 0.2
) -> tuple[Tensor, list[int], list[float]]:
    """`region` (3, H, W) in [0, 1] and `number` versions of it by as many types over the whole of it, each at a level
    drawn from `LEVELS`, `weakest` or more of the type's own limit: images (number + 1, 3, H, W) uint8, types,
    severities."""
    names = list(DISTORTIONS)
    levels = [level for level in LEVELS if level >= weakest]
    chosen = rng.permutation([index for index, name in enumerate(names) if DISTORTIONS[name].trained])[:number]
    images, types, severities = [region], [-1], [0.0]
    for index in chosen:
        name = names[int(index)]
        step = sample_step(rng, _WHOLE, name, float(rng.choice(levels)) * max_severity(name))
        images.append(apply_step(region, step, region)[0])
        types.append(int(index))
        severities.append(step.severity)
    return (torch.stack(images) * 255).round().to(torch.uint8), types, severities


class ContentDataset(Dataset[Tensor]):
    """Item n: two augmented crops (2, 3, P, P) uint8 of one photograph, as MoCo-v2 makes them: a random resized crop of
    20 to 100 % of the area, colour jitter, grey in one of five, blur in one of two, mirrored in one of two."""

    def __init__(self, photos: Sequence[Path], data: ReIQAData, patch_px: int) -> None:
        self.photos, self.data, self.patch_px = list(photos), data, patch_px

    def __getitem__(self, index: int) -> Tensor:
        photo = _shrunk(self.photos[shuffled_index(index, len(self.photos), self.data.seed)], self.data.content_px)
        views = [augmented(photo, self.patch_px, (self.data.seed, index, view)) for view in range(2)]
        return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).contiguous()


def augmented(photo: np.ndarray, patch_px: int, seed: Sequence[int]) -> np.ndarray:
    """One view (P, P, 3) uint8 of `photo` (H, W, 3) uint8; same seed, same view. Values are MoCo-v2's."""
    pipeline = _augmentation(patch_px)
    pipeline.set_random_seed(int(np.random.SeedSequence(list(seed)).generate_state(1)[0] >> 1))
    return np.ascontiguousarray(pipeline(image=photo)["image"])


def shuffled_index(index: int, length: int, seed: int) -> int:
    """Item `index` of endless epochs over `length` things, each epoch in an order of its own."""
    epoch, place = divmod(index, length)
    return int(_order(length, seed, epoch)[place])


@functools.lru_cache(maxsize=4)
def _order(length: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch, 12]).permutation(length)


@functools.lru_cache(maxsize=4)
def _augmentation(patch_px: int) -> Any:
    A = import_albumentations()

    return A.Compose(
        [
            A.RandomResizedCrop((patch_px, patch_px), scale=(0.2, 1.0)),
            A.ColorJitter(brightness=(0.6, 1.4), contrast=(0.6, 1.4), saturation=(0.6, 1.4), hue=(-0.1, 0.1), p=0.8),
            A.ToGray(p=0.2),
            A.GaussianBlur(blur_limit=0, sigma_limit=(0.1, 2.0), p=0.5),
            A.HorizontalFlip(p=0.5),
        ]
    )


@functools.lru_cache(maxsize=_CONTENT_PHOTOS_KEPT)
def _shrunk(photo: Path, shorter_px: int) -> np.ndarray:
    import cv2

    pixels = to_uint8(load_image(photo))
    scale = shorter_px / min(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (round(side * scale) for side in pixels.shape[:2])
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


# -- loading ----------------------------------------------------------------------------------------------------------


class _From(Sampler[int]):
    """start, start + 1, ... for ever."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        return iter(count(self.start))


def endless(dataset: Dataset[Any], batch_size: int, start_batch: int, workers: int) -> Iterator[Any]:
    """Batches start_batch, start_batch + 1, ...: batch n holds items n B to n B + B - 1."""
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=_From(start_batch * batch_size),
        num_workers=workers,
        collate_fn=list,
        prefetch_factor=2 if workers else None,
        generator=torch.Generator(),  # else it draws from the global one, at a step that depends on where a run resumes
    )
    return iter(loader)


def cached_chunks(data: ReIQAData, photos: Sequence[Path]) -> np.ndarray:
    """The first `data.chunks` chunks, (N, m, 3, R, R) uint8 from a file, rendered first where it is not complete; of
    several processes one renders and the others wait."""
    drawn = {key: value for key, value in asdict(data).items() if key not in ("workers", "cache_dir", "photos")}
    key = json.dumps([drawn, [photo.name for photo in photos], ENGINE_VERSION, provenance_hash(), list(DISTORTIONS)])
    folder = Path(data.cache_dir) / hashlib.sha256(key.encode()).hexdigest()[:16]
    complete = folder / "complete"
    if not complete.exists():
        with one_at_a_time(folder):
            if not complete.exists():  # by now another process may have rendered it
                _render_chunks(data, photos, folder / "images.npy")
                complete.write_text(json.dumps(drawn))
    images: np.ndarray = np.load(folder / "images.npy", mmap_mode="r")
    return images


def _render_chunks(data: ReIQAData, photos: Sequence[Path], file: Path) -> None:
    shape = (data.chunks, data.distorted + 1, 3, data.region_px, data.region_px)
    images = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    loader = DataLoader(
        ChunkDataset(photos, data),
        batch_size=1,
        sampler=cast(Any, range(data.chunks)),
        num_workers=data.workers,
        collate_fn=list,
        generator=torch.Generator(),
    )
    with progress(data.chunks, "chunks") as tick:
        for items in loader:
            images[items[0]["index"]] = items[0]["images"].numpy()
            tick()
    images.flush()
