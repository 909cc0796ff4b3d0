"""Filters and random fields that distortions are made of: exact, and the same on any number of threads."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from distortion_engine.distortions.color_conversion import from_linear, luma, power, to_linear
from distortion_engine.distortions.filters import FILTER_TOLERANCE, box, convolve, gaussian, warp
from distortion_engine.distortions.random_fields import hits, unit_normal, unit_uniform

IMAGES = Path(__file__).parents[2] / "images"


def photo(number: int) -> Tensor:
    pixels = np.array(Image.open(IMAGES / f"photo_{number}.png"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0


PHOTOS = torch.cat([photo(1), photo(2), photo(3)])


def test_linear_light_round_trip():
    ramp = torch.linspace(0.0, 1.0, 1001)
    assert torch.allclose(from_linear(to_linear(ramp)), ramp, atol=3e-5)  # 16 bits each way
    assert float(to_linear(torch.full((1, 1), 0.5))) == pytest.approx(0.21404, abs=1e-5)  # IEC 61966-2-1


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.9, 4.0, 5.0, 7.9, 8.0, 16.0, 24.0])
def test_the_pyramid_blurs_like_the_gaussian_it_stands_for(sigma: float):
    edge = torch.zeros(1, 61, 83)
    edge[:, 20:44, 11:52] = 1.0
    exact = gaussian(edge.clone().requires_grad_(True), sigma).detach()
    assert float((gaussian(edge, sigma) - exact).abs().max()) < FILTER_TOLERANCE


def test_filters_give_the_same_bits_for_any_number_of_opencv_threads():
    image = PHOTOS[0].repeat(1, 3, 3)
    kernel = torch.rand((15, 21), generator=torch.Generator().manual_seed(0))
    offsets = 3.0 * torch.randn((2, *image.shape[1:]), generator=torch.Generator().manual_seed(1))
    before, results = cv2.getNumThreads(), []
    try:
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            filtered = [gaussian(image, 1.3), gaussian(image, 9.0), box(image, 4), convolve(image, kernel / 99.0)]
            filtered += [warp(image, offsets[0], offsets[1]), warp(image, 1.4, -2.7), power(image, 1.7)]
            filtered += [to_linear(image), from_linear(image), luma(image)]
            results.append(filtered)
    finally:
        cv2.setNumThreads(before)
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_random_fields_have_the_moments_they_claim_and_longer_ones_begin_alike():
    like, seeded = torch.zeros(1), torch.Generator().manual_seed
    normal, uniform = unit_normal((1, 400, 500), seeded(3), like), unit_uniform((1, 400, 500), seeded(4), like)
    assert abs(float(normal.mean())) < 0.01 and float(normal.std()) == pytest.approx(1.0, abs=0.01)
    assert float((normal**4).mean()) == pytest.approx(3.0, abs=0.05)  # the fourth moment of a Gaussian
    neighbours = torch.corrcoef(torch.stack([normal.flatten()[:-1], normal.flatten()[1:]]))
    assert abs(float(neighbours[0, 1])) < 0.01
    assert float(uniform.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(uniform.std()) == pytest.approx(12**-0.5, abs=0.005)
    few, many = (hits(10_000, probability, seeded(5)) for probability in (0.05, 0.3))
    assert all((short == long[: len(short)]).all() for short, long in zip(few, many, strict=True))
    assert len(np.unique(many[0])) / 10_000 == pytest.approx(0.3, abs=0.02)
