"""Damage along lines: scratches over the photograph, and rows or columns that were lost.

Lines come from a list drawn in full whatever the amount; the amount says how many of them are used, the last one
blended in by its fraction. So damage is nested along a ladder.
"""

import math

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from distortion_engine.distortions.contract import Image, distortion, support

MOST_SCRATCHED = 0.1  # share of the area that the list of scratches can cover
LONGEST_RUN = 12  # lines lost side by side
_SUBPIXEL_BITS = 4


def _scratches(amount: float, generator: Generator, height: int, width: int, width_px: float) -> np.ndarray:
    """Weight in [0, 1] of the pixels under scratches, `(H, W)` float32."""
    short = min(height, width)
    thickness = max(1, round(width_px))
    total = max(32, math.ceil(MOST_SCRATCHED * height * width / (0.5 * short * thickness)))
    draw = torch.rand((total, 6), generator=generator, dtype=torch.float64).numpy()
    length = short * (0.2 + 0.6 * draw[:, 0])
    reached = np.cumsum(length * thickness) / (height * width)  # share of the area with this one and all before it
    count = int(np.searchsorted(reached, 0.01 * amount))  # whole ones
    weight = np.zeros((height, width), np.float32)
    for index in range(min(count + 1, total)):
        before = reached[index - 1] if index else 0.0
        share = 1.0 if index < count else (0.01 * amount - before) / (reached[index] - before)
        corners = _bent(draw[index], float(length[index]), height, width)
        box, origin = _around(corners, thickness + 2, height, width)
        canvas = np.zeros(weight[box].shape, np.uint8)
        cv2.polylines(canvas, [corners - origin], False, 255, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)
        np.maximum(weight[box], canvas.astype(np.float32) * np.float32(share / 255.0), out=weight[box])
    return weight


def _around(corners: np.ndarray, margin: int, height: int, width: int) -> tuple[tuple[slice, slice], np.ndarray]:
    """The part of the picture in which a line lies, and its origin in the units of the corners."""
    (left, top), (right, bottom) = (edge // 2**_SUBPIXEL_BITS for edge in (corners.min((0, 1)), corners.max((0, 1))))
    rows = slice(max(0, int(top) - margin), max(0, min(height, int(bottom) + margin + 1)))
    columns = slice(max(0, int(left) - margin), max(0, min(width, int(right) + margin + 1)))
    return (rows, columns), np.array([columns.start, rows.start], np.int32) * 2**_SUBPIXEL_BITS


def _bent(draw: np.ndarray, length: float, height: int, width: int) -> np.ndarray:
    """Corners (n, 1, 2) of one slightly bent line, x before y, in fractions of a pixel."""
    y, x, angle = draw[1] * height, draw[2] * width, math.pi * draw[3]
    along = np.linspace(-0.5, 0.5, 5) * length
    aside = length * 0.12 * ((draw[4] - 0.5) * (1.0 - (2.0 * along / length) ** 2) + (draw[5] - 0.5) * along / length)
    rows = y + along * math.sin(angle) + aside * math.cos(angle)
    columns = x + along * math.cos(angle) - aside * math.sin(angle)
    corners: np.ndarray = np.rint(np.stack([columns, rows], 1)[:, None] * 2**_SUBPIXEL_BITS).astype(np.int32)
    return corners


@distortion
def scratches(
    image: Image, amount: float, generator: Generator, *, width_px: float, brightness: float, opacity: float
) -> Image:
    """Thin lines across the photograph, as of scratched film, hairs or cracks.

    Args:
        image: (3, H, W) in [0, 1].
        amount: length times width of all lines, in per cent of the area.
        generator: where the lines lie, and how far the colour of each channel is from `brightness`.
        width_px: of the lines.
        brightness: of the lines, 0 black, 1 white.
        opacity: how much of the photograph they hide.
    """
    height, width = image.shape[1:]
    weight = _scratches(amount, generator, height, width, width_px)
    off = 0.15 * (torch.rand(3, generator=generator) - 0.5)
    colour = (brightness + off).clamp(0.0, 1.0).to(image)[:, None, None]
    return image + opacity * torch.from_numpy(weight).to(image) * (colour - image)


@support
def scratches_support(
    amount: float, generator: Generator, height: int, width: int, *, width_px: float, brightness: float, opacity: float
) -> Float[Tensor, "h w"]:
    """Weight `(H, W)` of the pixels that `scratches` covers."""
    return torch.from_numpy(_scratches(amount, generator, height, width, width_px))


def _lost_lines(amount: float, generator: Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Weight in [0, 1] of each of `size` lines, float32: runs of lost ones, `amount` per cent of all; and the line
    before the run that each belongs to."""
    count = 0.01 * amount * size
    starts = torch.randperm(size, generator=generator).tolist()
    lengths = torch.randint(1, LONGEST_RUN + 1, (size,), generator=generator).tolist()
    order: dict[int, int] = {}  # a lost line -> the line before its run; the first run to reach a line keeps it
    for start, length in zip(starts, lengths, strict=True):
        if len(order) >= count:
            break
        before = start - 1 if start else min(length, size - 1)
        for line in range(start, min(start + length, size)):
            order.setdefault(line, before)
    weight, source = np.zeros(size, np.float32), np.arange(size)
    for index, (line, before) in enumerate(order.items()):
        weight[line], source[line] = min(1.0, max(0.0, count - index)), before
    return weight, source


@distortion
def dropped_lines(
    image: Image, amount: float, generator: Generator, *, columns: float, copied: float, brightness: float
) -> Image:
    """Rows or columns that a sensor or a transmission lost.

    Args:
        image: (3, H, W) in [0, 1].
        amount: per cent of all lines.
        generator: which lines.
        columns: 1 for columns, 0 for rows.
        copied: 1 fills a run with the line before it, 0 with `brightness`.
        brightness: of the filling, 0 black, 1 white.
    """
    along = 2 if columns > 0.5 else 1
    weight, source = _lost_lines(amount, generator, image.shape[along])
    filling = image.index_select(along, torch.from_numpy(source).to(image.device)) if copied > 0.5 else brightness
    share = torch.from_numpy(weight).to(image)
    share = share[None, None] if along == 2 else share[None, :, None]
    return image + share * (filling - image)


@support
def dropped_lines_support(
    amount: float, generator: Generator, height: int, width: int, *, columns: float, copied: float, brightness: float
) -> Float[Tensor, "h w"]:
    """Weight `(H, W)` of the pixels that `dropped_lines` replaces."""
    weight = torch.from_numpy(_lost_lines(amount, generator, width if columns > 0.5 else height)[0])
    return (weight[None] if columns > 0.5 else weight[:, None]).expand(height, width).contiguous()
