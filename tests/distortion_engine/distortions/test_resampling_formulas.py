"""Lost resolution against literal matrices of the textbook kernels, and sparse coding against SciPy's DCT."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn

from distortion_engine.distortions import resampling, sparse, upscaling
from distortion_engine.distortions.random_fields import unit_normal, unit_uniform
from tests.distortion_engine.distortions.literal import (
    PHOTO,
    ROUNDING,
    SOFT,
    array,
    difference,
    down_up,
    enlarging,
    gaussian,
    keys_cubic,
    seeded,
    shrinking,
)


def triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def lanczos3(x: float) -> float:
    if x == 0.0:
        return 1.0
    return 3.0 * math.sin(math.pi * x) * math.sin(math.pi * x / 3.0) / (math.pi * x) ** 2 if abs(x) < 3.0 else 0.0


@pytest.mark.parametrize("amount", [0.8, 2.3])
@pytest.mark.parametrize(
    ("resize", "kernel"),
    [
        (resampling.resize_bilinear, triangle),
        (resampling.resize_bicubic, keys_cubic),
        (resampling.resize_lanczos, lanczos3),
    ],
)
def test_down_and_up_sampling_is_the_kernel_stretched_by_the_factor_and_then_the_kernel(
    resize: Callable[..., torch.Tensor], kernel: Callable[[float], float], amount: float
):
    factor = 1.0 + amount
    assert difference(resize(SOFT, amount, seeded()), down_up(array(SOFT), factor, factor, kernel)) < ROUNDING


def test_pixelate_makes_blocks_of_any_real_width_their_mean():
    side, x = 3.4, array(SOFT)
    means = []
    for size in x.shape[1:]:
        edges = [min(i * side, size) for i in range(math.ceil(size / side) + 1)]
        overlap = [
            [max(0.0, min(b, p + 1) - max(a, p)) for p in range(size)] for a, b in zip(edges, edges[1:], strict=False)
        ]
        block = [int((p + 0.5) / side) for p in range(size)]
        matrix = np.array(overlap)
        means.append((matrix / matrix.sum(axis=1, keepdims=True))[block])
    assert difference(resampling.pixelate(SOFT, side - 1.0, seeded()), means[0] @ x @ means[1].T) < ROUNDING


def test_nearest_neighbours_show_the_pixel_under_the_middle_of_the_cell():
    factor, x = 2.6, array(SOFT)
    rows, columns = (
        [min(int((int((p + 0.5) / factor) + 0.5) * factor), size - 1) for p in range(size)] for size in x.shape[1:]
    )
    assert difference(resampling.resize_nearest(SOFT, factor - 1.0, seeded()), x[:, rows][:, :, columns]) == 0.0


@pytest.mark.parametrize("name", ["pixelate", "resize_nearest", "resize_bilinear", "resize_bicubic", "resize_lanczos"])
def test_small_amounts_are_mixed_with_the_original_in_proportion(name: str):
    distort = getattr(resampling, name)
    full_from = 0.4 if name in ("pixelate", "resize_nearest") else 0.5
    whole, share = distort.__wrapped__(SOFT, 0.25 * full_from, seeded()), 0.25
    expected = array(SOFT) + share * (array(whole) - array(SOFT))
    assert difference(distort(SOFT, 0.25 * full_from, seeded()), expected) < ROUNDING


def test_sr_sharpened_is_a_cubic_down_and_up_with_an_unsharp_mask_as_wide_as_the_factor():
    factor = 2.2
    soft = down_up(array(SOFT), factor, factor, keys_cubic)
    expected = soft + 1.4 * (soft - gaussian(soft, 0.6 * factor))
    assert difference(upscaling.sr_sharpened(SOFT, factor - 1.0, seeded(), gain=1.4), expected) < 2e-5


def test_sr_aliased_shrinks_with_the_kernel_of_the_large_image():
    expected = down_up(array(SOFT), 2.7, 1.0, keys_cubic)
    assert difference(upscaling.sr_aliased(SOFT, 1.7, seeded()), expected) < ROUNDING


def test_sr_painted_takes_the_most_even_of_four_sectors():
    factor = 4.0 / 0.75  # sectors at a whole number of pixels
    soft = down_up(array(SOFT), factor, factor, keys_cubic)
    mean, square = gaussian(soft, 0.6 * 4.0), gaussian(soft**2, 0.6 * 4.0)
    variance = np.maximum((square - mean**2).sum(axis=0), 0.0)
    height, width = variance.shape
    total, weights = np.zeros_like(mean), np.zeros_like(variance)
    for down, right in ((-4, -4), (-4, 4), (4, -4), (4, 4)):
        rows, columns = (
            np.clip(np.arange(height) + down, 0, height - 1),
            np.clip(np.arange(width) + right, 0, width - 1),
        )
        weight = (variance[rows][:, columns] + 1e-4) ** -4.0
        total, weights = total + weight * mean[:, rows][:, :, columns], weights + weight
    assert difference(upscaling.sr_painted(SOFT, factor - 1.0, seeded()), total / weights) < 2e-3


def test_sr_back_projection_corrects_six_times_through_a_filter_that_is_too_wide():
    factor, x = 2.2, array(SOFT)
    up = [enlarging(size, factor, keys_cubic) for size in x.shape[1:]]
    down = [shrinking(size, factor, factor, keys_cubic) for size in x.shape[1:]]
    assumed = [shrinking(size, factor, 1.35 * factor, keys_cubic) for size in x.shape[1:]]
    small = down[0] @ x @ down[1].T
    rebuilt = up[0] @ small @ up[1].T
    for _ in range(6):
        missing = small - assumed[0] @ rebuilt @ assumed[1].T
        rebuilt = rebuilt + up[0] @ missing @ up[1].T
    assert difference(upscaling.sr_back_projection(SOFT, factor - 1.0, seeded()), rebuilt) < 2e-5


def shrunk(image: np.ndarray, threshold: float, down: int, right: int, hard: bool) -> np.ndarray:
    """Thresholded DCT coefficients of blocks of 8 px that begin (down, right) px before the image; means stay."""
    height, width = image.shape[1:]
    padded = np.pad(image, ((0, 0), (8, 16), (8, 16)), mode="symmetric")
    result = np.zeros_like(padded)
    for c in range(3):
        for y in range(8 - down, height + 8, 8):
            for x in range(8 - right, width + 8, 8):
                block = dctn(padded[c, y : y + 8, x : x + 8], norm="ortho")
                size = np.abs(block)
                kept = (
                    np.where(size > threshold, block, 0.0) if hard else np.sign(block) * np.maximum(size - threshold, 0)
                )
                kept[0, 0] = block[0, 0]
                result[c, y : y + 8, x : x + 8] = idctn(kept, norm="ortho")
    return result[:, 8 : 8 + height, 8 : 8 + width]


@pytest.mark.parametrize("hard", [False, True])
def test_shrinkage_of_a_block_dct_is_that_of_scipy(hard: bool):
    result = sparse.shrunk(PHOTO, 0.06, 3, 5, hard=hard)
    assert np.abs(array(result) - shrunk(array(PHOTO), 0.06, 3, 5, hard)).max() < 1e-5


def test_denoise_residual_is_noise_and_four_block_grids_of_hard_thresholds():
    noisy = array(SOFT) + 0.05 * array(unit_normal(SOFT.shape, seeded(), SOFT))
    grids = [shrunk(noisy, 2.9 * 0.05, *origin, hard=True) for origin in ((0, 0), (4, 2), (2, 5), (6, 7))]
    off = np.abs(array(upscaling.denoise_residual(SOFT, 0.05, seeded())) - sum(grids) / 4.0)
    assert np.median(off) < 1e-5 and (off > 1e-4).mean() < 0.01  # a coefficient at the threshold may go either way


def test_sparse_sampling_rebuilds_lost_pixels_by_falling_thresholds_on_twelve_grids():
    x, lost = array(SOFT), 0.6
    known = array(unit_uniform((1, *SOFT.shape[1:]), seeded(), SOFT)) >= lost
    sigma_px = 0.7 / math.sqrt(1.0 - lost)
    rebuilt = np.where(known, x, gaussian(x * known, sigma_px) / np.maximum(gaussian(known * 1.0, sigma_px), 1e-6))
    origins = ((0, 0), (4, 4), (2, 6), (6, 2), (4, 0), (0, 4), (6, 6), (2, 2), (3, 1), (7, 5), (5, 3), (1, 7))
    for turn, origin in enumerate(origins):
        threshold = 0.15 * (0.01 / 0.15) ** (turn / 11)
        rebuilt = np.where(known, x, shrunk(rebuilt, threshold, *origin, hard=False))
    assert difference(sparse.sparse_sampling(SOFT, 100.0 * lost, seeded()), rebuilt) < 1e-4
