"""Codecs against calls of the libraries by hand: the picture at the quality that an amount stands for, to the bit."""

import math
from collections.abc import Callable
from io import BytesIO

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from distortion_engine.distortions import compression
from distortion_engine.distortions.random_fields import unit_normal
from tests.distortion_engine.distortions.literal import PHOTO, array, seeded


def pixels(image: Tensor) -> np.ndarray:
    return np.ascontiguousarray(np.rint(array(image).transpose(1, 2, 0) * 255.0).astype(np.uint8))


def jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    return imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(rgb, level=quality, subsampling="420"))


def webp(rgb: np.ndarray, quality: float) -> np.ndarray:
    encoded = imagecodecs.webp_encode(rgb, level=quality, lossless=False, method=2, numthreads=1)
    return imagecodecs.webp_decode(encoded, hasalpha=False)


def avif(rgb: np.ndarray, quality: int) -> np.ndarray:
    encoded = imagecodecs.avif_encode(rgb, level=quality, speed=10, pixelformat="420", numthreads=1)
    return imagecodecs.avif_decode(encoded, numthreads=1)


def jpegxl(rgb: np.ndarray, distance: float) -> np.ndarray:
    return imagecodecs.jpegxl_decode(imagecodecs.jpegxl_encode(rgb, distance=distance, effort=3, lossless=False))


# Name, amount, and the same by hand.
BY_HAND: dict[str, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {
    "jpeg": (78.0, lambda rgb: jpeg(rgb, 22)),
    "webp": (85.0, lambda rgb: webp(rgb, 15.0)),
    "avif": (70.0, lambda rgb: avif(rgb, 30)),
    "jpegxl": (6.0, lambda rgb: jpegxl(rgb, 6.0)),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_an_amount_is_a_quality_of_the_codec(name: str):
    amount, by_hand = BY_HAND[name]
    result = getattr(compression, name)(PHOTO, amount, seeded())
    assert np.array_equal(pixels(result), by_hand(pixels(PHOTO))[..., :3])


def test_jpeg_is_that_of_pillow():
    buffer = BytesIO()
    Image.fromarray(pixels(PHOTO)).save(buffer, "JPEG", quality=22, subsampling="4:2:0")
    theirs = np.asarray(Image.open(buffer)).astype(int)
    off = np.abs(pixels(compression.jpeg(PHOTO, 78.0, seeded())).astype(int) - theirs)
    assert off.mean() < 0.5  # another build of libjpeg may round otherwise


def test_jpegxl_stops_before_the_distance_from_which_it_halves_the_picture():
    last, beyond = (compression.jpegxl(PHOTO, amount, seeded()) for amount in (19.9, 25.0))
    assert torch.equal(last, beyond)


def test_double_jpeg_is_a_milder_pass_on_a_moved_block_grid_before_the_pass_of_its_amount():
    moved = np.roll(pixels(PHOTO), (3, 3), axis=(0, 1))
    first = np.ascontiguousarray(np.roll(jpeg(moved, 100 - 42), (-3, -3), axis=(0, 1)))
    result = pixels(compression.double_jpeg(PHOTO, 60.0, seeded(), shift_px=3.0))
    assert np.array_equal(result, jpeg(first, 100 - 60))
    assert not np.array_equal(result, jpeg(pixels(PHOTO), 100 - 60))


@pytest.mark.parametrize("amount", [29.5, 33.5])
def test_jpeg2000_has_the_psnr_that_was_asked_for(amount: float):
    error = ((array(compression.jpeg2000(PHOTO, amount, seeded())) - array(PHOTO)) ** 2).mean()
    assert -10.0 * math.log10(error) == pytest.approx(60.0 - amount, abs=0.3)


@pytest.mark.parametrize(("amount", "quality"), [(0.02, 80), (0.1, 25)])
def test_noisy_compression_is_noise_and_jpeg_with_tables_in_proportion_to_it(amount: float, quality: int):
    # libjpeg scales its tables by 2 - quality / 50 from quality 50 on, and by 50 / quality below: 20 times the amount.
    noisy = (PHOTO + amount * unit_normal(PHOTO.shape, seeded(), PHOTO)).clamp(0.0, 1.0)
    assert np.array_equal(pixels(compression.noisy_compression(PHOTO, amount, seeded())), jpeg(pixels(noisy), quality))
