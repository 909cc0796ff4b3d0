"""Where a distortion acts: soft masks in [0, 1], drawn from a seed, nested as their extent grows.

Every kind is a *height map* over the image; the mask covers the lowest `extent` share of its pixels, with a border
`softness` wide. A larger extent contains a smaller one at every pixel: extent sets rely on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from distortion_engine.distortions.color_conversion import LUMA


@dataclass(frozen=True)
class MaskSpec:
    """A mask without its pixels.

    Args:
        kind: one of `MASK_KINDS`.
        extent: share of the image that is covered (the mean of the mask), (0, 1].
        softness: share of the image that the border takes, half of it inside, as far as there is room; 0 is a hard
            edge.
        seed: draws the shape.
    """

    kind: str = "whole"
    extent: float = 1.0
    softness: float = 0.0
    seed: int = 0


def render_mask(spec: MaskSpec, reference: Float[Tensor, "3 h w"]) -> Float[Tensor, "1 h w"]:
    """Mask (1, H, W) in [0, 1] of `spec` for an image (3, H, W); float32 on the image's device.

    Raises KeyError for an unknown kind and ValueError for an extent outside (0, 1].
    """
    if spec.kind not in MASK_KINDS:
        raise KeyError(f"unknown mask kind {spec.kind!r}; known: {', '.join(MASK_KINDS)}")
    if not 0.0 < spec.extent <= 1.0:
        raise ValueError(f"mask extent {spec.extent} is outside (0, 1]")
    height, width = reference.shape[-2:]
    if spec.kind == "whole" or spec.extent >= 1.0:
        return torch.ones(1, height, width, device=reference.device)
    surface = MASK_KINDS[spec.kind](reference.detach().float().cpu(), np.random.default_rng(spec.seed))
    # Heights become ranks in (0, 1): what is covered is then `extent` whatever the shape of the surface. The border
    # narrows where it would leave (0, 1), so that some pixels are always reached in full and some not at all.
    order = surface.flatten().argsort(stable=True)
    rank = torch.empty(order.numel())
    rank[order] = (torch.arange(order.numel()) + 0.5) / order.numel()
    rank = rank.reshape(height, width)
    border = min(spec.softness, 2.0 * spec.extent, 2.0 * (1.0 - spec.extent))
    if border <= 0.0:
        mask = (rank <= spec.extent).float()
    else:
        ramp = ((spec.extent - rank) / border + 0.5).clamp(0.0, 1.0)
        mask = ramp * ramp * (3.0 - 2.0 * ramp)
    return mask[None].to(reference.device)


def _grid(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Pixel centres (H, W) in [-1, 1] along the longer side, so that shapes keep their aspect."""
    longest = max(height, width)
    y = (torch.arange(height) + 0.5 - height / 2) * (2.0 / longest)
    x = (torch.arange(width) + 0.5 - width / 2) * (2.0 / longest)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return rows, columns


def _centre(rng: np.random.Generator, height: int, width: int) -> tuple[float, float]:
    longest = max(height, width)
    return rng.uniform(-0.8, 0.8) * height / longest, rng.uniform(-0.8, 0.8) * width / longest


def _blobs(image: Tensor, rng: np.random.Generator) -> Tensor:
    y, x = _grid(*image.shape[-2:])
    surface = torch.zeros_like(y)
    for _ in range(int(rng.integers(1, 5))):
        cy, cx = _centre(rng, *image.shape[-2:])
        radius = rng.uniform(0.25, 0.7)
        surface -= torch.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * (radius / 2) ** 2))
    return surface


def _perlin(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Sum of two octaves of smooth lattice noise (after Perlin, 1985)."""
    height, width = image.shape[-2:]
    cells = int(rng.integers(2, 6))
    surface = torch.zeros(height, width)
    for octave in range(2):
        n = cells * 2**octave + 3
        lattice = torch.from_numpy(rng.standard_normal((1, 1, n, n)).astype(np.float32))
        surface += F.interpolate(lattice, (height, width), mode="bicubic", align_corners=True)[0, 0] / 2**octave
    return surface


def _ellipse(image: Tensor, rng: np.random.Generator) -> Tensor:
    y, x = _grid(*image.shape[-2:])
    cy, cx = _centre(rng, *image.shape[-2:])
    angle, squeeze = rng.uniform(0, math.pi), rng.uniform(0.4, 1.0)
    u = (x - cx) * math.cos(angle) + (y - cy) * math.sin(angle)
    v = -(x - cx) * math.sin(angle) + (y - cy) * math.cos(angle)
    return torch.sqrt(u**2 + (v / squeeze) ** 2)


def _polygon(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Gauge of a random convex polygon of 3 to 7 sides: its level sets are scaled copies of the polygon."""
    y, x = _grid(*image.shape[-2:])
    cy, cx = _centre(rng, *image.shape[-2:])
    sides = int(rng.integers(3, 8))
    angles = 2 * math.pi * (np.arange(sides) + rng.uniform(-0.35, 0.35, sides)) / sides + rng.uniform(0, 2 * math.pi)
    radii = rng.uniform(0.5, 1.0, sides)
    planes = [((x - cx) * math.cos(a) + (y - cy) * math.sin(a)) / r for a, r in zip(angles, radii, strict=True)]
    return torch.stack(planes).amax(0)


def _ramp(image: Tensor, rng: np.random.Generator) -> Tensor:
    y, x = _grid(*image.shape[-2:])
    angle = rng.uniform(0, 2 * math.pi)
    return x * math.cos(angle) + y * math.sin(angle)


def _luma(image: Tensor) -> Tensor:
    return (image * image.new_tensor(LUMA)[:, None, None]).sum(0)


def _smooth(surface: Tensor, radius: int) -> Tensor:
    padded = F.pad(surface[None, None], (radius,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * radius + 1, stride=1)[0, 0]


def _activity(image: Tensor) -> Tensor:
    luma = _luma(image)
    radius = max(2, min(luma.shape) // 24)
    return torch.log(_smooth((luma - _smooth(luma, 2)).abs(), radius) + 1e-3)


def _tie_break(surface: Tensor, rng: np.random.Generator) -> Tensor:
    """Adds a faint slope, so that an extent is met exactly on flat images too."""
    y, x = _grid(*surface.shape)
    return surface + 1e-4 * (rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y)


def _textured(image: Tensor, rng: np.random.Generator) -> Tensor:
    return _tie_break(-_activity(image), rng)


def _flat(image: Tensor, rng: np.random.Generator) -> Tensor:
    return _tie_break(_activity(image), rng)


def _luminance(image: Tensor, rng: np.random.Generator) -> Tensor:
    luma = _smooth(_luma(image), 3)
    centre = torch.quantile(luma.flatten()[:: max(1, luma.numel() // 65536)], float(rng.uniform(0.0, 1.0)))
    return _tie_break((luma - centre).abs(), rng)


MASK_KINDS = {
    "whole": _ramp,
    "blobs": _blobs,
    "perlin": _perlin,
    "ellipse": _ellipse,
    "polygon": _polygon,
    "ramp": _ramp,
    "textured": _textured,
    "flat": _flat,
    "luminance": _luminance,
}
