"""One edit as data: what it does, what may truly be said of it, and which image should win."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from experiments.words.places import Box, drawn_box

Winner = Literal["original", "taste", "neutral"]
Work = Callable[[np.ndarray, np.random.Generator], np.ndarray]
WorkOnBox = Callable[[np.ndarray, Box, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Edit:
    """An image before and after.

    Args:
        original: (H, W, 3) uint8, or uint16 where depth is what is edited.
        edited: (H, W, 3) uint8.
        box: holds every pixel that differs; None where the edit is of the whole image.
    """

    original: np.ndarray
    edited: np.ndarray
    box: Box | None = None

    @property
    def change(self) -> float:
        """What the difference of one pixel in a hundred reaches in the box: the largest over its channels, in code
        values of 8 bits."""
        scale = 257 if self.original.dtype == np.uint16 else 1
        difference = np.abs(self.original.astype(np.float32) / scale - self.edited).max(-1)
        return float(np.quantile(difference if self.box is None else difference[self.box.inside], 0.99))


@dataclass(frozen=True)
class Manipulation:
    """One kind of edit.

    Args:
        name: says what is done and how strongly.
        truths: what a careful person who sees both images may say first of the edited one: names of axes with the
            direction behind them, as in "sharpness-".
        make: (pixels (H, W, 3) uint8, rng) -> the edit.
        winner: "original" where anybody prefers the original; "taste" where it wins with itself as the reference, and
            without a reference nobody can say; "neutral" where nobody sees a difference.
        local: whether the edit is confined to a box.
    """

    name: str
    truths: frozenset[str]
    make: Callable[[np.ndarray, np.random.Generator], Edit]
    winner: Winner = "original"
    local: bool = False

    def edit(self, pixels: np.ndarray, seed: int, number: int) -> Edit:
        """The edit of photograph `number`; equal arguments give equal bytes."""
        rng = np.random.default_rng([seed, number, zlib.crc32(self.name.encode())])
        return self.make(pixels, rng)


def whole(name: str, truths: str, work: Work, winner: Winner = "original") -> Manipulation:
    """An edit of the whole image; `truths` are separated by spaces."""
    return Manipulation(name, frozenset(truths.split()), lambda p, r: Edit(p, work(p, r)), winner)


def inside(
    name: str,
    truths: str,
    size: tuple[float, float],
    work: Work,
    winner: Winner = "original",
    at_top: bool = False,
) -> Manipulation:
    """An edit of a box that sees no other pixels; size and at_top as in `drawn_box`."""

    def on_box(pixels: np.ndarray, box: Box, rng: np.random.Generator) -> np.ndarray:
        edited = pixels.copy()
        edited[box.inside] = work(np.ascontiguousarray(pixels[box.inside]), rng)
        return edited

    return within(name, truths, size, on_box, winner, at_top)


def within(
    name: str,
    truths: str,
    size: tuple[float, float],
    work: WorkOnBox,
    winner: Winner = "original",
    at_top: bool = False,
) -> Manipulation:
    """An edit of a box that may look at the whole image."""

    def make(pixels: np.ndarray, rng: np.random.Generator) -> Edit:
        box = drawn_box(pixels, size, rng, at_top)
        return Edit(pixels, work(pixels, box, rng), box)

    return Manipulation(name, frozenset(truths.split()), make, winner, local=True)


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Values in code values of 8 bits, rounded and clipped to uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
