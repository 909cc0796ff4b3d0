"""How one image lies on another: found to a fraction of a pixel, and never where nothing moved."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from distortion_engine.reading.image_io import load_image, to_uint8
from experiments.before_verdict.damage import DAMAGES
from experiments.before_verdict.registration import moved
from relational_iqa.tiling.stored_image import open_image
from relational_iqa.viewing.registration import Motion, find_motion, preview
from relational_iqa.viewing.scene import SAME_SCENE, scene_correlation
from relational_iqa.viewing.warping import warped_window

IMAGES = sorted((Path(__file__).parents[2] / "images").glob("*.png"))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """Three photographs of the tests in one, 320 px wide, so that motions have room."""
    small = to_uint8(load_image(IMAGES[0]))
    return cv2.resize(small, (400, 320), interpolation=cv2.INTER_CUBIC)


def worst_corner_px(found: Motion | None, matrix: np.ndarray, pixels: np.ndarray) -> float:
    assert found is not None
    corners = np.array([[x, y, 1] for x in (0, pixels.shape[1] - 1) for y in (0, pixels.shape[0] - 1)])
    return float(np.linalg.norm(corners @ (found.matrix - matrix).T, axis=1).max())


@pytest.mark.parametrize(
    "motion",
    [{"x": 0.5}, {"x": -1.0, "y": 2.0}, {"x": 30.0, "y": -20.5}, {"scale": 0.9}, {"scale": 1.1}, {"angle": 1.5}],
    ids=str,
)
def test_shifts_scales_and_turns_are_found_to_a_tenth_of_a_pixel(photo: np.ndarray, motion: dict[str, float]) -> None:
    other, matrix = moved(photo, **motion)
    found = find_motion(open_image(photo), open_image(other))
    assert worst_corner_px(found, matrix, photo) < 0.1
    assert found is not None and not found.is_none
    assert found.scale == pytest.approx(motion.get("scale", 1.0), abs=1e-3)
    assert found.angle_deg == pytest.approx(motion.get("angle", 0.0), abs=0.03)
    assert found.shift_px == pytest.approx((motion.get("x", 0.0), motion.get("y", 0.0)), abs=0.1)


def test_a_crop_is_found_in_the_image_that_it_was_cut_from(photo: np.ndarray) -> None:
    found = find_motion(open_image(photo), open_image(np.ascontiguousarray(photo[40:300, 25:380])))
    assert found is not None and np.allclose(found.matrix, [[1, 0, -25], [0, 1, -40]], atol=0.05)


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_no_motion_and_no_other_scene(photo: np.ndarray, name: str) -> None:
    other = DAMAGES[name](photo, np.random.default_rng(0))
    found = find_motion(open_image(photo), open_image(other))
    assert found is None or found.is_none, found
    correlation = scene_correlation(preview(open_image(photo), 2), preview(open_image(other), 2))
    assert correlation is not None and correlation >= SAME_SCENE


def test_other_photographs_are_other_scenes_and_lie_nowhere(photo: np.ndarray) -> None:
    for path in IMAGES[1:]:
        other = cv2.resize(to_uint8(load_image(path)), (400, 320))
        correlation = scene_correlation(preview(open_image(photo), 2), preview(open_image(other), 2))
        assert correlation is not None and correlation < SAME_SCENE
        assert find_motion(open_image(photo), open_image(other)) is None


def test_flat_images_say_nothing() -> None:
    flat = open_image(np.full((128, 128, 3), 90, np.uint8))
    assert scene_correlation(preview(flat, 1), preview(flat, 1)) is None
    assert find_motion(flat, open_image(np.full((128, 128, 3), 200, np.uint8))) is None


def test_what_a_motion_says() -> None:
    def said(matrix: list[list[float]]) -> str:
        return Motion(np.array(matrix), (201, 301)).said()

    assert said([[1, 0, 1.04], [0, 1, 0]]) == "shifted by 1.0 px to the right"
    assert said([[1, 0, -2.5], [0, 1, -0.25]]) == "shifted by 2.5 px to the left and 0.2 px up"
    assert said([[1.02, 0, -3.0], [0, 1.02, -2.0]]) == "enlarged by 2.0 %"
    assert said([[0.9, 0, 15], [0, 0.9, 20]]) == "reduced by 10.0 % and shifted by 10.0 px down"


def test_a_preview_is_the_mean_of_blocks_of_luma(photo: np.ndarray) -> None:
    luma = (photo / 255.0) @ [0.299, 0.587, 0.114]
    expected = luma[:318, :399].reshape(106, 3, 133, 3).mean((1, 3))
    np.testing.assert_allclose(preview(open_image(photo), 3), expected, atol=1e-5)


def test_windows_of_a_warped_image_are_those_of_the_whole(photo: np.ndarray) -> None:
    source, matrix = open_image(photo), np.array([[1.01, 0.02, 3.3], [-0.02, 1.01, -1.7]])
    whole = warped_window(source, matrix, 0, 320, 0, 400)
    part = warped_window(source, matrix, 100, 180, 150, 290)
    np.testing.assert_allclose(part, whole[100:180, 150:290], atol=2e-3)
    still = warped_window(source, np.eye(2, 3), 10, 50, 20, 90)
    np.testing.assert_allclose(still, photo[10:50, 20:90] / 255.0, atol=1e-6)
