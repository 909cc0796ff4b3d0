"""What the network takes for noise or blur of an image of equal blocks is told as pixelation."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distortion_engine.catalog import AXES, AXIS_INDEX
from relational_iqa import load
from relational_iqa.results.league import play
from relational_iqa.systems.known_pixelation import call_pixelation

LACKING = [axis.name for axis in AXES if axis.two_sided]


def maps_with(**values: float) -> np.ndarray:
    maps = np.zeros((len(AXES) + 2, 3, 4), np.float32)
    for name, value in values.items():
        maps[AXIS_INDEX[name]] = value
    return maps


def test_noise_blur_and_smearing_of_the_image_with_blocks_become_pixelation() -> None:
    maps = maps_with(noise=0.2, sharpness=-0.3, smearing=0.1, blocking=0.4, pixelation=0.05)
    call_pixelation(maps, 1, 2)
    expected = maps_with(pixelation=0.65, blocking=0.4)
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    strong = maps_with(noise=0.7, sharpness=-0.8)
    call_pixelation(strong, 1, 2)
    assert strong[AXIS_INDEX["pixelation"]].max() == 1.0  # no map without a reference goes beyond
    # Exchanged images negate everything.
    back = maps_with(noise=-0.2, sharpness=0.3, smearing=-0.1, blocking=-0.4, pixelation=-0.05)
    call_pixelation(back, 2, 1)
    np.testing.assert_allclose(back, -expected, atol=1e-6)


def test_what_the_other_image_has_stays_and_so_does_all_where_both_or_none_have_blocks() -> None:
    other = maps_with(noise=-0.2, sharpness=0.3, smearing=-0.1)  # a is noisier, blurrier, more smeared
    for blocks in ((1, 2), (2, 2), (1, 1)):
        maps = other.copy()
        call_pixelation(maps, *blocks)
        assert np.array_equal(maps, other)


def test_what_is_lacking_with_a_reference_goes_too() -> None:
    maps = np.concatenate([maps_with(sharpness=-0.3)[: len(AXES)], np.zeros((len(LACKING) + 2, 3, 4), np.float32)])
    maps[len(AXES) + LACKING.index("sharpness")] = 0.3
    call_pixelation(maps, 1, 2)
    assert maps[AXIS_INDEX["pixelation"]] == pytest.approx(0.3)
    assert not maps[len(AXES) :].any() and not maps[AXIS_INDEX["sharpness"]].any()


def test_an_enlargement_by_nearest_neighbour_is_pixelated_and_said_to_be_of_blocks(
    photo_paths: list[Path],
) -> None:
    model = load()
    image = Image.open(photo_paths[0]).convert("RGB")
    small = image.resize((80, 64), Image.Resampling.BOX)
    blocks = np.asarray(small.resize((160, 128), Image.Resampling.NEAREST))
    for reference in (None, np.asarray(image)):
        found = model.compare(np.asarray(image), blocks, reference, names=("A", "B"))
        assert found.better == "a" and "B is more pixelated" in found.summary()
        assert found.summary().endswith("B: blocks of 2 × 2 equal pixels.")
        assert found.maps["pixelation"].mean() > 0.05 and found.maps["noise"].max() <= 0
        back = model.compare(blocks, np.asarray(image), reference, names=("A", "B"))
        assert np.array_equal(np.asarray(back.maps["pixelation"]), -np.asarray(found.maps["pixelation"]))


def test_score_and_rank_call_blocks_pixelated_too(photo_paths: list[Path]) -> None:
    model = load()
    image = Image.open(photo_paths[0]).convert("RGB").resize((160, 128), Image.Resampling.BOX)
    blocks = image.resize((80, 64), Image.Resampling.BOX).resize((160, 128), Image.Resampling.NEAREST)
    smooth = image.resize((80, 64), Image.Resampling.BOX).resize((160, 128), Image.Resampling.BICUBIC)
    found = model.score(blocks, image, name="x")
    assert found.block_px == 2 and "more pixelated" in found.summary()
    assert found.summary().endswith("It consists of blocks of 2 × 2 equal pixels.")
    assert found.maps["noise"].max() <= 0 and found.maps["sharpness"].min() >= 0
    for reference in (image, None):
        league = play(model, [smooth, blocks], ("smooth", "blocks"), reference)
        smooth_has, blocks_have = league.axes["pixelation"]
        assert blocks_have > smooth_has + 0.02 and league.axes["noise"][1] <= 0
    (several, _) = model.scores([blocks, smooth], image)
    assert np.array_equal(np.asarray(several.maps["pixelation"]), np.asarray(found.maps["pixelation"]))


def test_blocks_of_the_reference_are_no_defect(photo_paths: list[Path]) -> None:
    small = Image.open(photo_paths[0]).convert("RGB").resize((80, 64), Image.Resampling.BOX)
    reference = np.asarray(small.resize((160, 128), Image.Resampling.NEAREST))
    smooth = np.asarray(small.resize((160, 128), Image.Resampling.BICUBIC))
    coarse = np.asarray(small.resize((40, 32), Image.Resampling.BOX).resize((160, 128), Image.Resampling.NEAREST))
    model = load()
    found = model.compare(reference, smooth, reference, names=("A", "B"))
    assert found.better == "a" and "pixelated" not in found.summary() and "blocks" not in found.summary()
    assert model.score(smooth, reference).block_px == model.score(reference, reference).block_px == 1
    assert model.score(reference, reference, name="x").summary() == "x is identical to the reference."
    assert model.score(coarse, reference).block_px == 4  # larger ones are one
