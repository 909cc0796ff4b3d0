"""Pairs and sets drawn from the training sets: datasets whose item n is batch n, a function of (seed, n) alone."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

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
    """A batch of B pairs of images of one set each.

    Attributes:
        a: (B, 3, S, S) in [0, 1].
        b: (B, 3, S, S) in [0, 1].
        target: M(a, b), (B, K, S/4, S/4) in [-1, 1].
        valid: (B, 1, S/4, S/4) in [0, 1], how far a cell of the target counts.
    """

    a: Tensor
    b: Tensor
    target: Tensor
    valid: Tensor


class SetBatch(NamedTuple):
    """A batch of N ranked sets of a reference and n members.

    Attributes:
        images: (N, n+1, 3, S, S) in [0, 1], the reference first.
        ranks: (N, n+1), lower is better.
        labels: (N, n+1, M), loss of quality by each of M metrics, in severity.
        certainty: (N,) in (0, 1], certainty of the order by construction.
        pairs: (N, P, 2), indices of the members that are compared without a reference; on the CPU.
        lossless: (N', 2, 3, S, S), images of some of the sets, each beside a version that nobody can tell from it.
    """

    images: Tensor
    ranks: Tensor
    labels: Tensor
    certainty: Tensor
    pairs: Tensor
    lossless: Tensor


@dataclass(frozen=True, eq=False)
class PairBatches(Dataset[PairBatch]):
    """Item n: batch n of pairs of members of one set.

    Args:
        sets: what is drawn from.
        batch_size: pairs of a batch.
        seed: with n, decides what is drawn.
        pairs_per_set: pairs of each of the sets drawn.
        crop_px: side of a window that lies elsewhere in every batch, a multiple of 16: pairs are smaller, but more of
            them fit a second. 0: whole images.
    """

    sets: StoredSets
    batch_size: int
    seed: int
    pairs_per_set: int = 3
    crop_px: int = 0

    def __getitem__(self, step: int) -> PairBatch:
        sets, batch_size = self.sets, self.batch_size
        members = sets.images.shape[1]
        rng = np.random.default_rng([self.seed, step, 1])
        chosen = rng.choice(len(sets), -(-batch_size // self.pairs_per_set), replace=len(sets) < batch_size)
        index = np.repeat(chosen, self.pairs_per_set)[:batch_size]
        first = rng.integers(0, members, batch_size)
        second = (first + rng.integers(1, members, batch_size)) % members
        with_reference = rng.random(batch_size) < REFERENCE_SHARE
        other = rng.integers(1, members, batch_size)
        reference_first = rng.random(batch_size) < 0.5
        first = np.where(with_reference, np.where(reference_first, 0, other), first)
        second = np.where(with_reference, np.where(reference_first, other, 0), second)
        draw = rng.random(batch_size)
        second = np.where(draw < IDENTICAL_SHARE + LOSSLESS_SHARE, first, second)
        pixels, cells = _window(rng, sets.images.shape[-1], self.crop_px)
        field_a, field_b = sets.fields[index, first][cells], sets.fields[index, second][cells]
        valid = np.minimum(sets.validity[index, first], sets.validity[index, second])[cells]
        shown = np.array(sets.images[index, second][pixels])
        for i in np.flatnonzero((draw >= IDENTICAL_SHARE) & (draw < IDENTICAL_SHARE + LOSSLESS_SHARE)):
            shown[i] = lossless(shown[i], rng)
        flip = Flip(rng)
        return PairBatch(
            flip(to_images(sets.images[index, first][pixels])),
            flip(to_images(shown)),
            flip(torch.from_numpy(field_b.astype(np.float32) - field_a) / 127).clamp(-1, 1),
            flip(torch.from_numpy(valid.astype(np.float32)) / 255),
        )


@dataclass(frozen=True, eq=False)
class AlternatingBatches(Dataset[PairBatch]):
    """Batches of several sources: for every `every`-th n, item n is that of one of `others`, which take turns, else
    that of `first`."""

    first: PairBatches
    others: tuple[PairBatches, ...]
    every: int

    def __getitem__(self, step: int) -> PairBatch:
        turn, place = divmod(step, self.every)
        return (self.others[turn % len(self.others)] if place == self.every - 1 else self.first)[step]


@dataclass(frozen=True, eq=False)
class SetBatches(Dataset[SetBatch]):
    """Item n: batch n of whole sets, with the pairs on which the mode without reference is trained.

    Args:
        sets: what is drawn from.
        sets_per_batch: sets of a batch.
        seed: with n, decides what is drawn.
        pairs_per_set: pairs of members of each set, for the mode without reference.
    """

    sets: StoredSets
    sets_per_batch: int
    seed: int
    pairs_per_set: int = 3

    def __getitem__(self, step: int) -> SetBatch:
        sets, number = self.sets, self.sets_per_batch
        members = sets.images.shape[1]
        rng = np.random.default_rng([self.seed, step, 2])
        index = rng.choice(len(sets), number, replace=len(sets) < number)
        every = np.array([(i, j) for i in range(members) for j in range(i + 1, members)])
        pairs = np.stack([rng.permutation(every)[: self.pairs_per_set] for _ in index])
        flip = Flip(rng)
        pixels = np.array(sets.images[index])
        shown = pixels[: max(1, number // _LOSSLESS_EVERY), int(rng.integers(members))]
        twins = np.stack([shown, np.stack([lossless(image, rng) for image in shown])], 1)
        return SetBatch(
            flip(to_images(pixels)),
            torch.from_numpy(sets.ranks[index]),
            torch.from_numpy(sets.labels[index]),
            torch.from_numpy(sets.certainty[index]),
            torch.from_numpy(pairs),
            flip(to_images(twins)),
        )


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
    """One of the eight symmetries of the square, the same for all tensors of a batch.

    Neither the direction of a relation nor the order of a set depends on it. kornia is not used here: one draw of numpy
    moves images, fields and validity of different sizes and value ranges, and kornia cannot exchange rows and columns.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.horizontal, self.vertical, self.transpose = (bool(x) for x in rng.integers(0, 2, 3))

    def __call__(self, x: Tensor) -> Tensor:
        axes = [axis for axis, wanted in ((-1, self.horizontal), (-2, self.vertical)) if wanted]
        x = x.flip(axes) if axes else x
        return (x.transpose(-1, -2) if self.transpose else x).contiguous()
