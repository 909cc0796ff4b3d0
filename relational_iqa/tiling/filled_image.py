"""An image of which only the pixels inside a mask are known; what lies outside is made of them, window by window.

Near the mask the picture is mirrored at its border, so that statistics which reach across it see there what they see
inside: as fine, as noisy, as blocky. Where the mirror shows nothing known, and further out, it goes on smoothly, by
normalised convolution (H. Knutsson, C.-F. Westin, "Normalized and differential convolution", CVPR 1993) on a pyramid,
as "push-pull" does (S. Gortler et al., "The lumigraph", SIGGRAPH 1996): sums of the known pixels over cells of 2, 4,
8 ... px are divided by how many are known, and what has none is interpolated from the next coarser level.

Pixels outside are multiplied by 0 before anything else, so that no answer depends on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor

from relational_iqa.tiling.derived_image import DerivedImage
from relational_iqa.tiling.stored_image import StoredImage

_FINE_LEVELS = 3  # computed for each window; the coarser ones once, for the whole image
_CELL_PX = 1 << _FINE_LEVELS
MIRRORED_PX = 64
"""So far from the mask the picture is mirrored. Smooth values alone would hide blur and noise near the border."""
# Around a window, so that what is inside is that of the whole image: a mirror shows what is as far behind it.
_MARGIN_PX = 2 * MIRRORED_PX + 2 * _CELL_PX
_STRIP_PX = 1 << 20


class FilledImage(DerivedImage):
    """An image whose pixels count where a mask is above 0, and which is smooth elsewhere.

    Args:
        source: the image.
        counts: the mask, of the same size; above 0 somewhere.
    """

    def __init__(self, source: StoredImage, counts: StoredImage) -> None:
        super().__init__(source, counts=counts, origin=source.origin)
        self.known = counts
        self._coarse = _coarse(source, counts)

    def window(
        self, top: int, bottom: int, left: int = 0, right: int | None = None
    ) -> Float32[Tensor, "3 {bottom-top} _"]:
        _, height, width = self.shape
        bottom, right = self._within(bottom, right)
        first, start = (max(0, edge // _CELL_PX * _CELL_PX - _MARGIN_PX) for edge in (top, left))
        last, end = (min(padded(edge) + _MARGIN_PX, padded(most)) for edge, most in ((bottom, height), (right, width)))
        cells = (..., slice(first // _CELL_PX, last // _CELL_PX), slice(start // _CELL_PX, end // _CELL_PX))
        levels = [_known(self._source, self.known, (first, last, start, end))]
        for _ in range(_FINE_LEVELS - 1):
            levels.append(_halved(*levels[-1]))
        filled = _mirrored(*levels[0], _pulled(self._coarse[cells], levels))
        return filled[0, :, top - first : bottom - first, left - start : right - start]

    def __getitem__(self, key: tuple[EllipsisType, slice, slice]) -> StoredImage:
        return StoredImage(self.window(*self._edges(key)), self._name, self.notes, self.known[key])


Level = tuple[Float[Tensor, "1 3 _ _"], Float[Tensor, "1 1 _ _"]]
"""Of every cell of one size: the sum of its known pixels and how many these are, both over the pixels of the cell."""


def padded(length: int) -> int:
    """A side of an image that consists of whole cells of the coarse grid."""
    return length + -length % _CELL_PX


def is_known(mask: Float[Tensor, "3 h w"]) -> Float[Tensor, "1 h w"]:
    """1 where a mask is above 0, 0 elsewhere."""
    return (mask.amax(0, keepdim=True) > 0).to(torch.float32)


def _known(source: StoredImage, mask: StoredImage, box: tuple[int, int, int, int]) -> Level:
    """The known pixels of (top, bottom, left, right), of which a part may lie beyond the image, where none is known."""
    top, bottom, left, right = box
    _, height, width = source.shape
    inside = top, min(bottom, height), left, min(right, width)
    known = is_known(mask.window(*inside).cpu())
    pixels = source.window(*inside).cpu() * known
    beyond = (0, right - inside[3], 0, bottom - inside[1])
    return F.pad(pixels, beyond)[None], F.pad(known, beyond)[None]


def _mirrored(
    sums: Float[Tensor, "1 3 h w"], known: Float[Tensor, "1 1 h w"], otherwise: Float[Tensor, "1 3 h w"]
) -> Float[Tensor, "1 3 h w"]:
    """The known pixels, mirrored at the nearest of them; `otherwise` where the mirror shows nothing known."""
    inside = known[0, 0].numpy() > 0
    if inside.all() or not inside.any():
        return otherwise
    height, width = inside.shape
    away, labels = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    places = np.zeros(int(labels.max()) + 1, np.int64)
    places[labels[inside]] = np.flatnonzero(inside)  # where the known pixel of each label lies
    rows, columns = np.nonzero(~inside & (away <= MIRRORED_PX))
    nearest_row, nearest_column = np.divmod(places[labels[rows, columns]], width)
    row, column = 2 * nearest_row - rows, 2 * nearest_column - columns
    seen = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    seen[seen] = inside[row[seen], column[seen]]
    filled = otherwise.clone()
    filled[0, :, rows[seen], columns[seen]] = sums[0, :, row[seen], column[seen]]
    return filled


def _halved(sums: Tensor, known: Tensor) -> Level:
    """The level of cells twice as wide."""
    beyond = (0, sums.shape[-1] % 2, 0, sums.shape[-2] % 2)
    return F.avg_pool2d(F.pad(sums, beyond), 2), F.avg_pool2d(F.pad(known, beyond), 2)


def _pulled(coarser: Float[Tensor, "1 3 _ _"], levels: Sequence[Level]) -> Float[Tensor, "1 3 _ _"]:
    """The values of the finest of `levels`, from fine to coarse, given those of the level that is one coarser."""
    for sums, known in reversed(levels):
        height, width = sums.shape[-2:]
        enlarged = F.interpolate(coarser, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
        coarser = torch.where(known > 0, sums / known.clamp_min(torch.finfo(torch.float32).tiny), enlarged)
    return coarser


def _coarse(source: StoredImage, mask: StoredImage) -> Float32[Tensor, "1 3 h w"]:
    """The values of all cells of 8 px, read a strip at a time."""
    _, height, width = source.shape
    rows = max(_CELL_PX, _STRIP_PX // width // _CELL_PX * _CELL_PX)
    strips = []
    for top in range(0, padded(height), rows):
        level = _known(source, mask, (top, min(top + rows, padded(height)), 0, padded(width)))
        source.give_back()
        for _ in range(_FINE_LEVELS):
            level = _halved(*level)
        strips.append(level)
    levels: list[Level] = [(torch.cat([s for s, _ in strips], 2), torch.cat([k for _, k in strips], 2))]
    while max(levels[-1][0].shape[-2:]) > 1:
        levels.append(_halved(*levels[-1]))
    return _pulled(levels[-1][0].new_zeros(1, 3, 1, 1), levels)
