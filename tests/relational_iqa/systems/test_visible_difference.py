"""The shipped model is quiet where nothing is to be seen: with and without a reference, in tiles, files and ranks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import relational_iqa
from distortion_engine.reading.image_io import load_image, save_image
from relational_iqa import cli
from relational_iqa.results.league import play
from relational_iqa.systems.pixel_perfect import RelationalIQA

PHOTO = Path(__file__).parents[2] / "images" / "photo_1.png"


@pytest.fixture(scope="module")
def model() -> RelationalIQA:
    return relational_iqa.load()


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return load_image(PHOTO)


def eight_bit(values: Tensor) -> Tensor:
    return (values * 255).round().clamp(0, 255) / 255


def steps(photo: Tensor, sigma: float) -> Tensor:
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(3))
    return eight_bit(photo + (noise * sigma).round() / 255)


@pytest.mark.parametrize("referenced", [False, True])
def test_high_quality_jpeg_and_single_steps_are_a_tie_without_a_reason(
    model: RelationalIQA, photo: Tensor, tmp_path: Path, referenced: bool
) -> None:
    Image.open(PHOTO).convert("RGB").save(tmp_path / "q98.jpg", quality=98, subsampling=0)
    for other in (tmp_path / "q98.jpg", steps(photo, 0.7)):
        for reference in [photo, other] if referenced else [None]:
            result = model.compare(photo, other, reference)
            assert result.looks_the_same and result.better == "tie" and not result.reasons() and not result.regions
            assert "look the same" in result.summary()


@pytest.mark.parametrize("referenced", [False, True])
def test_one_pixel_of_sixty_code_values_is_not_hidden(model: RelationalIQA, photo: Tensor, referenced: bool) -> None:
    dead = photo.clone()
    dead[:, 50, 60] += torch.where(dead[:, 50, 60] > 0.5, -60 / 255, 60 / 255)
    result = model.compare(photo, dead, photo if referenced else None)
    assert result.visible_difference == 1 and not result.looks_the_same


def test_files_tensors_tiles_and_batches_agree_and_so_do_swapped_images(
    random_model: RelationalIQA, tiled: Callable[[int], RelationalIQA], photo: Tensor, tmp_path: Path
) -> None:
    other = steps(photo, 0.7)
    save_image(photo, tmp_path / "a.png")
    save_image(other, tmp_path / "b.png")
    value = random_model.visible_difference(photo, other)
    assert 0.2 < value < 1
    assert random_model.visible_difference(tmp_path / "a.png", tmp_path / "b.png") == value
    assert random_model.visible_difference(other, photo) == value
    assert random_model.compare(other, photo).visible_difference == value
    assert random_model.visible_difference_batch(photo[None], other[None]).tolist() == [value]
    assert tiled(64).visible_difference(photo, other) == pytest.approx(value, abs=2e-3)
    strips = tiled(64).compare(photo, other, photo)
    assert strips.visible_difference == pytest.approx(value, abs=2e-3)


def test_a_mask_leaves_out_what_does_not_count(random_model: RelationalIQA, photo: Tensor) -> None:
    other = photo.clone()
    other[:, :, -20:] = 1 - other[:, :, -20:]
    mask = Image.new("L", (photo.shape[2], photo.shape[1]), 0)
    mask.paste(255, (0, 0, 32, photo.shape[1]))
    assert random_model.compare(photo, other).visible_difference == 1
    assert (random_model.compare(photo, other, mask=mask).visible_difference or 0) < 1


def test_ranks_and_leagues_share_places(random_model: RelationalIQA, photo: Tensor) -> None:
    images = [photo, steps(photo, 0.5), steps(photo, 30.0)]
    for ranking in (random_model.rank(images), play(random_model, images, ["x", "y", "z"]).ranking):
        assert ranking.visible is not None and 0 < ranking.visible[0, 1] < 1
        assert np.array_equal(ranking.visible, ranking.visible.T) and ranking.told[0, 1] == 0
    ranking = random_model.rank(images, photo)
    league = play(random_model, images, ["x", "y", "z"], photo)
    assert ranking.visible is not None and np.array_equal(league.ranking.visible, ranking.visible)


def test_the_command_says_it_and_counts_it_as_nothing(
    photo: Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_image(photo, tmp_path / "a.png")
    save_image(steps(photo, 0.7), tmp_path / "b.png")
    files = [str(tmp_path / "b.png"), str(tmp_path / "a.png")]
    assert cli.main(["compare", *files, "--reference", files[1], "--fail-below", "0"]) == 0
    assert "b.png and a.png look the same: no difference above the threshold" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="1"):
        cli.main(["compare", *files, "--reference", files[1], "--fail-below", "0.1"])
    assert "counts as 0 (nothing is visible) and is below" in capsys.readouterr().err
