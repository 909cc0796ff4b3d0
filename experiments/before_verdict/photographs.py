"""Crops of training photographs, and encoders."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.reading.photos import list_photos


def crops(
    folder: Path, split: str, count: int, side_px: int, seed: int
) -> Iterator[tuple[str, np.ndarray, np.random.Generator]]:
    """Name, pixels (H, W, 3) uint8 and a random generator of its own for each of `count` photographs.

    Args:
        folder: of the photographs.
        split: "train" or "held_out".
        count: how many are drawn, without repetition; all where there are fewer.
        side_px: longest side of the crop; a smaller photograph is taken whole.
        seed: decides which photographs and which crops.
    """
    photos = list_photos(folder, split)
    rng = np.random.default_rng(seed)
    for index in rng.permutation(len(photos))[:count]:
        own = np.random.default_rng([seed, int(index)])
        pixels = to_uint8(load_image(photos[index]))
        top, left = (int(own.integers(max(1, side - side_px + 1))) for side in pixels.shape[:2])
        yield photos[index].name, np.ascontiguousarray(pixels[top : top + side_px, left : left + side_px]), own


def coded(pixels: np.ndarray, kind: str, **options: Any) -> np.ndarray:
    """The pixels after an encoder of Pillow."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return np.asarray(Image.open(BytesIO(stream.getvalue())).convert("RGB"))


def rounded(values: np.ndarray) -> np.ndarray:
    """Code values as uint8, rounded to nearest."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    """(3, H, W) in [0, 1] of uint8 or uint16 pixels (H, W, 3)."""
    full = float(np.iinfo(pixels.dtype).max)
    return torch.from_numpy(np.ascontiguousarray(pixels.astype(np.float32).transpose(2, 0, 1))) / full
