"""The restoration networks that ship with the engine are those of their card and do what they were trained for."""

import json

import pytest
import torch
from torch import Tensor

from distortion_engine.jobs.safe_files import file_sha256
from distortion_engine.recipe import Operation
from distortion_engine.restoration.neural import SHIPPED, network_names, read_networks, restored, shipped_networks
from distortion_engine.restoration.operations import apply

MOST_BYTES = 20_000_000


def error(image: Tensor, reference: Tensor) -> float:
    return float((image - reference).square().mean())


def test_the_file_is_that_of_its_card():
    card = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == file_sha256(SHIPPED)
    assert card["networks"] == {
        name: sum(p.numel() for p in trained.network.parameters()) for name, trained in read_networks(SHIPPED).items()
    }
    assert SHIPPED.stat().st_size < MOST_BYTES


def test_there_is_a_denoiser_and_an_upscaler_of_every_factor_at_several_stages_of_training():
    for factor in (1, 2, 3, 4):
        names = network_names(factor)
        assert len({name.rsplit("-", 1)[1] for name in names}) >= 2, factor
        assert len({name.rsplit("-", 1)[0] for name in names}) >= 2, factor


def test_trained_denoisers_take_noise_away_and_longer_training_takes_more(photos: list[Tensor]):
    networks = shipped_networks()
    for photo in photos[:2]:
        noisy = apply(photo, (Operation("white_noise", {"deviation": 0.1}, 3),))
        after = [error(restored(noisy, networks[f"denoise-l1-{step}"].network), photo) for step in (100, 400, 1200)]
        assert after[2] < after[1] < after[0] < error(noisy, photo)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_trained_upscalers_are_nearer_the_photograph_than_bicubic_interpolation(photos: list[Tensor], factor: int):
    shrunk = Operation("shrink", {"factor": factor, "kernel": "area", "sigma_px": 1.0})
    ours = Operation("neural", {"network": f"upscale{factor}-l1-1200", "strength": 1.0})
    bicubic = Operation("enlarge", {"factor": factor, "interpolation": "bicubic"})
    errors = [sum(error(apply(photo, (shrunk, way)), photo) for photo in photos) for way in (ours, bicubic)]
    assert errors[0] < errors[1]


def test_every_network_keeps_the_range_of_images():
    image = torch.rand(3, 24, 20, generator=torch.Generator().manual_seed(0))
    for name, trained in shipped_networks().items():
        out = restored(image, trained.network, 3.0)
        factor = trained.network.architecture.factor
        assert out.shape == (3, 24 * factor, 20 * factor), name
        assert float(out.min()) >= 0 and float(out.max()) <= 1, name
