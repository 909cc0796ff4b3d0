"""Every edit does what its name says: its box holds all of the change, directions are those of the truths, and what
nobody sees is at most a step."""

import cv2
import numpy as np
import pytest
from PIL import Image

from distortion_engine.catalog import AXES
from experiments.words.catalog import LOCAL, MANIPULATIONS, WHOLE
from experiments.words.manipulation import Edit, Manipulation
from experiments.words.measurement import LEAST_CHANGE
from experiments.words.neutral import NEUTRAL
from tests.experiments.conftest import IMAGES

EACH = pytest.mark.parametrize("manipulation", MANIPULATIONS.values(), ids=list(MANIPULATIONS))
PHOTOS = [np.array(Image.open(path).convert("RGB")) for path in sorted(IMAGES.glob("photo_*.png"))]


def edits(manipulation: Manipulation) -> list[Edit]:
    return [manipulation.edit(photo, 7, number) for number, photo in enumerate(PHOTOS)]


def test_there_are_at_least_sixty_and_every_name_is_used_once():
    assert len(WHOLE) + len(LOCAL) >= 60 and len(LOCAL) >= 25
    assert len(MANIPULATIONS) == len(WHOLE) + len(LOCAL) + len(NEUTRAL)


@EACH
def test_an_edit_changes_its_box_and_nothing_else_and_is_a_function_of_its_seed(manipulation: Manipulation):
    before = [photo.copy() for photo in PHOTOS]
    for number, (photo, edit) in enumerate(zip(PHOTOS, edits(manipulation), strict=True)):
        assert edit.edited.dtype == np.uint8 and edit.edited.shape == edit.original.shape == photo.shape
        assert np.array_equal(photo, before[number])
        assert np.array_equal(edit.edited, manipulation.edit(photo, 7, number).edited)
        assert (edit.box is not None) == manipulation.local
        if edit.box is not None:
            changed = (edit.edited != photo).any(-1)
            changed[edit.box.inside] = False
            assert not changed.any()
    if manipulation.winner != "neutral":
        assert max(edit.change for edit in edits(manipulation)) > LEAST_CHANGE


@EACH
def test_truths_are_axes_with_a_direction(manipulation: Manipulation):
    known = {f"{axis.name}{sign}" for axis in AXES for sign in "+-"}
    assert manipulation.truths <= known
    assert bool(manipulation.truths) == (manipulation.winner != "neutral")


@pytest.mark.parametrize("name", ["identical", "saved as PNG", "saved as lossless WebP", "saved as lossless JPEG XL"])
def test_lossless_copies_are_equal(name: str):
    assert all(np.array_equal(edit.original, edit.edited) for edit in edits(MANIPULATIONS[name]))


def test_other_edits_that_nobody_sees_are_steps_of_the_code():
    for edit in edits(MANIPULATIONS["one code value up or down"]):
        difference = edit.edited.astype(int) - edit.original
        assert set(np.unique(difference)) == {-1, 0, 1}
    for edit in edits(MANIPULATIONS["one pixel changed by 10"]):
        assert (edit.edited != edit.original).any(-1).sum() == 1
        assert np.abs(edit.edited.astype(int) - edit.original).max() == 10
    for edit in edits(MANIPULATIONS["16 bits rounded to 8"]):
        assert edit.original.dtype == np.uint16 and edit.change > 0.1  # there was something to round
        assert np.abs(edit.original / 257 - edit.edited).max() <= 0.5
    for name, most in (("JPEG 99", 1.0), ("JPEG 98", 1.5)):
        for edit in edits(MANIPULATIONS[name]):
            assert 0 < np.abs(edit.edited.astype(int) - edit.original).mean() < most


def luma(pixels: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64)


def part(edit: Edit) -> tuple[np.ndarray, np.ndarray]:
    where = ... if edit.box is None else edit.box.inside
    return np.ascontiguousarray(edit.original[where]), np.ascontiguousarray(edit.edited[where])


