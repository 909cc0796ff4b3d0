"""Masks against their formulas: the height map of each kind in NumPy, with the same draws, and the share below it."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from distortion_engine.masks import MaskSpec, render_mask
from tests.distortion_engine.distortions.literal import PHOTO, array, luma

HEIGHT, WIDTH = PHOTO.shape[1:]
LONGEST = max(HEIGHT, WIDTH)
Y = ((np.arange(HEIGHT) + 0.5 - HEIGHT / 2) * 2 / LONGEST)[:, None] * np.ones(WIDTH)
X = ((np.arange(WIDTH) + 0.5 - WIDTH / 2) * 2 / LONGEST) * np.ones((HEIGHT, 1))


def centre(rng: np.random.Generator) -> tuple[float, float]:
    return rng.uniform(-0.8, 0.8) * HEIGHT / LONGEST, rng.uniform(-0.8, 0.8) * WIDTH / LONGEST


def blobs(rng: np.random.Generator) -> np.ndarray:
    """Lowest where Gaussians of one to four centres add up to most."""
    total = np.zeros((HEIGHT, WIDTH))
    for _ in range(int(rng.integers(1, 5))):
        y, x = centre(rng)
        sigma = rng.uniform(0.25, 0.7) / 2
        total += np.exp(-((Y - y) ** 2 + (X - x) ** 2) / (2 * sigma**2))
    return -total


def perlin(rng: np.random.Generator) -> np.ndarray:
    """Two octaves of interpolated random numbers, the finer one half as high."""
    cells, total = int(rng.integers(2, 6)), np.zeros((HEIGHT, WIDTH))
    for octave in (1, 2):
        side = cells * octave + 3
        lattice = torch.from_numpy(rng.standard_normal((1, 1, side, side)).astype(np.float32))
        total += F.interpolate(lattice, (HEIGHT, WIDTH), mode="bicubic", align_corners=True)[0, 0].numpy() / octave
    return total


def ellipse(rng: np.random.Generator) -> np.ndarray:
    """Distance from a centre in a frame that is turned and squeezed along its second axis."""
    y, x = centre(rng)
    angle, squeeze = rng.uniform(0, math.pi), rng.uniform(0.4, 1.0)
    along = (X - x) * math.cos(angle) + (Y - y) * math.sin(angle)
    across = (Y - y) * math.cos(angle) - (X - x) * math.sin(angle)
    return np.hypot(along, across / squeeze)


def polygon(rng: np.random.Generator) -> np.ndarray:
    """How many times a polygon about a centre must be enlarged to reach the pixel: the largest over its sides."""
    y, x = centre(rng)
    sides = int(rng.integers(3, 8))
    angles = 2 * math.pi * (np.arange(sides) + rng.uniform(-0.35, 0.35, sides)) / sides + rng.uniform(0, 2 * math.pi)
    radii = rng.uniform(0.5, 1.0, sides)
    return np.max([((X - x) * np.cos(a) + (Y - y) * np.sin(a)) / r for a, r in zip(angles, radii, strict=True)], axis=0)


def ramp(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * math.pi)
    return X * math.cos(angle) + Y * math.sin(angle)


def smooth(plane: np.ndarray, radius: int) -> np.ndarray:
    """Mean over a square; the border pixel goes on beyond the border."""
    padded = np.pad(plane, radius, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1,) * 2)
    return windows.mean(axis=(2, 3))


def slope(rng: np.random.Generator) -> np.ndarray:
    return 1e-4 * (rng.uniform(-1, 1) * X + rng.uniform(-1, 1) * Y)


def activity() -> np.ndarray:
    tone = luma(array(PHOTO))
    return np.log(smooth(np.abs(tone - smooth(tone, 2)), max(2, min(HEIGHT, WIDTH) // 24)) + 1e-3)


def luminance(rng: np.random.Generator) -> np.ndarray:
    """Distance from a luma that is drawn from the picture's own."""
    tone = smooth(luma(array(PHOTO)), 3)
    return np.abs(tone - np.quantile(tone, rng.uniform(0.0, 1.0))) + slope(rng)


SURFACES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "blobs": blobs,
    "perlin": perlin,
    "ellipse": ellipse,
    "polygon": polygon,
    "ramp": ramp,
    "textured": lambda rng: -activity() + slope(rng),
    "flat": lambda rng: activity() + slope(rng),
    "luminance": luminance,
}


@pytest.mark.parametrize("kind", SURFACES)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_mask_covers_the_lowest_share_of_its_surface_with_a_smooth_step_as_border(kind: str, seed: int):
    surface = SURFACES[kind](np.random.default_rng(seed)).ravel()
    rank = np.empty(surface.size)
    rank[np.argsort(surface, kind="stable")] = (np.arange(surface.size) + 0.5) / surface.size
    t = np.clip((0.35 - rank) / 0.2 + 0.5, 0.0, 1.0)
    expected = {0.0: (rank <= 0.35) * 1.0, 0.2: 3.0 * t**2 - 2.0 * t**3}
    for softness, values in expected.items():
        mask = render_mask(MaskSpec(kind, 0.35, softness, seed), PHOTO)
        off = np.abs(array(mask).ravel() - values)
        assert off.mean() < 1e-3 and np.quantile(off, 0.99) < 0.01  # pixels of equal height may change places
