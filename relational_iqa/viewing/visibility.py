"""Whether two images can be told apart by eye: the largest visible difference, by published facts of vision alone.

S-CIELAB (X. Zhang, B. A. Wandell, "A spatial extension of CIELAB for digital color-image reproduction", Journal of the
Society for Information Display 5, 1997): an image is taken to linear light and opponent colours, each of which is
blurred as the eye blurs it, then to CIELAB, where two images are subtracted. Nothing is learned, and no opinion of
people about images enters.

Viewing condition: 60 pixels per degree, one minute of arc a pixel, what an eye of normal acuity resolves (a monitor of
92 dpi seen from 95 cm, one of 163 dpi from 54 cm), on the reference display of sRGB, whose viewing flare is 1 % of
white and whose surround is grey of 20 % (IEC 61966-2-1:1999). The difference is that of CIE94 (graphic arts; chroma is
the geometric mean of both), of which about one unit is just noticeable: THRESHOLD_DELTA_E.

Left out: the third Gaussian of luminance, of 4.3 degrees and negative weight, which lowers the sensitivity for slow
gradients only; and masking, by which texture hides differences. Without both, more differences count as visible, never
fewer. What decides is the strongest place, not a mean: one pixel that differs enough makes two images distinguishable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache, reduce
from itertools import pairwise
from operator import add
from types import EllipsisType

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

PIXELS_PER_DEGREE = 60.0
VIEWING_FLARE = 0.01
SURROUND = 0.2
THRESHOLD_DELTA_E = 1.0
REACH_PX = 80
"""How far a pixel reaches: three standard deviations of the widest Gaussian, and the grid on which it is computed."""

Part = tuple[EllipsisType, slice, slice]  # rows and columns of an image

_CELL_PX, _BLOCK_PX = 4, 16
_LOOK_FIRST_PX = 16  # on each side of the block that is looked at first
_SKIM_ROWS = 4  # the strongest block is first sought in every fourth row

# CIE XYZ of linear sRGB, D65 (IEC 61966-2-1), relative to the white: rows X / Xn, Y / Yn, Z / Zn.
_XYZ_OF_RGB = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
# Opponent colours of XYZ: luminance, red-green, blue-yellow (Zhang and Wandell 1997, table 1, after Poirson and Wandell
# 1993).
_OPPONENT_OF_XYZ = ((0.279, 0.720, -0.107), (-0.449, 0.290, -0.077), (0.086, -0.590, 0.501))
# Weight and spread in degrees of exp(-(x / spread)^2), narrow and wide, of the three opponent colours (the same table);
# then the step in pixels of the grid on which the wide one is computed.
_GAUSSIANS = (
    ((0.921, 0.0283), (0.105, 0.133), 2),
    ((0.531, 0.0392), (0.330, 0.494), 8),
    ((0.488, 0.0536), (0.371, 0.386), 8),
)
_CIE94_CHROMA, _CIE94_HUE = 0.045, 0.015


@torch.inference_mode()
def visible_difference(
    a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"], counts: Float[Tensor, "_ 1 h//4 w//4"]
) -> Float[Tensor, " b"]:
    """The largest difference of each pair in units of the threshold of visibility, at most 1: below 1 nothing is
    visible, 0 is no difference at all. Swapping the images gives the same bits. There
    is no gradient.

    Larger values are not told apart, so that most pairs cost little: the place with the largest difference of code
    values is looked at first, and where that is visible, nothing else is looked at.

    Args:
        a: images, sRGB-encoded in [0, 1], whose sides are multiples of 16.
        b: the other images, of the same size.
        counts: of all pairs or of each, above 0 where a cell of 4 x 4 pixels counts.
    """
    counted = counts.expand(len(a), -1, -1, -1) > 0
    pairs = zip(a.split(1), b.split(1), counted.split(1), strict=True)
    return torch.stack([_of_pair(_Viewed(one), _Viewed(other), where) for one, other, where in pairs])


@torch.inference_mode()
def visible_differences(
    images: Sequence[Float[Tensor, "1 3 h w"]], pairs: Sequence[tuple[int, int]], counts: Float[Tensor, "1 1 h//4 w//4"]
) -> Float[Tensor, " pairs"]:
    """`visible_difference` of pairs of several images, of which each is taken to what the eye resolves once, and only
    where a pair is not plainly different.

    Args:
        images: of one size, as of `visible_difference`.
        pairs: indices of two images each.
        counts: above 0 where a cell of 4 x 4 pixels counts.
    """
    counted = counts > 0
    viewed = [_Viewed(image) for image in images]
    settled = _visible_at_one_place(images, pairs, counted)
    one = counts.new_ones((), dtype=torch.float32)
    return torch.stack([one if (i, j) in settled else _of_pair(viewed[i], viewed[j], counted) for i, j in pairs])


@torch.inference_mode()
def delta_e_map(a: Float[Tensor, "1 3 h w"], b: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 1 h w"]:
    """The visible difference at every pixel, units of CIE94; arguments as of `visible_difference`."""
    return _delta_e(_as_seen(a), _as_seen(b))


class _Viewed:
    """An image (1, 3, H, W), and what the eye resolves of it, computed when it is asked for."""

    def __init__(self, image: Tensor) -> None:
        self.image = image

    @cached_property
    def seen(self) -> Tensor:
        return _as_seen(self.image)


def _of_pair(first: _Viewed, second: _Viewed, counted: Tensor) -> Tensor:
    """The same of one pair, a scalar."""
    a, b = first.image, second.image
    nothing = a.new_zeros((), dtype=torch.float32)
    if torch.equal(a, b):
        return nothing
    looked_at = None
    # One place that is visible settles the answer, whichever it is. Most are found by skimming.
    for rows in (_SKIM_ROWS, 1):
        block = _first_pixel(_strength(a, b, counted, rows))
        place = _place_around(block, counted)
        if place is not None and block != looked_at:
            part, inside = place
            if _largest(_as_seen(a[part]), _as_seen(b[part]), inside) >= 1:
                return nothing + 1
        looked_at = block
    return _largest(first.seen, second.seen, counted).clamp_max(1)


def _visible_at_one_place(
    images: Sequence[Tensor], pairs: Sequence[tuple[int, int]], counted: Tensor
) -> set[tuple[int, int]]:
    """Those pairs whose difference is visible at the place where images differ most from the one before: each image is
    taken to what the eye resolves at that place alone."""
    if len(images) < 3:
        return set()
    strengths = (_strength(x, y, counted, _SKIM_ROWS) for x, y in pairwise(images))
    place = _place_around(_first_pixel(reduce(add, strengths)), counted)
    if place is None:
        return set()
    part, inside = place
    seen = [_as_seen(image[part]) for image in images]
    return {(i, j) for i, j in pairs if _largest(seen[i], seen[j], inside) >= 1}


def _strength(a: Tensor, b: Tensor, counted: Tensor, rows: int) -> Tensor:
    """Mean difference of code values in every block of 16 x 16 pixels that counts, of every `rows`-th row."""
    difference = (a[..., ::rows, :] - b[..., ::rows, :]).abs().amax(1, keepdim=True)
    strength = F.avg_pool2d(difference, (_BLOCK_PX // rows, _BLOCK_PX))
    return strength * F.max_pool2d(counted.float(), _BLOCK_PX // _CELL_PX)


def _first_pixel(strength: Tensor) -> tuple[int, int]:
    """Row and column of the first pixel of the strongest block."""
    row, column = divmod(int(strength.flatten().argmax()), strength.shape[-1])
    return row * _BLOCK_PX, column * _BLOCK_PX


def _place_around(block: tuple[int, int], counted: Tensor) -> tuple[Part, Tensor] | None:
    """A part of the pixels with a block inside, and those cells of it that count and into which nothing reaches from
    beyond it. None where it is the whole image, which need not be seen twice."""
    height, width = (_CELL_PX * int(length) for length in counted.shape[-2:])
    rows, columns = _around(block[0], height), _around(block[1], width)
    if (rows, columns) == ((0, height), (0, width)):
        return None
    inside = torch.zeros_like(counted)
    (top, bottom), (left, right) = _without_halo(rows, height), _without_halo(columns, width)
    inside[..., top:bottom, left:right] = counted[..., top:bottom, left:right]
    cells = (..., slice(*(x // _CELL_PX for x in rows)), slice(*(x // _CELL_PX for x in columns)))
    return (..., slice(*rows), slice(*columns)), inside[cells]


def _around(start: int, length: int) -> tuple[int, int]:
    """The pixels of one side that are looked at first, with what reaches into them."""
    return max(0, start - _LOOK_FIRST_PX - REACH_PX), min(length, start + _BLOCK_PX + _LOOK_FIRST_PX + REACH_PX)


def _without_halo(span: tuple[int, int], length: int) -> tuple[int, int]:
    """Those cells of a span of pixels into which nothing reaches from beyond the span."""
    start, stop = span
    start, stop = start + (REACH_PX if start else 0), stop - (REACH_PX if stop < length else 0)
    return start // _CELL_PX, stop // _CELL_PX


def _largest(a: Tensor, b: Tensor, counted: Tensor) -> Tensor:
    """The largest difference of two images as they are seen, over the cells that count, in units of the threshold, a
    scalar."""
    cells = F.max_pool2d(_delta_e(a, b), _CELL_PX) * counted
    return cells.max() / THRESHOLD_DELTA_E


def _as_seen(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """CIELAB of an image as the eye resolves it."""
    image = image.float()
    light = torch.where(image <= 0.04045, image / 12.92, ((image.clamp_min(0) + 0.055) / 1.055) ** 2.4)
    light = (light + VIEWING_FLARE) / (1 + VIEWING_FLARE)
    to_opponent, from_opponent = _matrices(str(image.device))
    opponent = torch.einsum("ij,bjhw->bihw", to_opponent, light)
    surround = to_opponent.sum(1) * (SURROUND + VIEWING_FLARE) / (1 + VIEWING_FLARE)
    blurred = [_blurred(opponent[:, k : k + 1], float(surround[k]), *_GAUSSIANS[k]) for k in range(3)]
    xyz = torch.einsum("ij,bjhw->bihw", from_opponent, torch.cat(blurred, 1))
    root = torch.where(xyz > 216 / 24389, xyz.clamp_min(1e-6) ** (1 / 3), xyz * (841 / 108) + 4 / 29)
    x, y, z = root.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def _delta_e(a: Float[Tensor, "1 3 h w"], b: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 1 h w"]:
    """Colour difference of CIE94, pixel by pixel, the same to the bit when a and b are swapped."""
    squares = (a - b).square()
    chroma_a, chroma_b = (x[:, 1:].square().sum(1).sqrt() for x in (a, b))
    chroma = (chroma_a - chroma_b).square()
    hue = (squares[:, 1:].sum(1) - chroma).clamp_min(0)
    mean = (chroma_a * chroma_b).sqrt()
    sum_of_squares = (
        squares[:, 0] + chroma / (1 + _CIE94_CHROMA * mean).square() + hue / (1 + _CIE94_HUE * mean).square()
    )
    return sum_of_squares.sqrt()[:, None]


def _blurred(
    plane: Tensor, surround: float, narrow: tuple[float, float], wide: tuple[float, float], step: int
) -> Tensor:
    """An opponent colour (1, 1, H, W), blurred by the sum of two Gaussians whose weights are made to add to 1."""
    coarse = _convolved(F.avg_pool2d(plane, step), surround, wide[1], step)
    coarse = F.interpolate(coarse, scale_factor=step, mode="bilinear", align_corners=False)
    return (narrow[0] * _convolved(plane, surround, narrow[1], 1) + wide[0] * coarse) / (narrow[0] + wide[0])


def _convolved(plane: Tensor, surround: float, spread_deg: float, step: int) -> Tensor:
    """A plane (1, 1, h, w) of pixels `step` wide, blurred by a Gaussian; beyond the border lies the surround."""
    taps = _gaussian(spread_deg, step, str(plane.device))
    reach = len(taps) // 2
    plane = F.pad(plane, (reach, reach, reach, reach), value=surround)
    return F.conv2d(F.conv2d(plane, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1))


@lru_cache(maxsize=32)
def _gaussian(spread_deg: float, step: int, device: str) -> Tensor:
    """Taps of exp(-(x / spread)^2) up to three standard deviations, sum 1."""
    sigma = spread_deg * PIXELS_PER_DEGREE / math.sqrt(2) / step
    reach = math.ceil(3 * sigma)
    x = torch.arange(-reach, reach + 1, dtype=torch.float64)
    taps = torch.exp(-0.5 * (x / sigma).square())
    return (taps / taps.sum()).to(torch.float32).to(device)


@lru_cache(maxsize=8)
def _matrices(device: str) -> tuple[Tensor, Tensor]:
    """Opponent colours of linear RGB; XYZ relative to the white of opponent colours."""
    xyz = torch.tensor(_XYZ_OF_RGB, dtype=torch.float64)
    opponent = torch.tensor(_OPPONENT_OF_XYZ, dtype=torch.float64)
    back = torch.linalg.inv(opponent) / xyz.sum(1, keepdim=True)
    return (opponent @ xyz).to(torch.float32).to(device), back.to(torch.float32).to(device)
