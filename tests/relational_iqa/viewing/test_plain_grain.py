"""Noise on plain ground is measured where one picture has it; texture, filters and codecs are not taken for it."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from relational_iqa.viewing.plain_grain import CELL_PX, PLACE, Window, grain_beyond


def scene(height: int = 256, width: int = 320) -> np.ndarray:
    """A plain sky with a slow gradient above, texture of many sizes below."""
    rng = np.random.default_rng(4)
    picture = np.full((height, width, 3), 150.0) + np.linspace(0, 25, width)[:, None]
    ground = np.zeros((height // 2, width))
    for size in (1, 2, 4, 8):
        small = rng.normal(size=(-(-height // 2 // size), -(-width // size)))
        ground += cv2.resize(small, (width, height // 2), interpolation=cv2.INTER_CUBIC) * 10
    picture[-(height // 2) :] += ground[..., None]
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def noisy(picture: np.ndarray, deviation: float) -> np.ndarray:
    """Noise of luma with this standard deviation, in code values."""
    grain = np.random.default_rng(7).normal(0, deviation, picture.shape[:2])[..., None]
    return np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)


def read(picture: np.ndarray) -> Window:
    return lambda top, bottom: picture[top:bottom].astype(np.float32) / 255


def measured(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = grain_beyond(read(a), read(b), (a.shape[0], a.shape[1]))
    assert found is not None
    return found


def test_equal_pictures_have_exactly_none_and_exchanged_ones_exchange_what_is_found() -> None:
    clean = scene()
    assert not any(found.any() for found in measured(clean, clean))
    there, back = measured(noisy(clean, 5), clean), measured(clean, noisy(clean, 5))
    assert there[0].any() and np.array_equal(there[0], back[1]) and np.array_equal(there[1], back[0])


@pytest.mark.parametrize("deviation", [3, 5, 7])
def test_the_standard_deviation_of_noise_is_found_on_plain_ground(deviation: float) -> None:
    clean = np.full((128, 192, 3), 128, np.uint8)
    of_noisy, of_clean = measured(noisy(clean, deviation), clean)
    left = np.sqrt(1 - 1 / 49)  # less the means over squares of 7 px
    assert of_noisy == pytest.approx(deviation / 255 * left, rel=0.12)
    assert not of_clean.any()


def test_noise_is_found_in_the_sky_beside_a_smoothed_copy_and_said_only_of_the_noisy_one() -> None:
    clean = scene()
    of_noisy, of_smooth = measured(noisy(clean, 5), cv2.GaussianBlur(clean, (0, 0), 1.5))
    sky = of_noisy[: of_noisy.shape[0] // 2]
    assert sky == pytest.approx(5 / 255, rel=0.2) and not of_smooth.any()


def test_what_smoothing_takes_from_a_clean_picture_is_no_noise(photo_paths: list[Path]) -> None:
    photos = [np.asarray(Image.open(path).convert("RGB"))[:256, :256] for path in photo_paths]
    for picture in (scene(), *photos):
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "JPEG", quality=30)
        others = {
            "blurred": cv2.GaussianBlur(picture, (0, 0), 2),
            "median": cv2.medianBlur(picture, 5),
            "JPEG": np.asarray(Image.open(stream)),
            "sharpened": cv2.addWeighted(picture, 2.5, cv2.GaussianBlur(picture, (0, 0), 1.2), -1.5, 0),
            "brighter": np.clip(picture * 1.2, 0, 255).astype(np.uint8),
        }
        for name, other in others.items():
            for found in measured(picture, other):
                assert np.mean(found > 0.01) < 0.05, name


def test_noise_of_less_than_half_of_the_plain_ground_is_left_to_the_networks() -> None:
    clean = np.full((256, 256, 3), 128, np.uint8)
    for columns, is_told in ((96, False), (176, True)):
        part = clean.copy()
        part[:, :columns] = noisy(clean, 6)[:, :columns]
        of_part, _ = measured(part, clean)
        assert of_part.any() == is_told
        assert not of_part[:, -(-columns // (PLACE * CELL_PX)) :].any()


def test_strips_of_large_pictures_say_the_same() -> None:
    clean = np.full((900, 1200, 3), 120, np.uint8)
    small, large = (measured(noisy(part, 5), part)[0] for part in (clean[:256, :320], clean))
    assert large.mean() == pytest.approx(small.mean(), rel=0.1)
    assert large.shape[0] < 900 // (PLACE * CELL_PX)  # places grow with the picture


def test_stars_are_no_noise() -> None:
    rng = np.random.default_rng(6)
    night = np.full((192, 256, 3), 40, np.uint8)
    night[rng.random(night.shape[:2]) < 0.01] = 200
    of_night, of_smooth = measured(night, cv2.GaussianBlur(night, (0, 0), 2))
    assert not of_night.any() and not of_smooth.any()


def test_small_pictures_are_left_to_the_networks() -> None:
    small = np.zeros((63, 200, 3), np.uint8)
    assert grain_beyond(read(small), read(small), (63, 200)) is None
