"""What lies next to what in the two feature spaces: items are distorted regions of held-out photographs, two regions a
photograph that do not overlap, the same distortions in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.jobs.progress import progress
from distortion_engine.reading.image_io import load_image
from distortion_engine.render import apply_step
from distortion_engine.sampling import SamplingConfig, sample_step
from distortion_engine.severity import LEVELS, max_severity
from relational_iqa.systems.reiqa import ReIQA

_WHOLE = SamplingConfig(mask_share=0.0)
BATCH = 16


@dataclass(frozen=True)
class Items:
    """N distorted regions of photographs.

    Args:
        images: (N, 3, R, R) uint8.
        photo: (N,), number of the photograph.
        region: (N,), number of the region, two for each photograph.
        type: (N,), number of the distortion.
        axis: (N,), number of the axis of the distortion.
    """

    images: torch.Tensor
    photo: np.ndarray
    region: np.ndarray
    type: np.ndarray
    axis: np.ndarray


def make_items(photos: Sequence[Path], types: Sequence[str], region_px: int, seed: int) -> Items:
    """Two regions of every photograph, each through every type at a severity drawn from the three upper levels.

    Photographs too small for two regions side by side are left out; UsageError where fewer than two are left.
    """
    images, rows = [], []
    axes = sorted({DISTORTIONS[name].axis for name in types})
    with progress(len(photos), "photographs rendered") as tick:
        for number, path in enumerate(photos):
            photo = load_image(path)
            if photo.shape[-1] < photo.shape[-2]:
                photo = photo.transpose(-1, -2)
            if photo.shape[-1] < 2 * region_px or photo.shape[-2] < region_px:
                tick()
                continue
            top = (photo.shape[-2] - region_px) // 2
            for side, left in enumerate((0, photo.shape[-1] - region_px)):
                region = photo[:, top : top + region_px, left : left + region_px].contiguous()
                rng = np.random.default_rng([seed, number, side])
                for index, name in enumerate(types):
                    severity = float(rng.choice(LEVELS[2:])) * max_severity(name)
                    image = apply_step(region, sample_step(rng, _WHOLE, name, severity), region)[0]
                    images.append((image * 255).round().to(torch.uint8))
                    rows.append((number, 2 * number + side, index, axes.index(DISTORTIONS[name].axis)))
            tick()
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    if len(set(table[:, 0])) < 2:
        raise UsageError(f"fewer than two photographs of {2 * region_px} x {region_px} px: give larger ones")
    return Items(torch.stack(images), *table.T)


def features_of(model: ReIQA, items: Items) -> np.ndarray:
    """Features (N, D) of both experts."""
    return np.concatenate([model.features_of_batch(part.float() / 255) for part in items.images.split(BATCH)])


def directions_of(features: np.ndarray) -> np.ndarray:
    """Features (N, D), standardised over the items and of unit length."""
    features = features.astype(np.float64)
    features = (features - features.mean(0)) / np.maximum(features.std(0), 1e-9)
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)


def nearest_allowed(features: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    """For every row the number of its nearest neighbour (exact, by FAISS) whose `excluded` (N,) label is another."""
    from relational_iqa.retrieval.index import build_index, search

    # Beyond its own group a row's nearest neighbour is within the first (size of the group + 1).
    k = int(np.unique(excluded, return_counts=True)[1].max()) + 1
    _, numbers = search(build_index(features, exact_limit=len(features)), features, k)
    allowed = excluded[numbers] != excluded[:, None]
    return numbers[np.arange(len(numbers)), allowed.argmax(1)]


def share_and_chance(
    features: np.ndarray, label: np.ndarray, excluded: np.ndarray, groups: np.ndarray
) -> tuple[float, float, float]:
    """Share of items whose nearest allowed neighbour has the same `label`; the same for a neighbour drawn at random;
    and the standard error of the share over `groups` (photographs), which are independent where items are not."""
    hit = label[nearest_allowed(features, excluded)] == label
    chance = []
    for own_label, own_group in zip(label, excluded, strict=True):
        allowed = excluded != own_group
        chance.append((label[allowed] == own_label).mean())
    per_group = np.array([hit[groups == group].mean() for group in np.unique(groups)])
    return float(hit.mean()), float(np.mean(chance)), float(per_group.std(ddof=1) / np.sqrt(len(per_group)))