def detail(pixels: np.ndarray) -> float:
    return float(np.abs(cv2.Laplacian(luma(pixels), cv2.CV_64F)).mean())


def chroma(pixels: np.ndarray) -> float:
    planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb).astype(np.float64)
    return float(np.hypot(planes[..., 1] - 128, planes[..., 2] - 128).mean())


def warmth(pixels: np.ndarray) -> float:
    red, _, blue = pixels.astype(np.float64).mean((0, 1))
    return red - blue


def greenness(pixels: np.ndarray) -> float:
    red, green, blue = pixels.astype(np.float64).mean((0, 1))
    return green - (red + blue) / 2


SEEN = {
    "sharpness": detail,
    "brightness": lambda pixels: luma(pixels).mean(),
    "contrast": lambda pixels: luma(pixels).std(),
    "saturation": chroma,
    "color_cast": warmth,
    "tint": greenness,
}
DIRECTED = [
    (name, axis, sign)
    for names, axis, sign in (
        (("Gaussian blur, sigma 2.5 px", "box blur 5 px", "defocus, radius 3 px", "motion blur 11 px", "median 5 px",
          "bicubic enlargement x3", "Lanczos enlargement x2", "patch blurred, sigma 2.5 px", "ghost"), "sharpness", -1),
        (("unsharp mask, gain 2.5", "wide unsharp mask, gain 1", "patch oversharpened"), "sharpness", 1),
        (("gamma 0.6", "overexposed by 1.3 stops", "haze", "flare", "patch brighter by 45"), "brightness", 1),
        (("gamma 1.7", "underexposed by 1.5 stops", "vignette", "spot of dust", "patch darker by 45"),
         "brightness", -1),
        (("contrast x1.6",), "contrast", 1),
        (("contrast x0.55", "haze"), "contrast", -1),
        (("saturation x2", "contrast x1.6"), "saturation", 1),
        (("saturation x0.4", "grey", "contrast x0.55", "haze", "patch grey"), "saturation", -1),
        (("warm cast", "patch warmer"), "color_cast", 1),
        (("cool cast",), "color_cast", -1),
        (("green cast", "patch greener"), "tint", 1),
        (("magenta cast", "magenta block of 24 px"), "tint", -1),
    )
    for name in names
]  # fmt: skip


@pytest.mark.parametrize(("name", "axis", "sign"), DIRECTED)
def test_a_truth_is_seen_in_the_pixels(name: str, axis: str, sign: int):
    assert f"{axis}{'+' if sign > 0 else '-'}" in MANIPULATIONS[name].truths
    for edit in edits(MANIPULATIONS[name]):
        before, after = part(edit)
        assert sign * (SEEN[axis](after) - SEEN[axis](before)) > 0


def test_a_nearest_enlargement_has_equal_neighbours_and_a_wrong_patch_is_of_the_photograph():
    for edit in edits(MANIPULATIONS["nearest enlargement x2"]):
        assert (edit.edited[:, 2:100:2] == edit.edited[:, 3:101:2]).all()
    for edit in edits(MANIPULATIONS["wrong patch"]):
        assert edit.box is not None
        needle = edit.edited[edit.box.inside]
        scores = cv2.matchTemplate(edit.original, needle, cv2.TM_SQDIFF)
        assert scores.min() < 1 and scores[edit.box.top, edit.box.left] > 1000


def test_quality_of_a_codec_orders_its_damage():
    for weak, strong in (("JPEG 50", "JPEG 8"), ("WebP 40", "WebP 5"), ("AVIF 35", "AVIF 15"),
                         ("JPEG 2000 at 1:40", "JPEG 2000 at 1:100")):  # fmt: skip
        pairs = zip(edits(MANIPULATIONS[weak]), edits(MANIPULATIONS[strong]), strict=True)
        assert all(one.change < other.change for one, other in pairs)
