"""PSNR, SSIM and VSI under the verdict are those of the whole images, strip by strip."""

import numpy as np
import pytest
import torch

from relational_iqa.conventional import psnr, ssim, vsi
from relational_iqa.report import pixel_metrics


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A picture of 790 x 530 px (blocks of 2 px in SSIM) and a noisy version."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:530, :790]
    picture = np.stack([120 + 60 * np.sin(x / 30), 128 + 50 * np.cos(y / 25), 100 + 0.1 * x], axis=2)
    noisy = picture + generator.normal(0, 12, picture.shape)
    return tuple(np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in (picture, noisy))


def whole(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].double() / 255


def test_strips_give_the_numbers_of_the_whole(
    pair: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_metrics, "_STRIP_PX", 790 * 7)
    x, y = (whole(image) for image in pair)
    assert pixel_metrics.strip_psnr(*pair) == pytest.approx(float(psnr(x, y)), abs=1e-3)
    assert pixel_metrics.strip_ssim(*pair) == pytest.approx(float(ssim(x, y)), abs=1e-5)


def test_the_three_are_told_with_unit_and_do_not_depend_on_the_order(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (whole(image) for image in pair)
    told = pixel_metrics.pixel_metrics(*pair)
    assert [(metric.name, metric.text) for metric in told] == [
        ("PSNR", f"{float(psnr(x, y)):.1f} dB"),
        ("SSIM", f"{float(ssim(x, y)):.3f}"),
        ("VSI", f"{float(vsi(x, y)):.3f}"),
    ]
    assert told == pixel_metrics.pixel_metrics(*pair[::-1])


def test_equal_images_and_images_that_are_too_large_are_told_in_words(
    pair: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    equal = pixel_metrics.pixel_metrics(pair[0], pair[0])
    assert [metric.text for metric in equal] == ["infinite", "1.000", "1.000"]
    monkeypatch.setattr(pixel_metrics, "MOST_VSI_PIXELS", 400_000)
    assert pixel_metrics.pixel_metrics(*pair)[2].text == "not computed above 0 megapixels"
