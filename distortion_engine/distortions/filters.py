"""Convolution, blur, box means and warping of `(C, H, W)` tensors, with mirrored borders.

Two implementations of each: OpenCV on the CPU (`opencv_filters.py`), where it is faster, and kornia on other devices
and wherever gradients are wanted. They agree within `FILTER_TOLERANCE` on images in [0, 1]. kornia has no border that
repeats the edge pixel, so images are padded before its filters and cut afterwards. What has no counterpart in kornia
is written in PyTorch: that border, bicubic shifts by a part of a pixel, and resampling by any real factor. kornia is
imported where it is used, because that takes longer than most commands.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from distortion_engine.distortions import opencv_filters

FILTER_TOLERANCE = 4e-4  # a tenth of a code value; reached by wide Gaussians at a step from black to white


def fast_path(*values: Tensor | float) -> bool:
    """Whether OpenCV may stand in for PyTorch: float32 on the CPU, and nobody asks for gradients."""
    return all(
        not isinstance(value, Tensor)
        or (value.device.type == "cpu" and value.dtype == torch.float32 and not value.requires_grad)
        for value in values
    )


def each_plane(image: Float[Tensor, "c _ _"], work: Callable[[np.ndarray], np.ndarray]) -> Float[Tensor, "c _ _"]:
    """`work` on every channel of a CPU tensor, as a new tensor; `work` may change the size."""
    planes = image.detach().contiguous().numpy()
    first = work(planes[0])
    result = np.empty((len(planes), *first.shape), np.float32)
    result[0] = first
    for channel in range(1, len(planes)):
        result[channel] = work(planes[channel])
    return torch.from_numpy(result)


def pad_symmetric(
    image: Float[Tensor, "c h w"], rows: int, columns: int
) -> Float[Tensor, "c h+2*{rows} w+2*{columns}"]:
    """Mirrors an image about its edges, edge pixel repeated; the margin may be wider than the image itself."""
    if fast_path(image):
        return each_plane(image, lambda plane: opencv_filters.padded(plane, rows, columns))
    return image[:, _mirrored(image.shape[1], rows, image)][:, :, _mirrored(image.shape[2], columns, image)]


def _mirrored(size: int, margin: int, like: Tensor) -> Tensor:
    index = torch.arange(-margin, size + margin, device=like.device) % (2 * size)
    return torch.where(index < size, index, 2 * size - 1 - index)


def convolve(image: Float[Tensor, "c h w"], kernel: Float[Tensor, "_ _"]) -> Float[Tensor, "c h w"]:
    """Correlates each channel with a kernel of odd sides; borders are mirrored."""
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    if fast_path(image):
        parts = opencv_filters.bands(kernel.to(torch.float32).numpy())
        return each_plane(image, lambda plane: opencv_filters.correlated(plane, parts, rows, columns))
    from kornia.filters import filter2d

    with _single_precision(image):
        return filter2d(pad_symmetric(image, rows, columns)[None], kernel.to(image)[None], padding="valid")[0]


def _single_precision(image: Tensor) -> AbstractContextManager[object]:
    """cuDNN would round to TF32, ten bits of mantissa, unless told not to."""
    if not image.is_cuda:
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


def gaussian_kernel(sigma_px: float) -> Float[Tensor, " taps"]:
    """One-dimensional normalised Gaussian, cut off at four standard deviations, odd length, float32."""
    return torch.from_numpy(opencv_filters.gaussian_kernel(sigma_px))


def gaussian_energy(sigma_px: float) -> float:
    """Sum of the squared weights of the one-dimensional Gaussian: the standard deviation that white noise of unit
    variance has left after a blur in both directions."""
    return float((gaussian_kernel(sigma_px) ** 2).sum())


def gaussian(image: Float[Tensor, "c h w"], sigma_px: float) -> Float[Tensor, "c h w"]:
    """Blur `(C, H, W)` with a Gaussian of standard deviation `sigma_px` > 0."""
    if fast_path(image):
        return each_plane(image, lambda plane: opencv_filters.gaussian(plane, sigma_px))
    from kornia.filters import gaussian_blur2d

    side = len(gaussian_kernel(sigma_px))
    padded = pad_symmetric(image, side // 2, side // 2)[None]
    with _single_precision(image):
        return _without_margin(gaussian_blur2d(padded, side, (sigma_px, sigma_px)), side // 2)


def box(image: Float[Tensor, "c h w"], radius_px: int) -> Float[Tensor, "c h w"]:
    """Mean of `(C, H, W)` over a square of side `2 * radius_px + 1`."""
    if fast_path(image):
        return each_plane(image, lambda plane: opencv_filters.box(plane, radius_px))
    from kornia.filters import box_blur

    return _without_margin(box_blur(pad_symmetric(image, radius_px, radius_px)[None], 2 * radius_px + 1), radius_px)


def _without_margin(image: Tensor, margin: int) -> Tensor:
    """The only image of a batch `(1, C, H, W)` without its outer `margin` px."""
    height, width = image.shape[2:]
    return image[0, :, margin : height - margin, margin : width - margin]


def self_guided(image: Float[Tensor, "c h w"], radius_px: int, deviation: float) -> Float[Tensor, "c h w"]:
    """Guided filter of `(C, H, W)` with each channel as its own guide (He et al. 2010, eq. 5 to 8): smooths where the
    local standard deviation is well below `deviation`, the square root of their epsilon."""
    mean = box(image, radius_px)
    variance = (box(image * image, radius_px) - mean**2).clamp_min(0.0)
    slope = variance / (variance + deviation**2)
    return box(slope, radius_px) * image + box(mean - slope * mean, radius_px)


def pixel_grid(image: Float[Tensor, "c h w"]) -> tuple[Float[Tensor, "h 1"], Float[Tensor, "1 w"]]:
    """Row and column index of every pixel of `(C, H, W)`: `(H, 1)` and `(1, W)` float32."""
    rows = torch.arange(image.shape[1], dtype=torch.float32, device=image.device)
    columns = torch.arange(image.shape[2], dtype=torch.float32, device=image.device)
    return rows[:, None], columns[None, :]


def warp(
    image: Float[Tensor, "c h w"], down_px: Float[Tensor, "#h #w"] | float, right_px: Float[Tensor, "#h #w"] | float
) -> Float[Tensor, "c h w"]:
    """Pixel (y, x) of the result is `image` at (y + down_px, x + right_px), bilinear, edges repeated."""
    height, width = image.shape[1:]
    if fast_path(image, down_px, right_px):
        if not isinstance(down_px, Tensor) and not isinstance(right_px, Tensor):
            down, right = float(down_px), float(right_px)
            return each_plane(image, lambda plane: opencv_filters.shifted(plane, down, right))
        row, column = pixel_grid(image)
        y = (row + down_px).expand(height, width).contiguous().numpy()
        x = (column + right_px).expand(height, width).contiguous().numpy()
        return each_plane(image, lambda plane: opencv_filters.remapped(plane, y, x))
    from kornia.geometry.transform import remap

    row, column = pixel_grid(image)
    rows, columns = (row + down_px).expand(1, height, width), (column + right_px).expand(1, height, width)
    return remap(image[None], columns, rows, mode="bilinear", padding_mode="border", align_corners=True)[0]


def shift(image: Float[Tensor, "c h w"], down_px: float, right_px: float, crisp: float = 0.0) -> Float[Tensor, "c h w"]:
    """`warp` by the same offset everywhere.

    Args:
        image: any values.
        down_px: offset along the rows.
        right_px: offset along the columns.
        crisp: from bilinear (0) to bicubic interpolation (1; Catmull and Rom), which does not blur between pixels.
    """
    if crisp == 0.0:
        return warp(image, down_px, right_px)
    if fast_path(image):
        return each_plane(image, lambda plane: opencv_filters.shifted(plane, down_px, right_px, crisp))
    for axis, offset in ((1, down_px), (2, right_px)):
        whole, size = math.floor(offset), image.shape[axis]
        place = torch.arange(size, device=image.device) + whole - 1
        weights = opencv_filters.taps(offset - whole, crisp).tolist()
        parts = [image.index_select(axis, (place + i).clamp(0, size - 1)) * weights[i] for i in range(len(weights))]
        image = torch.stack(parts).sum(dim=0)
    return image


@dataclass(frozen=True)
class Sampling:
    """A banded matrix: output i is the sum of `weights[i, k]` times input `index[i, k]` of `size`."""

    index: Int[np.ndarray, "n taps"]
    weights: Float[np.ndarray, "n taps"]
    size: int

    def dense(self) -> Float[Tensor, "n {self.size}"]:
        """The matrix in float32."""
        matrix = torch.zeros(len(self.index), self.size, dtype=torch.float64)
        matrix.scatter_add_(1, torch.from_numpy(self.index), torch.from_numpy(self.weights))
        return matrix.to(torch.float32)

    def sparse(self) -> Any:
        """The matrix `(n, size)` float32 in SciPy's CSR form."""
        return opencv_filters.banded(self.index, self.weights, self.size)


def resample(
    image: Float[Tensor, "c _ _"], rows: Sequence[Sampling], columns: Sequence[Sampling]
) -> Float[Tensor, "c _ _"]:
    """Samples the columns of an image by each of `rows` in turn, then its rows by each of `columns`."""
    if fast_path(image):
        down, across = [one.sparse() for one in rows], [one.sparse() for one in columns]
        return each_plane(image, lambda plane: opencv_filters.resampled(plane, down, across))
    for one in rows:
        image = torch.matmul(one.dense().to(image), image)
    for one in columns:
        image = torch.matmul(image, one.dense().to(image).T)
    return image
