"""Local damage: warps, displaced patches, coloured blocks, lost macroblocks, checkerboard artefacts.

Blocks come from a list drawn in full whatever the amount; the amount says how many of them are used, the last one
blended in by its fraction. A pixel keeps the first block that reached it, so damage is nested along a ladder.
"""

import math

import torch
from torch import Generator, Tensor

from distortion_engine.distortions.common import (
    gaussian,
    gaussian_kernel,
    luma,
    per_sample,
    per_sample_support,
    pixel_grid,
    unit_normal,
    warp,
)

PATCH_PX = 16  # KADID-10k's non-eccentricity patch, and the macroblock of most video codecs
LONGEST_SLICE = 8  # macroblocks lost in a row


@per_sample
def jitter(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Each pixel fetched from a random place near by; amount = standard deviation of the offset in px."""
    offset = amount * unit_normal((2, *image.shape[1:]), generator, image)
    return warp(image, offset[0], offset[1])


@per_sample
def wobble(image: Tensor, amount: float, generator: Generator, *, wavelength_px: float) -> Tensor:
    """Smooth local warping, as of heat haze; amount = standard deviation of the offset in px."""
    sigma_px = 0.25 * wavelength_px
    offset = gaussian(unit_normal((2, *image.shape[1:]), generator, image), sigma_px)
    offset = amount * offset / float((gaussian_kernel(sigma_px) ** 2).sum())
    return warp(image, offset[0], offset[1])


def _claim(boxes: list[tuple[int, int]], side: int, count: float, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Which box (index, 0 where none) each pixel belongs to, and its weight in [0, 1]; both `(H, W)`."""
    owner = torch.zeros(height, width, dtype=torch.long)
    weight = torch.zeros(height, width)
    used = min(math.ceil(count), len(boxes))
    for i in reversed(range(used)):  # the first box wins, so it is written last
        y, x = boxes[i]
        owner[y : y + side, x : x + side] = i
        weight[y : y + side, x : x + side] = min(1.0, count - i)
    return owner, weight


def _scattered(
    amount: float, generator: Generator, height: int, width: int, side: int
) -> tuple[Tensor, Tensor, list[tuple[int, int]], int]:
    """Boxes anywhere, enough to cover `amount` per cent of the area if none overlapped."""
    total = math.ceil(height * width / side**2)
    place = torch.rand((total, 2), generator=generator, dtype=torch.float64)
    tops = (place[:, 0] * (height - side + 1)).long().tolist()
    lefts = (place[:, 1] * (width - side + 1)).long().tolist()
    boxes = list(zip(tops, lefts, strict=True))
    owner, weight = _claim(boxes, side, 0.01 * amount * height * width / side**2, height, width)
    return owner, weight, boxes, total


def _patch_side(height: int, width: int) -> int:
    return min(PATCH_PX, min(height, width) // 2)


def _blended(image: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    return torch.lerp(image, value, weight.to(image))


@per_sample
def displaced_patches(image: Tensor, amount: float, generator: Generator) -> Tensor:
    """Patches of 16 px replaced by what lies half to one and a half patches away; amount = per cent of the area."""
    height, width = image.shape[1:]
    side = _patch_side(height, width)
    owner, weight, boxes, total = _scattered(amount, generator, height, width, side)
    draw = torch.rand((total, 2), generator=generator, dtype=torch.float64)
    distance, angle = side * (0.5 + draw[:, 0]), 2.0 * math.pi * draw[:, 1]
    corner = torch.tensor(boxes)
    down = (corner[:, 0] + (distance * angle.sin()).round().long()).clamp(0, height - side) - corner[:, 0]
    right = (corner[:, 1] + (distance * angle.cos()).round().long()).clamp(0, width - side) - corner[:, 1]
    row = (torch.arange(height)[:, None] + down[owner]).clamp(0, height - 1).to(image.device)
    column = (torch.arange(width)[None, :] + right[owner]).clamp(0, width - 1).to(image.device)
    return _blended(image, image[:, row, column], weight)


@per_sample_support
def displaced_patches_support(amount: float, generator: Generator, height: int, width: int) -> Tensor:
    """Weight `(H, W)` of the pixels that `displaced_patches` replaces."""
    return _scattered(amount, generator, height, width, _patch_side(height, width))[1]


def _block_side(side_px: float, height: int, width: int) -> int:
    return min(max(1, round(side_px)), min(height, width) // 2)


@per_sample
def color_blocks(image: Tensor, amount: float, generator: Generator, *, side_px: float) -> Tensor:
    """Squares of random colour; amount = per cent of the area."""
    height, width = image.shape[1:]
    side = _block_side(side_px, height, width)
    owner, weight, _, total = _scattered(amount, generator, height, width, side)
    colour = torch.rand((total, 3), generator=generator)
    return _blended(image, colour[owner].permute(2, 0, 1).to(image), weight)


@per_sample_support
def color_blocks_support(amount: float, generator: Generator, height: int, width: int, *, side_px: float) -> Tensor:
    """Weight `(H, W)` of the pixels that `color_blocks` covers."""
    return _scattered(amount, generator, height, width, _block_side(side_px, height, width))[1]


def _lost(amount: float, generator: Generator, height: int, width: int) -> Tensor:
    """Weight of lost macroblocks: runs along rows of the block grid, `amount` per cent of all blocks."""
    side = _patch_side(height, width)
    rows, columns = math.ceil(height / side), math.ceil(width / side)
    starts = torch.randperm(rows * columns, generator=generator).tolist()
    lengths = torch.randint(1, LONGEST_SLICE + 1, (rows * columns,), generator=generator).tolist()
    order: dict[int, None] = {}  # an ordered set: a block is lost once
    for start, length in zip(starts, lengths, strict=True):
        end = min(start + length, (start // columns + 1) * columns)
        order.update(dict.fromkeys(range(start, end)))
    boxes = [(side * (cell // columns), side * (cell % columns)) for cell in order]
    return _claim(boxes, side, 0.01 * amount * len(boxes), height, width)[1]


@per_sample
def dropped_blocks(image: Tensor, amount: float, generator: Generator, *, copied: float) -> Tensor:
    """Lost macroblocks in runs, grey (`copied` 0) or filled by a wrong motion vector (1); amount = per cent of them."""
    weight = _lost(amount, generator, *image.shape[1:])
    if copied < 0.5:
        return _blended(image, torch.full_like(image, 0.5), weight)
    draw = torch.rand(2, generator=generator)
    distance, angle = PATCH_PX * (0.5 + float(draw[0])), 2.0 * math.pi * float(draw[1])
    down, right = round(distance * math.sin(angle)), round(distance * math.cos(angle))
    return _blended(image, warp(image, down, right), weight)


@per_sample_support
def dropped_blocks_support(amount: float, generator: Generator, height: int, width: int, *, copied: float) -> Tensor:
    """Weight `(H, W)` of the pixels that `dropped_blocks` replaces."""
    return _lost(amount, generator, height, width)


@per_sample
def checkerboard(image: Tensor, amount: float, generator: Generator, *, period_px: float) -> Tensor:
    """Pattern of transposed convolutions whose kernels overlap unevenly (Odena et al. 2016); amount = amplitude."""
    period = max(2, round(period_px))
    row, column = pixel_grid(image)
    wave_y, wave_x = torch.cos(2.0 * math.pi * row / period), torch.cos(2.0 * math.pi * column / period)
    return image + amount * (0.25 + luma(image)) * 0.5 * (wave_y + wave_x)
