"""Every filter is the same on its two branches, OpenCV on the CPU and kornia elsewhere, borders included.

A tensor that wants gradients takes the other branch on any machine, so no GPU is needed here.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from kornia import filters as kornia_filters
from torch import Tensor

from distortion_engine.distortions import blur, color_conversion, filters
from distortion_engine.distortions.interpolation import CUBIC, LANCZOS, enlarging, shrinking
from distortion_engine.reading.image_io import load_image

PHOTO = load_image(Path(__file__).parents[2] / "images" / "photo_1.png")[:, 30:79, 20:87].contiguous()
KERNEL = torch.rand((5, 9), generator=torch.Generator().manual_seed(1)) / 20.0
FIELD = 4.0 * torch.randn((2, *PHOTO.shape[1:]), generator=torch.Generator().manual_seed(2))
ROWS, COLUMNS = ([shrinking(size, 2.3, 2.3, LANCZOS), enlarging(size, 2.3, CUBIC)] for size in PHOTO.shape[1:])
ROUNDING = 3e-6  # a few roundings of float32
# Name, filter, largest difference of a pixel in [0, 1].
FILTERS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "pad_symmetric": (lambda image: filters.pad_symmetric(image, 7, 60), 0.0),
    "convolve": (lambda image: filters.convolve(image, KERNEL), ROUNDING),
    "convolve, wider than the image": (lambda image: filters.convolve(image, torch.full((1, 151), 1 / 151)), ROUNDING),
    "gaussian, 0.4 px": (lambda image: filters.gaussian(image, 0.4), ROUNDING),
    "gaussian, 3.9 px": (lambda image: filters.gaussian(image, 3.9), ROUNDING),
    "gaussian by a pyramid, 4 px": (lambda image: filters.gaussian(image, 4.0), filters.FILTER_TOLERANCE),
    "gaussian by a pyramid, 20 px": (lambda image: filters.gaussian(image, 20.0), filters.FILTER_TOLERANCE),
    "box, 0 px": (lambda image: filters.box(image, 0), ROUNDING),
    "box, 8 px": (lambda image: filters.box(image, 8), ROUNDING),
    "self_guided": (lambda image: filters.self_guided(image, 3, 0.1), 3e-5),  # a quotient of small differences
    "warp by one offset": (lambda image: filters.warp(image, 1.4, -2.7), 3e-5),  # of coordinates near 60
    "warp beyond the border": (lambda image: filters.warp(image, -70.0, 80.5), 3e-5),
    "warp by a field": (lambda image: filters.warp(image, FIELD[0], FIELD[1]), 2e-2),  # OpenCV: 32 steps a px
    "shift, bicubic": (lambda image: filters.shift(image, 0.3, -2.6, 1.0), ROUNDING),
    "resample": (lambda image: filters.resample(image, ROWS, COLUMNS), ROUNDING),
    "luma": (color_conversion.luma, ROUNDING),
    "mean_luma": (color_conversion.mean_luma, ROUNDING),
    "power": (lambda image: color_conversion.power(image, 1.7), ROUNDING),
    "to_linear": (color_conversion.to_linear, 2e-5),  # a table of 16 bits
    "from_linear": (color_conversion.from_linear, 2e-5),
}


@pytest.mark.parametrize("name", FILTERS)
def test_both_branches_agree_everywhere(name: str):
    work, tolerance = FILTERS[name]
    fast, other = work(PHOTO), work(PHOTO.clone().requires_grad_(True))
    assert other.requires_grad and not fast.requires_grad
    assert fast.shape == other.shape and fast.dtype == other.dtype == torch.float32
    assert float((fast - other.detach()).abs().max()) <= tolerance


def inside(image: Tensor, margin: int) -> Tensor:
    """Borders differ: kornia mirrors without the edge pixel."""
    return image[..., margin:-margin, margin:-margin]


@pytest.mark.parametrize("radius_px", [0.8, 2.0])
def test_sharpening_is_the_unsharp_mask_of_kornia(radius_px: float):
    side = 2 * len(filters.gaussian_kernel(radius_px)) + 1
    theirs = kornia_filters.unsharp_mask(PHOTO[None], side, (radius_px, radius_px))[0].clamp(0.0, 1.0)
    ours = blur.halo_sharpen(PHOTO, 1.0, torch.Generator(), radius_px=radius_px, all_channels=1.0)
    margin = len(filters.gaussian_kernel(radius_px)) // 2
    assert torch.allclose(inside(ours, margin), inside(theirs, margin), atol=1e-4)  # our kernel ends at 4 sigma


def test_the_self_guided_filter_is_the_guided_blur_of_kornia_on_each_channel():
    channels = PHOTO[:, None]
    theirs = kornia_filters.guided_blur(channels, channels, 7, 0.1**2)[:, 0]
    assert torch.allclose(inside(filters.self_guided(PHOTO, 3, 0.1), 6), inside(theirs, 6), atol=3e-5)


def test_kornia_is_imported_only_where_it_is_used():
    code = "import sys, distortion_engine.render; assert not any(name.startswith('kornia') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
