"""Pairs and sets drawn from the training sets as batches: batch n is a function of (seed, n) alone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from distortion_engine.generation.stored_sets import StoredSets
from relational_iqa.networks.local_analysis import STRIDE

# Share of pairs with the reference on one side, of pairs of an image with itself, and of pairs of an image with a
# version of itself that nobody can tell from it: both of them say "nothing here".
REFERENCE_SHARE = 0.6
IDENTICAL_SHARE = 0.02
LOSSLESS_SHARE = 0.04
# JPEG at these qualities and without chroma subsampling counts as visually lossless.
_LOSSLESS_QUALITY = (97, 100)
_LOSSLESS_EVERY = 3  # sets a pair of this kind, in the scoring stage


class PairBatch(NamedTuple):
    """a, b (B, 3, S, S) in [0, 1]; target M(a, b) (B, K, S/4, S/4) in [-1, 1]; valid (B, 1, S/4, S/4) in [0, 1]."""

    a: Tensor
    b: Tensor
    target: Tensor
    valid: Tensor


class SetBatch(NamedTuple):
    """images (S, n+1, 3, S, S) in [0, 1], the reference first; ranks (S, n+1); labels (S, n+1, M) loss of quality by
    metric; certainty (S,); pairs (S, P, 2) member indices for the mode without reference, on the CPU; lossless
    (S', 2, 3, S, S): images of the sets beside versions of them that nobody can tell from them."""

    images: Tensor
    ranks: Tensor
    labels: Tensor
    certainty: Tensor
    pairs: Tensor
    lossless: Tensor


def pair_batches(
    sets: StoredSets, batch_size: int, seed: int, start: int, pairs_per_set: int = 3, crop_px: int = 0
) -> Iterator[PairBatch]:
    """Endless batches of `batch_size` pairs, `pairs_per_set` from each of the sets drawn, cut to a window of `crop_px`
    (a multiple of 16; 0: uncut) that lies elsewhere in every batch: smaller pairs, but more of them a second."""
    step = start
    members = sets.images.shape[1]
    while True:
        rng = np.random.default_rng([seed, step, 1])
        chosen = rng.choice(len(sets), -(-batch_size // pairs_per_set), replace=len(sets) < batch_size)
        index = np.repeat(chosen, pairs_per_set)[:batch_size]
        first = rng.integers(0, members, batch_size)
        second = (first + rng.integers(1, members, batch_size)) % members
        with_reference = rng.random(batch_size) < REFERENCE_SHARE
        other = rng.integers(1, members, batch_size)
        reference_first = rng.random(batch_size) < 0.5
        first = np.where(with_reference, np.where(reference_first, 0, other), first)
        second = np.where(with_reference, np.where(reference_first, other, 0), second)
        draw = rng.random(batch_size)
        second = np.where(draw < IDENTICAL_SHARE + LOSSLESS_SHARE, first, second)
        pixels, cells = _window(rng, sets.images.shape[-1], crop_px)
        field_a, field_b = sets.fields[index, first][cells], sets.fields[index, second][cells]
        valid = np.minimum(sets.validity[index, first], sets.validity[index, second])[cells]
        shown = np.array(sets.images[index, second][pixels])
        for i in np.flatnonzero((draw >= IDENTICAL_SHARE) & (draw < IDENTICAL_SHARE + LOSSLESS_SHARE)):
            shown[i] = lossless(shown[i], rng)
        flip = Flip(rng)
        yield PairBatch(
            flip(to_images(sets.images[index, first][pixels])),
            flip(to_images(shown)),
            flip(torch.from_numpy(field_b.astype(np.float32) - field_a) / 127).clamp(-1, 1),
            flip(torch.from_numpy(valid.astype(np.float32)) / 255),
        )
        step += 1


def set_batches(
    sets: StoredSets, sets_per_batch: int, seed: int, start: int, pairs_per_set: int = 3
) -> Iterator[SetBatch]:
    """Endless batches of whole sets, with the pairs on which the mode without reference is trained."""
    step = start
    members = sets.images.shape[1]
    while True:
        rng = np.random.default_rng([seed, step, 2])
        index = rng.choice(len(sets), sets_per_batch, replace=len(sets) < sets_per_batch)
        every = np.array([(i, j) for i in range(members) for j in range(i + 1, members)])
        pairs = np.stack([rng.permutation(every)[:pairs_per_set] for _ in index])
        flip = Flip(rng)
        pixels = np.array(sets.images[index])
        shown = pixels[: max(1, sets_per_batch // _LOSSLESS_EVERY), int(rng.integers(members))]
        twins = np.stack([shown, np.stack([lossless(image, rng) for image in shown])], 1)
        yield SetBatch(
            flip(to_images(pixels)),
            torch.from_numpy(sets.ranks[index]),
            torch.from_numpy(sets.labels[index]),
            torch.from_numpy(sets.certainty[index]),
            torch.from_numpy(pairs),
            flip(to_images(twins)),
        )
        step += 1


def lossless(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A version (3, S, S) uint8 of an image that nobody can tell from it: noise of one code value, or a JPEG of quality
    97 to 100 without subsampling."""
    if rng.random() < 0.5:
        noise = rng.integers(-1, 2, image.shape, dtype=np.int16)
        noisy: np.ndarray = np.clip(image.astype(np.int16) + noise, 0, 255).astype(np.uint8)
        return noisy
    stream = io.BytesIO()
    quality = int(rng.integers(_LOSSLESS_QUALITY[0], _LOSSLESS_QUALITY[1] + 1))
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(stream, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(stream).convert("RGB")).transpose(2, 0, 1)


def _window(rng: np.random.Generator, side: int, crop_px: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Indices of one window in arrays (..., side, side) of pixels, and in those of their cells."""
    size = crop_px if 0 < crop_px < side else side
    top, left = (int(offset) * STRIDE for offset in rng.integers(0, (side - size) // STRIDE + 1, 2))
    pixels = (..., slice(top, top + size), slice(left, left + size))
    cells = (
        ...,
        slice(top // STRIDE, (top + size) // STRIDE),
        slice(left // STRIDE, (left + size) // STRIDE),
    )
    return pixels, cells


def to_images(array: np.ndarray) -> Tensor:
    """uint8 -> float32 in [0, 1], same shape."""
    return torch.from_numpy(np.ascontiguousarray(array)).float() / 255


class Flip:
    """One of the eight symmetries of the square, the same for all tensors of a batch. The direction of a relation does
    not depend on it, and neither does the order of a set."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.horizontal, self.vertical, self.transpose = (bool(x) for x in rng.integers(0, 2, 3))

    def __call__(self, x: Tensor) -> Tensor:
        axes = [axis for axis, wanted in ((-1, self.horizontal), (-2, self.vertical)) if wanted]
        x = x.flip(axes) if axes else x
        return (x.transpose(-1, -2) if self.transpose else x).contiguous()
