"""Crops and flips of pristine photographs: albumentations behind one function with an explicit seed."""

from __future__ import annotations

import os

import numpy as np

# albumentations asks a server for its newest version on import unless told not to; nothing here touches the network.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


def random_crop(photo: np.ndarray, size_px: int, seed: int, *, min_scale: float = 0.5) -> np.ndarray:
    """A crop (size_px, size_px, 3) uint8 of `photo` (H, W, 3) uint8, flipped left to right half of the time, from the
    photograph shrunk by a factor drawn in [min_scale, 1] (never below the crop). Same seed: same crop."""
    import albumentations as A
    import cv2

    rng = np.random.default_rng(seed)
    height, width = photo.shape[:2]
    scale = max(float(rng.uniform(min_scale, 1.0)), size_px / min(height, width))
    if scale != 1.0:
        shape = (max(size_px, round(width * scale)), max(size_px, round(height * scale)))
        photo = cv2.resize(photo, shape, interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC)
    pipeline = A.Compose([A.RandomCrop(size_px, size_px), A.HorizontalFlip(p=0.5)], seed=int(rng.integers(2**31 - 1)))
    return np.ascontiguousarray(pipeline(image=photo)["image"])
