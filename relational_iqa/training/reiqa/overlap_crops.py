"""Pairs of crops of one picture that overlap a little, and the swap that makes hard negatives of its versions.

Re-IQA, CVPR 2023: the overlap is 10 to 30 % of a crop, so that two crops share quality but hardly content. Ours: the
long offset lies along either axis and towards any side (the authors' always goes down and right, down the longer one).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from distortion_engine.errors import UsageError

LEAST_OVERLAP = 0.10
MOST_OVERLAP = 0.30
MIN_PATCH_PX = 16


def overlap_offsets(rng: np.random.Generator, patch_px: int) -> tuple[int, int]:
    """Offsets (long, short) in px between two squares of side P whose overlap (P - long)(P - short) / P^2 lies in
    [LEAST_OVERLAP, MOST_OVERLAP] exactly.

    long ~ U[(1 - most) P, (1 - least) P); short ~ U between the offsets at which the overlap is most and least:
    ((1 - most) P^2 - P long) / (P - long), at least 0, and ((1 - least) P^2 - P long) / (P - long). Whole numbers.
    """
    if patch_px < MIN_PATCH_PX:
        raise UsageError(f"crops of {patch_px} px are too small to overlap by a tenth: use {MIN_PATCH_PX} or more")
    area = patch_px * patch_px
    # Whole-number bounds, so that rounding never leaves the interval.
    least, most = math.ceil(LEAST_OVERLAP * area - 1e-9), math.floor(MOST_OVERLAP * area + 1e-9)
    long = int(rng.integers(patch_px - most // patch_px, _longest(patch_px) + 1))
    left = patch_px - long
    low, high = max(0, patch_px - most // left), patch_px - -(-least // left)
    return long, int(rng.integers(low, high + 1))


def largest_window(patch_px: int) -> int:
    """Side in px of the region within which any two crops of side `patch_px` fit."""
    return patch_px + _longest(patch_px)


def _longest(patch_px: int) -> int:
    """The largest offset: the last whole number below (1 - least) P."""
    return math.ceil((1 - LEAST_OVERLAP) * patch_px - 1e-9) - 1


def overlapping_crops(images: Tensor, patch_px: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Two overlapping crops (..., P, P) of `images` (..., H, W), the same two places in all of them; no copies.

    Raises UsageError where the images are too small for the largest offset.
    """
    height, width = images.shape[-2:]
    if min(height, width) < largest_window(patch_px):
        raise UsageError(
            f"{height} x {width} px hold no two crops of {patch_px} px that overlap by a tenth: "
            f"expected {largest_window(patch_px)} px or more a side"
        )
    long, short = overlap_offsets(rng, patch_px)
    down, right = (long, short) if rng.random() < 0.5 else (short, long)
    top = int(rng.integers(0, height - patch_px - down + 1))
    left = int(rng.integers(0, width - patch_px - right + 1))
    rows, columns = (top, top + down), (left, left + right)
    if rng.random() < 0.5:
        rows = rows[::-1]
    if rng.random() < 0.5:
        columns = columns[::-1]
    first, second = (
        images[..., y : y + patch_px, x : x + patch_px] for y, x in zip(rows, columns, strict=True)
    )  # fmt: skip
    return first, second


def swapped(first: Tensor, second: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """`first` and `second` (m, ...) with the entries exchanged where `which` (m,) is True; new tensors.

    New, because overlapping crops are views of one picture: an exchange in place would overwrite what it still reads.
    """
    chosen = which.reshape(-1, *[1] * (first.ndim - 1))
    return torch.where(chosen, second, first), torch.where(chosen, first, second)
