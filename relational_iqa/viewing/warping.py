"""Reading one image in the pixel grid of another, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

_REACH_PX = 5  # of Lanczos with 8 x 8 pixels, and one more


class Picture(Protocol):
    """An image (3, H, W) that is read in windows."""

    @property
    def shape(self) -> Sequence[int]: ...

    def window(self, top: int, bottom: int, left: int = 0, right: int | None = None) -> Tensor: ...


def warped_window(
    picture: Picture, matrix: Float64[np.ndarray, "2 3"], top: int, bottom: int, left: int, right: int
) -> Float32[np.ndarray, "{bottom-top} {right-left} 3"]:
    """A window of the grid of another image, taken from `picture`: Lanczos over 8 x 8 pixels, clamped to [0, 1].

    Args:
        picture: is read as far as the window needs; beyond its border its last pixel is repeated.
        matrix: place (x, y, 1) in the grid of the window -> place in `picture`; centres of pixels are whole numbers.
        top: first row.
        bottom: row after the last.
        left: first column.
        right: column after the last.
    """
    corners = np.array([[x, y, 1.0] for x in (left, right - 1) for y in (top, bottom - 1)]) @ matrix.T
    _, height, width = picture.shape
    (first_x, last_x), (first_y, last_y) = (
        _span(corners[:, axis], length) for axis, length in ((0, width), (1, height))
    )
    source = picture.window(first_y, last_y, first_x, last_x)
    pixels = np.ascontiguousarray(source.detach().cpu().numpy().transpose(1, 2, 0))
    x, y = np.arange(left, right, dtype=np.float64), np.arange(top, bottom, dtype=np.float64)[:, None]
    across = (matrix[0, 0] * x + matrix[0, 1] * y + (matrix[0, 2] - first_x)).astype(np.float32)
    down = (matrix[1, 0] * x + matrix[1, 1] * y + (matrix[1, 2] - first_y)).astype(np.float32)
    found = cv2.remap(pixels, across, down, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(found, 0, 1)


def as_tensor(pixels: Float32[np.ndarray, "h w 3"]) -> Float32[Tensor, "3 h w"]:
    """The same values as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _span(places: np.ndarray, length: int) -> tuple[int, int]:
    """First pixel, and the one after the last, that a window needs on one side; at least one of the image."""
    first = int(np.floor(places.min())) - _REACH_PX
    stop = int(np.ceil(places.max())) + _REACH_PX + 1
    first = min(max(first, 0), length - 1)
    return first, max(min(stop, length), first + 1)
