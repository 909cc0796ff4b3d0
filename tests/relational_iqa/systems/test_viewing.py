"""Comparisons under a viewing condition: the same for a picture that is enlarged and seen from further away."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import relational_iqa
from distortion_engine.reading.image_io import load_image
from relational_iqa.results.octaves import joined_confidence
from relational_iqa.systems.pixel_perfect import RelationalIQA
from relational_iqa.tiling.seen_images import octaves, see
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.viewing.condition import find_viewing, octave_weights

PHOTOS = Path(__file__).parents[2] / "images"
Scene = Callable[[int, int, int], Tensor]
TOLERANCE = {True: 0.15, False: 0.25}
"""Levels by which margins of an enlarged picture may differ, with and without a reference: what enlarging by bicubic
interpolation of code values changes."""


@pytest.fixture(scope="module")
def shipped() -> RelationalIQA:
    return relational_iqa.load()


def photograph() -> np.ndarray:
    picture = Image.open(PHOTOS / "photo_1.png").convert("RGB").resize((128, 128), Image.Resampling.BOX)
    return np.asarray(picture)


def damaged(pixels: np.ndarray, how: str) -> np.ndarray:
    if how == "blur":
        return cv2.GaussianBlur(pixels, (0, 0), 1.2)
    if how == "noise":
        return np.clip(pixels + np.random.default_rng(0).normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=20)
    return np.asarray(Image.open(file))


def enlarged(pixels: np.ndarray) -> np.ndarray:
    height, width, _ = pixels.shape
    return np.asarray(Image.fromarray(pixels).resize((2 * width, 2 * height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(("how", "referenced"), [("blur", True), ("jpeg", False)])
def test_margins_are_equal_where_a_picture_is_enlarged_twofold_and_seen_at_twice_the_pixels_per_degree(
    shipped: RelationalIQA, how: str, referenced: bool
) -> None:
    images = [photograph(), damaged(photograph(), how), photograph()][: 3 if referenced else 2]
    near = shipped.compare(*images, viewing=60)
    far = shipped.compare(*map(enlarged, images), viewing=120)
    assert near.margin == pytest.approx(far.margin, abs=TOLERANCE[referenced])


def test_fine_damage_counts_less_from_further_away_and_by_pixels_the_enlarged_picture_is_another_one(
    shipped: RelationalIQA,
) -> None:
    clean, noisy = photograph(), damaged(photograph(), "noise")
    margins = [shipped.compare(clean, noisy, clean, viewing=ppd).margin for ppd in (None, 60, 120)]
    assert margins[0] > margins[1] > margins[2] > 0
    larger = shipped.compare(enlarged(clean), enlarged(noisy), enlarged(clean)).margin
    assert abs(larger - margins[0]) > 2 * TOLERANCE[True]


@pytest.mark.parametrize("referenced", [False, True])
def test_swapping_negates_and_equal_pictures_tie(random_model: RelationalIQA, scene: Scene, referenced: bool) -> None:
    a, b, reference = scene(80, 96, 1), scene(80, 96, 2), scene(80, 96, 3) if referenced else None
    one = random_model.compare(a, b, reference, viewing=90)
    other = random_model.compare(b, a, reference, viewing=90)
    assert one.margin == -other.margin != 0 and one.confidence == other.confidence
    assert one.shape == (53, 64) and np.array_equal(one.local_margin.full(), -other.local_margin.full())
    for axis, values in one.maps.items():
        assert np.array_equal(values.full(), -other.maps[axis].full())
    assert random_model.compare(a, a, reference, viewing=90).identical
    if referenced:
        assert one.quality_a is not None and one.quality_b is not None
        assert one.margin == pytest.approx(one.quality_a - one.quality_b, abs=1e-5)


def test_pixel_peep_is_what_is_compared_without_a_condition(random_model: RelationalIQA, scene: Scene) -> None:
    a, b = scene(64, 64, 1), scene(64, 64, 2)
    plain, peeped = random_model.compare(a, b), random_model.compare(a, b, viewing="pixel-peep")
    assert plain.margin == peeped.margin and np.array_equal(plain.local_margin.full(), peeped.local_margin.full())
    assert plain.to_json()["viewing"] == "pixel-peep" and "viewing" not in plain.meta
    seen = random_model.compare(a, b, viewing="60")
    assert seen.to_json()["viewing"].startswith("60 pixels per degree; compared at 60, 30, 15 per degree")


def test_one_octave_is_the_comparison_itself_and_several_are_their_mean(
    random_model: RelationalIQA, scene: Scene
) -> None:
    a, b = scene(48, 60, 1), scene(48, 60, 2)  # 24 px at the second octave are too few
    assert random_model.compare(a, b, viewing=60).margin == random_model.compare(a, b).margin
    a, b = scene(64, 80, 1), scene(64, 80, 2)
    found = random_model.compare(a, b, viewing=60)
    seen = see([StoredImage(a, "a"), StoredImage(b, "b")], find_viewing(60, 80))
    each = [random_model.compare(*(image.pixels() for image in pair)) for pair in octaves(seen)]
    weights = octave_weights(2)
    assert len(each) == 2 and found.margin == pytest.approx(
        sum(w * x.margin for w, x in zip(weights, each, strict=True)), abs=1e-4
    )
    for axis, values in found.maps.items():
        expected = sum(w * x.maps[axis].mean() for w, x in zip(weights, each, strict=True))
        assert values.mean() == pytest.approx(expected, abs=2e-3)


def test_rank_and_score_see_what_compare_sees(random_model: RelationalIQA, scene: Scene) -> None:
    images, reference = [scene(80, 96, seed) for seed in (1, 2, 4)], scene(80, 96, 3)
    scores = [random_model.score(image, reference, viewing=90) for image in images]
    found = random_model.compare(images[0], images[1], reference, viewing=90)
    assert found.quality_a == pytest.approx(scores[0].quality, abs=1e-4)
    ranking = random_model.rank(images, reference, viewing=90)
    assert ranking.qualities is not None
    assert list(ranking.qualities) == pytest.approx([score.quality for score in scores], abs=1e-4)
    without = random_model.rank(images, viewing=90)
    assert without.pairwise[0, 1] == pytest.approx(random_model.compare(images[0], images[1], viewing=90).margin)
    assert "viewing" in ranking.meta and "viewing" in without.meta and "viewing" in scores[0].meta


def test_what_lies_outside_of_a_mask_changes_nothing_under_a_condition_either(
    random_model: RelationalIQA, scene: Scene
) -> None:
    a, b, mask = scene(96, 128, 1), scene(96, 128, 2), torch.zeros(3, 96, 128)
    mask[:, 10:90, 20:100] = 1
    mask[:, 40:50, 50:60] = 0
    other = torch.where(mask > 0, b, 1 - b)
    one = random_model.compare(a, b, mask=mask, viewing=90)
    assert one.margin == random_model.compare(a, other, mask=mask, viewing=90).margin != 0


def test_a_result_under_a_condition_is_saved_as_it_was_seen(random_model: RelationalIQA, tmp_path: Path) -> None:
    for seed, name in ((1, "a.png"), (2, "b.png")):
        pixels = np.random.default_rng(seed).integers(0, 256, (80, 96, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    found = random_model.compare(tmp_path / "a.png", tmp_path / "b.png", viewing=90)
    page = found.save(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "90 pixels per degree; compared at 60, 30, 15 per degree" in page and "64 × 53 px" in page
    assert load_image(tmp_path / "a.png").shape == (3, 80, 96)


def test_confidences_of_octaves_are_a_mean_of_log_odds_for_the_sign_of_the_margin() -> None:
    margins, sure, weights = np.array([1.0, -0.2]), np.array([0.9, 0.8]), np.array([0.25, 0.75])
    logit = 0.25 * np.log(9) - 0.75 * np.log(4)  # the joined margin is positive, the second octave says the opposite
    assert margins @ weights > 0
    assert float(joined_confidence(margins, sure, weights)) == pytest.approx(max(0.5, 1 / (1 + np.exp(-logit))))
    both = joined_confidence(np.array([1.0, 0.2]), sure, weights)
    assert float(both) == pytest.approx(1 / (1 + np.exp(-(0.25 * np.log(9) + 0.75 * np.log(4)))))
    assert float(joined_confidence(np.array([1.0, 1.0]), np.array([1.0, 1.0]), weights)) <= 1
