"""Crops and flips of pristine photographs: albumentations behind one function with an explicit seed."""

from __future__ import annotations

import os
from types import ModuleType

import numpy as np

_ASK_NO_SERVER = "NO_ALBUMENTATIONS_UPDATE"


def import_albumentations() -> ModuleType:
    """albumentations, imported without its question to a server for the newest version: nothing here touches the
    network. The environment is as before afterwards."""
    set_here = _ASK_NO_SERVER not in os.environ
    os.environ.setdefault(_ASK_NO_SERVER, "1")
    try:
        import albumentations
    finally:
        if set_here:
            del os.environ[_ASK_NO_SERVER]
    module: ModuleType = albumentations
    return module


def random_crop(photo: np.ndarray, size_px: int, seed: int, *, min_scale: float = 0.5) -> np.ndarray:
    """A crop (size_px, size_px, 3) uint8 of `photo` (H, W, 3) uint8, flipped left to right half of the time, from the
    photograph shrunk by a factor drawn in [min_scale, 1] (never below the crop). Same seed: same crop."""
    import cv2

    A = import_albumentations()

    rng = np.random.default_rng(seed)
    height, width = photo.shape[:2]
    scale = max(float(rng.uniform(min_scale, 1.0)), size_px / min(height, width))
    if scale != 1.0:
        shape = (max(size_px, round(width * scale)), max(size_px, round(height * scale)))
        photo = cv2.resize(photo, shape, interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC)
    pipeline = A.Compose([A.RandomCrop(size_px, size_px), A.HorizontalFlip(p=0.5)], seed=int(rng.integers(2**31 - 1)))
    return np.ascontiguousarray(pipeline(image=photo)["image"])
