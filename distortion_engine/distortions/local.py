"""Local damage: warps, displaced and foreign patches, coloured blocks, lost macroblocks, checkerboard artefacts.

Blocks come from a list drawn in full whatever the amount; the amount says how many of them are used, the last one
blended in by its fraction. A pixel keeps the first block that reached it, so damage is nested along a ladder.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from distortion_engine.distortions.color_conversion import luma
from distortion_engine.distortions.contract import Image, distortion, support
from distortion_engine.distortions.filters import fast_path, gaussian, gaussian_energy, pixel_grid, warp
from distortion_engine.distortions.random_fields import unit_normal

PATCH_PX = 16  # KADID-10k's non-eccentricity patch, and the macroblock of most video codecs
LONGEST_SLICE = 8  # macroblocks lost in a row


@distortion
def jitter(image: Image, amount: float, generator: Generator) -> Image:
    """Each pixel fetched from a random place near by; amount = standard deviation of the offset in px."""
    offset = amount * unit_normal((2, *image.shape[1:]), generator, image)
    return warp(image, offset[0], offset[1])


@distortion
def wobble(image: Image, amount: float, generator: Generator, *, wavelength_px: float) -> Image:
    """Smooth local warping, as of heat haze; amount = standard deviation of the offset in px."""
    sigma_px = 0.25 * wavelength_px
    offset = gaussian(unit_normal((2, *image.shape[1:]), generator, image), sigma_px)
    offset = amount * offset / gaussian_energy(sigma_px)
    return warp(image, offset[0], offset[1])


@distortion
def ghosting(image: Image, amount: float, generator: Generator, *, distance_px: float, angle_deg: float) -> Image:
    """A faint second picture beside the first, as of merged exposures or reflections; amount = its share."""
    down, right = (distance_px * way(math.radians(angle_deg)) for way in (math.sin, math.cos))
    return torch.lerp(image, warp(image, down, right), amount)


def _claim(
    boxes: list[tuple[int, int]], side: int, count: float, height: int, width: int
) -> tuple[list[tuple[int, slice, slice]], np.ndarray]:
    """The boxes in use as (index, rows, columns) in the order in which to paint them, so that the first box ends on
    top; and their weight in [0, 1] at each pixel, `(H, W)` float32."""
    weight = np.zeros((height, width), np.float32)
    painted = []
    for i in reversed(range(min(math.ceil(count), len(boxes)))):
        y, x = boxes[i]
        rows, columns = slice(y, min(y + side, height)), slice(x, min(x + side, width))
        weight[rows, columns] = min(1.0, count - i)
        painted.append((i, rows, columns))
    return painted, weight


def _scattered(
    amount: float, generator: Generator, height: int, width: int, side: int
) -> tuple[list[tuple[int, slice, slice]], np.ndarray, int]:
    """Boxes anywhere, enough to cover `amount` per cent of the area if none overlapped, as of `_claim`; and how many
    there could be."""
    total = math.ceil(height * width / side**2)
    place = torch.rand((total, 2), generator=generator, dtype=torch.float64).numpy()
    count = 0.01 * amount * height * width / side**2
    corners = (place[: math.ceil(count)] * (height - side + 1, width - side + 1)).astype(np.int64)
    painted, weight = _claim([(y, x) for y, x in corners.tolist()], side, count, height, width)
    return painted, weight, total


def _patch_side(height: int, width: int) -> int:
    return min(PATCH_PX, min(height, width) // 2)


def _painted(
    image: Tensor,
    boxes: list[tuple[int, slice, slice]],
    weight: np.ndarray,
    content: Callable[[Any, int, slice, slice], Any],
) -> Tensor:
    """A copy of `image` in which every box holds `content(image, index, rows, columns)`, as far as its weight goes.

    On the CPU `content` is given the image as an array, whose slices cost a fraction of a tensor's.
    """
    fast = fast_path(image)
    source: Any = image.numpy() if fast else image
    result: Any = source.copy() if fast else image.clone()
    for i, rows, columns in boxes:
        result[:, rows, columns] = content(source, i, rows, columns)
    if boxes:  # the first to be painted is the only one whose weight may not be whole
        own = (slice(None), *boxes[0][1:])
        share: Any = weight[boxes[0][1:]] if fast else torch.from_numpy(weight[boxes[0][1:]]).to(image)
        result[own] = source[own] + share * (result[own] - source[own])
    return torch.from_numpy(result) if fast else result


@distortion
def displaced_patches(image: Image, amount: float, generator: Generator) -> Image:
    """Patches of 16 px replaced by what lies half to one and a half patches away; amount = per cent of the area."""
    height, width = image.shape[1:]
    side = _patch_side(height, width)
    boxes, weight, total = _scattered(amount, generator, height, width, side)
    draw = torch.rand((total, 2), generator=generator, dtype=torch.float64).numpy()
    distance, angle = side * (0.5 + draw[:, 0]), 2.0 * math.pi * draw[:, 1]
    down, right = np.rint(distance * np.sin(angle)), np.rint(distance * np.cos(angle))

    def elsewhere(source: Any, i: int, rows: slice, columns: slice) -> Any:
        y = min(max(rows.start + int(down[i]), 0), height - side)
        x = min(max(columns.start + int(right[i]), 0), width - side)
        return source[:, y : y + side, x : x + side]

    return _painted(image, boxes, weight, elsewhere)


@support
def displaced_patches_support(amount: float, generator: Generator, height: int, width: int) -> Float[Tensor, "h w"]:
    """Weight `(H, W)` of the pixels that `displaced_patches` replaces."""
    return torch.from_numpy(_scattered(amount, generator, height, width, _patch_side(height, width))[1])


@distortion
def foreign_patches(image: Image, amount: float, generator: Generator, *, side_px: float, mirrored: float) -> Image:
    """Squares that show another place of the photograph, mirrored (1) or not (0); amount = per cent of the area."""
    height, width = image.shape[1:]
    side = _block_side(side_px, height, width)
    boxes, weight, total = _scattered(amount, generator, height, width, side)
    place = torch.rand((total, 2), generator=generator, dtype=torch.float64).numpy()
    corners = (place * (height - side + 1, width - side + 1)).astype(np.int64)

    def elsewhere(source: Any, i: int, rows: slice, columns: slice) -> Any:
        y, x = corners[i].tolist()
        patch = source[:, y : y + side, x : x + side]
        if mirrored < 0.5:
            return patch
        return patch.flip(2) if isinstance(patch, Tensor) else patch[:, :, ::-1]

    return _painted(image, boxes, weight, elsewhere)


@support
def foreign_patches_support(
    amount: float, generator: Generator, height: int, width: int, *, side_px: float, mirrored: float
) -> Float[Tensor, "h w"]:
    """Weight `(H, W)` of the pixels that `foreign_patches` replaces."""
    return torch.from_numpy(_scattered(amount, generator, height, width, _block_side(side_px, height, width))[1])


def _block_side(side_px: float, height: int, width: int) -> int:
    return min(max(1, round(side_px)), min(height, width) // 2)


@distortion
def color_blocks(image: Image, amount: float, generator: Generator, *, side_px: float) -> Image:
    """Squares of random colour; amount = per cent of the area."""
    height, width = image.shape[1:]
    side = _block_side(side_px, height, width)
    boxes, weight, total = _scattered(amount, generator, height, width, side)
    drawn = torch.rand((total, 3), generator=generator)
    colour: Any = drawn.numpy() if fast_path(image) else drawn.to(image)
    return _painted(image, boxes, weight, lambda source, i, rows, columns: colour[i][:, None, None])


@support
def color_blocks_support(
    amount: float, generator: Generator, height: int, width: int, *, side_px: float
) -> Float[Tensor, "h w"]:
    """Weight `(H, W)` of the pixels that `color_blocks` covers."""
    return torch.from_numpy(_scattered(amount, generator, height, width, _block_side(side_px, height, width))[1])


def _lost(
    amount: float, generator: Generator, height: int, width: int
) -> tuple[list[tuple[int, slice, slice]], np.ndarray]:
    """Lost macroblocks, as of `_claim`: runs along rows of the block grid, `amount` per cent of all blocks."""
    side = _patch_side(height, width)
    rows, columns = math.ceil(height / side), math.ceil(width / side)
    count = 0.01 * amount * rows * columns
    starts = torch.randperm(rows * columns, generator=generator).tolist()
    lengths = torch.randint(1, LONGEST_SLICE + 1, (rows * columns,), generator=generator).tolist()
    order: dict[int, None] = {}  # an ordered set: a block is lost once
    for start, length in zip(starts, lengths, strict=True):
        if len(order) >= count:
            break
        end = min(start + length, (start // columns + 1) * columns)
        order.update(dict.fromkeys(range(start, end)))
    boxes = [(side * (cell // columns), side * (cell % columns)) for cell in order]
    return _claim(boxes, side, count, height, width)


@distortion
def dropped_blocks(image: Image, amount: float, generator: Generator, *, copied: float) -> Image:
    """Lost macroblocks in runs, grey (`copied` 0) or filled by a wrong motion vector (1); amount = per cent of them."""
    height, width = image.shape[1:]
    boxes, weight = _lost(amount, generator, height, width)
    if copied < 0.5:
        return _painted(image, boxes, weight, lambda source, i, rows, columns: 0.5)
    draw = torch.rand(2, generator=generator)
    distance, angle = PATCH_PX * (0.5 + float(draw[0])), 2.0 * math.pi * float(draw[1])
    moved = warp(image, float(round(distance * math.sin(angle))), float(round(distance * math.cos(angle))))
    filling: Any = moved.numpy() if fast_path(image) else moved
    return _painted(image, boxes, weight, lambda source, i, rows, columns: filling[:, rows, columns])


@support
def dropped_blocks_support(
    amount: float, generator: Generator, height: int, width: int, *, copied: float
) -> Float[Tensor, "h w"]:
    """Weight `(H, W)` of the pixels that `dropped_blocks` replaces."""
    return torch.from_numpy(_lost(amount, generator, height, width)[1])


@distortion
def checkerboard(image: Image, amount: float, generator: Generator, *, period_px: float) -> Image:
    """Pattern of transposed convolutions whose kernels overlap unevenly (Odena et al. 2016); amount = amplitude."""
    period = max(2, round(period_px))
    row, column = pixel_grid(image)
    wave_y, wave_x = torch.cos(2.0 * math.pi * row / period), torch.cos(2.0 * math.pi * column / period)
    return image + amount * (0.25 + luma(image)) * 0.5 * (wave_y + wave_x)
