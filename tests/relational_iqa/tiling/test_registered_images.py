"""`align="auto"`: images registered on one of them, read in windows, cropped to what all show."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import load_image, to_uint8
from experiments.before_verdict.registration import moved
from relational_iqa.tiling.aligned_images import align_images, align_mask
from relational_iqa.tiling.stored_image import open_image

PHOTO = Path(__file__).parents[2] / "images" / "photo_1.png"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return cv2.resize(to_uint8(load_image(PHOTO)), (400, 320), interpolation=cv2.INTER_CUBIC)


def aligned(*images: np.ndarray, has_reference: bool = False):  # type: ignore[no-untyped-def]
    named = [(f"image {k}", open_image(image)) for k, image in enumerate(images)]
    return align_images(named, "auto", has_reference)


def test_a_shift_by_whole_pixels_is_a_crop_to_the_bit(photo: np.ndarray) -> None:
    a, b = aligned(photo[2:, 5:].copy(), photo[:-2, :-5].copy())
    assert a.shape == b.shape == (3, 316, 390) and torch.equal(a.pixels(), b.pixels())
    assert any("registered, it was shifted by 5.0 px to the right and 2.0 px down" in note.text for note in b.notes)
    assert any(note.text == "cropped to 390x316 px" for note in a.notes)


def test_a_scaled_and_turned_image_lies_on_the_reference_afterwards(photo: np.ndarray) -> None:
    other, _ = moved(photo, x=4.4, y=-3.2, scale=1.03, angle=0.8)
    first, second, reference = aligned(photo, other, photo, has_reference=True)
    assert first.shape == second.shape == reference.shape and min(first.shape[1:]) > 290
    assert torch.equal(first.pixels(), reference.pixels())
    before = float((torch.from_numpy(photo / 255.0) - torch.from_numpy(other / 255.0)).abs().mean())
    after = float((second.pixels() - reference.pixels()).abs().mean())
    assert after < before / 6
    whole = second.pixels()
    assert torch.allclose(second.window(50, 90, 30, 200), whole[:, 50:90, 30:200], atol=2e-3)
    assert second.to_uint8().shape == (*second.shape[1:], 3)


def test_a_smaller_copy_is_enlarged_to_the_first(photo: np.ndarray) -> None:
    half = cv2.resize(photo, (200, 160), interpolation=cv2.INTER_AREA)
    a, b = aligned(photo, half)
    assert a.shape == b.shape and min(a.shape[1:]) > 300
    assert float((a.pixels() - b.pixels()).abs().mean()) < 0.03


def test_registered_images_are_not_registered_again_and_masks_are_refused(photo: np.ndarray) -> None:
    images = aligned(photo, np.roll(photo, 3, 1))
    again = align_images([("a", images[0]), ("b", images[1])], "auto")
    assert again[0] is images[0] and again[1] is images[1]
    with pytest.raises(ImageError, match="mask: a mask does not move with images that are registered"):
        align_mask("mask", images[0], images[0], "auto")


def test_what_does_not_register_is_refused_or_said(photo: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (320, 400, 3), dtype=np.uint8)
    _, same_size = aligned(photo, noise)
    assert [note.text for note in same_size.notes] == ["could not be registered, compared as it is"]
    with pytest.raises(ImageError, match=r"image 1 \(300x300 px\) cannot be registered on image 0 \(400x320 px\)"):
        aligned(photo, noise[:300, :300].copy())


def test_resizing_and_cropping_say_what_they_did(photo: np.ndarray) -> None:
    named = [("a", open_image(photo)), ("b", open_image(cv2.resize(photo, (200, 160))))]
    for align, texts in (
        ("resize", ["", "resized from 200x160 to 400x320 px"]),
        ("crop", ["cropped from 400x320 to 200x160 px", ""]),
    ):
        images = align_images(named, align)
        assert ["".join(note.text for note in image.notes) for image in images] == texts
