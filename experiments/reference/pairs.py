"""The ten pairs of the reference results, from shipped photographs only: the same pixels on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distortion_engine.reading.image_io import load_image, to_uint8
from experiments.reference import damage

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "tests" / "images"
DEMO = ROOT / "experiments" / "demo"
Damage = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Pair:
    """Two versions of one photograph, and the photograph.

    Args:
        name: of the pair.
        a: (H, W, 3) uint8.
        b: (H, W, 3) uint8.
        reference: (H, W, 3) uint8, the photograph.
    """

    name: str
    a: np.ndarray
    b: np.ndarray
    reference: np.ndarray

    @property
    def pixels_sha256(self) -> str:
        """Of the three images: tells "other pixels went in" from "other numbers came out"."""
        digest = hashlib.sha256()
        for image in (self.a, self.b, self.reference):
            digest.update(f"{image.shape}".encode() + np.ascontiguousarray(image).tobytes())
        return digest.hexdigest()


def reference_pairs() -> list[Pair]:
    """All ten: most axes occur, with a masked, a composed and a codec pair, and sizes off the grid of 16 px."""
    one, two, three = (_pixels(PHOTOS / f"photo_{number}.png") for number in (1, 2, 3))
    odd = two[5:122, 9:140]  # 117 x 131 px
    town = (slice(100, 260), slice(200, 408))
    jpeg, avif, skyline = (_pixels(DEMO / f"skyline{end}")[town] for end in (".jpg", ".avif", "_reference.webp"))
    return [
        _pair("blurred, noisy", one, lambda x: damage.blur(x, 2), lambda x: damage.noise(x, 14, 1)),
        _pair("untouched, slightly noisy", two, lambda x: x, lambda x: damage.noise(x, 3, 2)),
        _pair("blocks, median filter", three, lambda x: damage.blocks(x, 24), lambda x: damage.median(x, 2)),
        _pair("dark, light", odd, lambda x: damage.tone(x, 1.0, -40), lambda x: damage.tone(x, 1.0, 28)),
        _pair("grey, colour cast", one, lambda x: damage.saturation(x, 0.25), lambda x: damage.cast(x, 1.15, 0.8)),
        _pair("pixelated, banded", three, lambda x: damage.pixels(x, 4), lambda x: damage.levels(x, 7)),
        _pair("hazy, high contrast", two, lambda x: damage.haze(x, 0.35), lambda x: damage.tone(x, 1.5)),
        _pair(
            "noise left, blur right",
            odd,
            lambda x: damage.beside(damage.noise(x, 20, 3), x),
            lambda x: damage.beside(x, damage.blur(x, 3)),
        ),
        _pair(
            "blurred and noisy and blocky, impulses",
            one,
            lambda x: damage.blocks(damage.noise(damage.blur(x, 1), 8, 4), 16),
            lambda x: damage.impulses(x, 0.02, 5),
        ),
        Pair("JPEG, AVIF", jpeg, avif, skyline),
    ]


def _pair(name: str, photo: np.ndarray, a: Damage, b: Damage) -> Pair:
    return Pair(name, a(photo), b(photo), photo)


def _pixels(path: Path) -> np.ndarray:
    return to_uint8(load_image(path))
