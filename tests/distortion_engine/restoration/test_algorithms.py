"""Restoration algorithms: the published formulas at single pixels, and that each does what it is for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from distortion_engine.reading.image_io import load_image
from distortion_engine.restoration import bm3d, damage, deblurring, denoising, upscaling

PHOTO = load_image(Path(__file__).parents[2] / "images" / "photo_2.png")[:, 8:80, 8:92].contiguous()
STEP = torch.cat([torch.full((3, 64, 32), 0.3), torch.full((3, 64, 32), 0.7)], 2)
DENOISERS = {
    "non_local_means": denoising.non_local_means,
    "total_variation": denoising.total_variation,
    "wavelets": denoising.wavelet_shrinkage,
    "bilateral": denoising.bilateral,
    "guided": denoising.guided,
    "local_wiener": denoising.local_wiener,
    "bm3d": bm3d.bm3d,
}


def noisy(image: Tensor, deviation: float) -> Tensor:
    return damage.white_noise(image, deviation, torch.Generator().manual_seed(1))


def psnr(image: Tensor, reference: Tensor) -> float:
    return float(-10 * torch.log10((image - reference).square().mean()))


@pytest.mark.parametrize("name", DENOISERS)
def test_a_denoiser_takes_noise_out_of_an_edge_and_more_where_it_is_told_more(name: str):
    dirty = noisy(STEP, 0.08)
    cleaned = DENOISERS[name](dirty, 0.08)
    assert psnr(cleaned, STEP) > psnr(dirty, STEP) + 3
    spread = [float(DENOISERS[name](dirty, told)[:, 8:-8, 40:56].std()) for told in (0.02, 0.08, 0.2)]
    assert spread[0] > 1.5 * max(spread[1:])


@pytest.mark.parametrize("name", DENOISERS)
def test_a_denoiser_is_pure_and_stays_in_range(name: str):
    before = PHOTO.clone()
    first, second = (DENOISERS[name](PHOTO, 0.05) for _ in range(2))
    assert torch.equal(PHOTO, before) and torch.equal(first, second)
    assert first.shape == PHOTO.shape and first.dtype == torch.float32 and 0 <= first.min() and first.max() <= 1


def window(image: Tensor, row: int, column: int, radius: int) -> np.ndarray:
    return image[0, row - radius : row + radius + 1, column - radius : column + radius + 1].double().numpy()


def test_the_local_wiener_filter_is_lees():
    patch = window(PHOTO, 30, 40, 2)
    mean, variance = patch.mean(), patch.var()
    expected = mean + max(variance - 0.03**2, 0) / variance * (float(PHOTO[0, 30, 40]) - mean)
    assert float(denoising.local_wiener(PHOTO, 0.03)[0, 30, 40]) == pytest.approx(expected, abs=1e-5)


def test_the_guided_filter_averages_the_lines_of_all_windows_over_a_pixel():
    slopes, offsets = [], []
    for row in range(29, 32):
        for column in range(39, 42):
            patch = window(PHOTO, row, column, 1)
            slope = patch.var() / (patch.var() + 4 * 0.05**2)
            slopes.append(slope)
            offsets.append(patch.mean() - slope * patch.mean())
    expected = np.mean(slopes) * float(PHOTO[0, 30, 40]) + np.mean(offsets)
    assert float(denoising.guided(PHOTO, 0.05, radius_px=1)[0, 30, 40]) == pytest.approx(expected, abs=1e-5)


def test_the_median_is_the_median():
    patch = PHOTO[1, 29:32, 39:42].numpy()
    assert float(denoising.median(PHOTO, 3)[1, 30, 40]) == float(np.median(patch))


def test_bm3d_told_of_no_noise_gives_the_image_back():
    torch.testing.assert_close(bm3d.bm3d(PHOTO, 0.0), PHOTO, atol=1e-5, rtol=0)


def test_bm3d_beats_the_local_filters_on_a_repeated_texture():
    x = torch.arange(96.0)
    pattern = (0.5 + 0.2 * torch.sin(x[None, :] * 1.3) * torch.sin(x[:, None] * 0.9)).expand(3, 96, 96).contiguous()
    dirty = noisy(pattern, 0.1)
    best = max(psnr(DENOISERS[name](dirty, 0.1), pattern) for name in ("bilateral", "guided", "local_wiener"))
    assert psnr(bm3d.bm3d(dirty, 0.1), pattern) > best + 3


def test_blocks_that_are_equal_are_found():
    plane = np.random.default_rng(1).random((40, 40)).astype(np.float32)
    plane[20:28, 22:30] = plane[16:24, 12:20]
    blocks = bm3d.Blocks(plane.shape)
    tops, lefts = blocks.matches(plane)
    index = next(i for i in range(len(tops)) if tops[i, 0] == 16 and lefts[i, 0] == 12)
    assert (tops[index, 1], lefts[index, 1]) == (20, 22)
    for i in range(0, len(tops), 17):  # distances are those of the blocks, and rise
        own = plane[tops[i, 0] : tops[i, 0] + 8, lefts[i, 0] : lefts[i, 0] + 8]
        others = [plane[y : y + 8, x : x + 8] for y, x in zip(tops[i], lefts[i], strict=True)]
        distances = [float(((other - own) ** 2).sum()) for other in others]
        assert distances[0] == 0 and distances == pytest.approx(sorted(distances), abs=1e-4)


def test_one_step_of_richardson_lucy_is_the_quotient_blurred():
    image = PHOTO.clamp(0.05, 0.95)
    plane = image[0].double().numpy()
    blurred = gaussian_filter(plane, 1.2, mode="reflect", truncate=5)
    expected = plane * gaussian_filter(plane / blurred, 1.2, mode="reflect", truncate=5)
    ours = deblurring.richardson_lucy(image, 1.2, 1)[0].numpy()
    assert np.abs(ours - expected.clip(0, 1)).max() < 4e-3


def test_wiener_deconvolution_undoes_the_blur_that_it_knows():
    blurred = deblurring.blurred(PHOTO, 1.0)
    sharp = deblurring.wiener_deconvolution(blurred, 1.0, 1e-3)
    assert psnr(sharp[:, 8:-8, 8:-8], PHOTO[:, 8:-8, 8:-8]) > psnr(blurred[:, 8:-8, 8:-8], PHOTO[:, 8:-8, 8:-8]) + 8


def test_wiener_deconvolution_is_the_quotient_in_the_fourier_domain():
    x = torch.arange(96.0)
    wave = (0.5 + 0.2 * torch.cos(2 * torch.pi * x / 12)).expand(3, 64, 96).contiguous()
    transfer = np.exp(-2 * (np.pi * 1.5 / 12) ** 2)
    gain = transfer / (transfer**2 + 0.1)
    ours = deblurring.wiener_deconvolution(wave, 1.5, 0.1)[0, 32, 36:60].numpy()
    assert np.ptp(ours) == pytest.approx(0.4 * gain, rel=0.02)


def test_an_unsharp_mask_adds_what_a_blur_takes():
    expected = PHOTO[0].numpy() + 0.8 * (PHOTO[0].numpy() - gaussian_filter(PHOTO[0].numpy(), 1.0, truncate=5))
    assert np.abs(deblurring.unsharp_mask(PHOTO, 1.0, 0.8)[0].numpy() - expected.clip(0, 1)).max() < 2e-3


def test_a_long_blur_lies_along_its_angle():
    point = torch.zeros(3, 61, 61)
    point[:, 30, 30] = 1.0
    spread = deblurring.blurred(point, 1.5, angle_deg=90.0, ratio=2.0)[0]
    y, x = torch.meshgrid(torch.arange(61.0) - 30, torch.arange(61.0) - 30, indexing="ij")
    assert float((spread * y * y).sum()) == pytest.approx(9.0, rel=0.03)
    assert float((spread * x * x).sum()) == pytest.approx(2.25, rel=0.03)


def test_nearest_repeats_and_the_others_keep_a_ramp():
    small = PHOTO[:, :6, :8]
    assert torch.equal(upscaling.enlarge(small, 3, "nearest"), small.repeat_interleave(3, 1).repeat_interleave(3, 2))
    ramp = torch.linspace(0.1, 0.9, 24).expand(3, 24, 24).contiguous()
    step = (0.9 - 0.1) / 23 / 2
    for interpolation in ("bilinear", "bicubic", "lanczos"):
        large = upscaling.enlarge(ramp, 2, interpolation)[0, 20, 12:-12]
        assert np.allclose(np.diff(large.numpy()), step, atol=2e-3), interpolation


def test_back_projection_ends_where_the_shrunk_estimate_is_the_small_image():
    small = damage.shrink(PHOTO, 2, "bicubic")
    estimates = [upscaling.back_projected(small, 2, "bicubic", "bicubic", n) for n in (0, 2, 10)]
    residues = [float((damage.shrink(estimate, 2, "bicubic") - small).abs().mean()) for estimate in estimates]
    assert residues[0] > 2 * residues[1] > 4 * residues[2]


def test_one_back_projection_adds_the_residue_enlarged():
    small = damage.shrink(PHOTO, 2, "area")
    first = upscaling.enlarge(small, 2, "bilinear")
    residue = small - damage.shrink(first, 2, "area")
    expected = first + torch.nn.functional.interpolate(residue[None], scale_factor=2, mode="bilinear")[0]
    torch.testing.assert_close(
        upscaling.back_projected(small, 2, "bilinear", "area", 1), expected.clamp(0, 1), atol=1e-5, rtol=0
    )
