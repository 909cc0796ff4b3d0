"""Metrics of 8-bit images taken some rows at a time are those of the whole images."""

import numpy as np
import pytest
import torch

from relational_iqa.conventional import psnr, ssim, strips, vsi


def pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture and a noisy version with a patch."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    picture = np.stack([120 + 60 * np.sin(x / 30), 128 + 50 * np.cos(y / 25), 100 + 0.1 * x], axis=2)
    noisy = picture + generator.normal(0, 12, picture.shape)
    noisy[: height // 3, : width // 4] = 200
    one, other = (np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in (picture, noisy))
    return one, other


def whole(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize(
    ("height", "width"), [(530, 790), (790, 531), (100, 140), (256, 300), (900, 1201), (16, 400)]
)  # factors 2, 2, 1, 1, 4, 1
def test_strips_give_the_numbers_of_the_whole(height: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_PX", 7 * width)
    test, reference = pair(height, width)
    x, y = whole(test), whole(reference)
    assert strips.psnr_in_strips(test, reference) == pytest.approx(float(psnr(x, y)), abs=1e-3)
    assert strips.ssim_in_strips(test, reference) == pytest.approx(float(ssim(x, y)), abs=2e-5)
    assert strips.vsi_in_strips(test, reference) == pytest.approx(float(vsi(x, y)), abs=2e-5)


def test_equal_images_have_the_best_values_exactly() -> None:
    image, _ = pair(530, 790)
    assert strips.psnr_in_strips(image, image.copy()) is None
    assert strips.ssim_in_strips(image, image.copy()) == strips.vsi_in_strips(image, image.copy()) == 1.0


def test_grey_images_have_no_priority_of_colours() -> None:
    test, reference = (image[:, :, :1].repeat(3, axis=2) for image in pair(530, 790))
    assert strips.vsi_in_strips(test, reference) == pytest.approx(float(vsi(whole(test), whole(reference))), abs=2e-5)
