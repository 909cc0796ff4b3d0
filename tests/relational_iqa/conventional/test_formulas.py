"""Every conventional metric is the formula of its paper, on the shipped photographs with damages of many kinds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from relational_iqa.conventional import METRICS, gmsd_map, psnr_map, ssim_map
from tests.relational_iqa.conventional.oracles import ORACLES, edges, halved, ssim_windows, yiq

ALL = pytest.mark.parametrize("name", METRICS)


def read(path: Path) -> np.ndarray:
    """(H, W, 3) float64 in [0, 1]."""
    return np.array(Image.open(path).convert("RGB"), dtype=np.float64) / 255


def damages(photo: np.ndarray) -> dict[str, np.ndarray]:
    """Stated damages of an image (H, W, 3): each brings out other terms of the formulas."""
    noise = np.random.default_rng(7).uniform(-0.2, 0.2, photo.shape)
    return {
        "noise": np.clip(photo + noise, 0, 1),
        "blur": gaussian_filter(photo, (1.5, 1.5, 0)),
        "colours turned": photo[..., [2, 0, 1]],
        "negative": 1 - photo,  # contrast and chroma of the opposite sign
        "darker, less contrast": 0.2 + 0.5 * photo,
        "lines": np.where(np.arange(photo.shape[1])[None, :, None] % 8 == 0, 1.0, photo),
    }


def pairs(paths: list[Path]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(test, reference): even and odd sides, and large pictures that are shrunk by 2 and by 3 and have five scales."""
    first, second, third = (read(path) for path in paths[:3])
    large = np.pad(third, ((0, 272), (0, 250), (0, 0)), mode="symmetric")  # 400 x 410: 400 / 256 is nearest to 2
    larger = np.pad(second, ((0, 517), (0, 488), (0, 0)), mode="symmetric")  # 645 x 648: by 3, without a remainder
    found = [(damaged, first) for damaged in damages(first).values()]
    odd = second[:97, :123]
    found += [(damages(odd)[name], odd) for name in ("noise", "colours turned")]
    found += [(damages(large)["blur"], large), (damages(larger)["noise"], larger)]
    return found


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]


@ALL
def test_values_are_those_of_the_paper(name: str, photo_paths: list[Path]) -> None:
    for number, (test, reference) in enumerate(pairs(photo_paths)):
        expected = ORACLES[name](test, reference)
        found = METRICS[name].function(tensor(test), tensor(reference)).item()
        assert found == pytest.approx(expected, rel=1e-7, abs=1e-9), f"pair {number}"


@ALL
def test_float32_gives_the_same_numbers_to_what_it_can_hold(name: str, photo_paths: list[Path]) -> None:
    photo = read(photo_paths[0])
    for test in damages(photo).values():
        expected = ORACLES[name](test, photo)
        found = METRICS[name].function(tensor(test).float(), tensor(photo).float()).item()
        assert found == pytest.approx(expected, rel=2e-3, abs=1e-5)


def test_maps_are_what_the_values_are_means_of(photo_paths: list[Path]) -> None:
    photo = read(photo_paths[1])
    test = damages(photo)["noise"]
    pair = tensor(test), tensor(photo)
    windows = [ssim_windows(test[..., c], photo[..., c]) for c in range(3)]
    inner = np.mean([structure * luminance for structure, luminance in windows], axis=0)
    np.testing.assert_allclose(ssim_map(*pair)[0, 0].numpy(), np.pad(inner, 5, mode="edge"), rtol=1e-9, atol=1e-12)
    decibels = -10 * np.log10(np.mean((test - photo) ** 2, axis=-1) + 1e-8)
    np.testing.assert_allclose(psnr_map(*pair)[0, 0].numpy(), decibels, rtol=1e-9)
    x, y = (edges(halved(yiq(image)[0] * 255), (1 / 3, 1 / 3, 1 / 3)) for image in (test, photo))
    similarity = (2 * x * y + 170) / (x**2 + y**2 + 170)
    np.testing.assert_allclose(gmsd_map(*pair)[0, 0].numpy(), similarity, rtol=1e-9)
