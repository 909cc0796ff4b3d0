"""Artefacts of super-resolution and restoration: each leaves the trace it is named after, and starts gently."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.distortions.onset import eased
from distortion_engine.reading.image_io import load_image

PHOTO = load_image(Path(__file__).parents[2] / "images" / "photo_1.png")[:, 20:148, 30:158].contiguous()
UPSCALED = ("sr_sharpened", "sr_aliased", "sr_painted", "sr_back_projection")
EASED = (*UPSCALED, "pixelate", "resize_nearest", "resize_bilinear", "resize_bicubic", "resize_lanczos")


def run(name: str, image: Tensor, amount: float) -> Tensor:
    spec = DISTORTIONS[name]
    params = spec.sample_params(np.random.default_rng(1))
    return spec.apply(image, amount, torch.Generator().manual_seed(3), **params)


def edge() -> Tensor:
    """Dark left half, bright right half."""
    return torch.cat([torch.full((3, 64, 32), 0.25), torch.full((3, 64, 32), 0.75)], dim=2)


def roughness(image: Tensor) -> float:
    return float((image[:, 1:] - image[:, :-1]).abs().mean() + (image[:, :, 1:] - image[:, :, :-1]).abs().mean())


@pytest.mark.parametrize("name", EASED)
def test_damage_grows_from_nothing_without_a_jump(name: str):
    top = DISTORTIONS[name].ladder[0]
    errors = [float((run(name, PHOTO, share * top) - PHOTO).abs().mean()) for share in (0.01, 0.05, 0.2, 0.6, 1.0)]
    assert errors[0] < 0.05 * errors[-1]
    assert all(low < high for low, high in zip(errors, errors[1:], strict=False))


@pytest.mark.parametrize("name", ["sr_sharpened", "sr_back_projection"])
def test_sharpening_and_back_projection_overshoot_at_an_edge_and_plain_upscaling_hardly_does(name: str):
    over = float(run(name, edge(), 2.0).max()) - 0.75
    assert over > 2 * (float(run("resize_bicubic", edge(), 2.0).max()) - 0.75) and over > 0.02


def test_back_projection_rings_further_from_the_edge_than_sharpening_does_not_cross_it_once():
    profile = run("sr_back_projection", edge(), 3.0)[0, 32, 36:] - 0.75
    signs = torch.sign(torch.where(profile.abs() > 5e-4, profile, torch.zeros_like(profile)))
    signs = signs[signs != 0]
    assert int((signs[1:] != signs[:-1]).sum()) >= 2  # above, below, above


def test_sampling_without_a_filter_keeps_energy_that_belongs_to_no_frequency_of_the_small_image():
    rows = torch.arange(96, dtype=torch.float32)
    waves = (0.5 + 0.4 * torch.cos(2.0 * torch.pi * rows / 2.6))[None, :, None].expand(3, 96, 96).contiguous()
    aliased, filtered = run("sr_aliased", waves, 2.0), run("resize_bicubic", waves, 2.0)
    assert float(aliased[:, 8:-8].std()) > 4 * float(filtered[:, 8:-8].std())


def test_painting_takes_texture_away_and_keeps_an_edge_that_blurring_by_as_much_loses():
    generator = torch.Generator().manual_seed(0)
    textured = (edge() + 0.04 * torch.randn((3, 64, 64), generator=generator)).clamp(0, 1)
    painted, blurred = run("sr_painted", textured, 2.5), run("resize_bicubic", textured, 2.5)
    inside = (slice(None), slice(8, 56), slice(4, 24))
    assert roughness(painted[inside]) < 0.25 * roughness(textured[inside])
    slopes = [float((image[:, :, 1:] - image[:, :, :-1]).mean(dim=(0, 1)).max()) for image in (painted, blurred)]
    assert slopes[0] > 1.3 * slopes[1]


def test_what_denoising_leaves_is_weaker_and_smoother_than_the_noise_was():
    flat = torch.full((3, 64, 64), 0.5)
    left = run("denoise_residual", flat, 0.08) - flat
    assert 0.003 < float(left.std()) < 0.04
    neighbours = torch.corrcoef(torch.stack([left[:, :, 1:].flatten(), left[:, :, :-1].flatten()]))[0, 1]
    assert float(neighbours) > 0.25  # that of the noise is 0


def test_easing_changes_nothing_from_its_amount_on_and_mixes_below_it():
    plain = DISTORTIONS["contrast_down"].apply
    soft = eased(0.4)(plain)
    for amount in (0.4, 0.6):
        assert torch.equal(soft(PHOTO, amount, torch.Generator()), plain(PHOTO, amount, torch.Generator()))
    mixed = PHOTO + 0.25 * (plain(PHOTO, 0.1, torch.Generator()) - PHOTO)
    assert torch.allclose(soft(PHOTO, 0.1, torch.Generator()), mixed, atol=1e-6)
