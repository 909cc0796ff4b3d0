"""Photographs, and a distortion run on several of them with parameters and seeds of their own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from distortion_engine.catalog import DISTORTIONS, Distortion

IMAGES = Path(__file__).parents[2] / "images"
EACH = pytest.mark.parametrize("spec", DISTORTIONS.values(), ids=DISTORTIONS.keys())


def photo(number: int) -> Tensor:
    pixels = np.array(Image.open(IMAGES / f"photo_{number}.png"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0


PHOTOS = torch.cat([photo(1), photo(2), photo(3)])


def grey(height: int, width: int) -> Tensor:
    """A textured grey image cut from a photograph."""
    return PHOTOS[:1, 1:2, 40 : 40 + height, 60 : 60 + width].repeat(1, 3, 1, 1)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def params(spec: Distortion, seed: int) -> dict[str, float]:
    return spec.sample_params(np.random.default_rng(seed))


def run(spec: Distortion, images: Tensor, amount: float, seed: int = 7) -> Tensor:
    """`images` (B, 3, H, W), each with parameters and a seed of its own."""
    own = [(image, generator(seed + i), params(spec, 3 + i)) for i, image in enumerate(images)]
    return torch.stack([spec.apply(image, amount, drawn, **values) for image, drawn, values in own])


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b) ** 2).mean(dim=(1, 2, 3))
