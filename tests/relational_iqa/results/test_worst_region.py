"""The worst region of a map of MOS: measured against the rest of the picture, not against its MOS."""

import numpy as np
import pytest

from experiments.pmos.maps import below_the_middle
from relational_iqa.results.mos_score import MosScore
from relational_iqa.results.worst_region import NOTABLE, find_worst


def picture(height: int = 300, width: int = 400, seed: int = 0) -> np.ndarray:
    """A map as of an untouched photograph: 4.6, varying by .08."""
    return (4.6 + 0.08 * np.random.default_rng(seed).normal(size=(height, width))).astype(np.float32)


def test_a_damaged_box_is_named_with_how_much_it_is_below_the_rest():
    pmos = picture()
    pmos[60:140, 200:296] -= 1.4
    region, inside = find_worst(pmos) or pytest.fail("nothing found")
    assert region.below == pytest.approx(1.4, abs=0.1) and region.mos == pytest.approx(3.2, abs=0.1)
    assert abs(region.left - 200) <= 8 and abs(region.top - 60) <= 8
    assert abs(region.width - 96) <= 12 and abs(region.height - 80) <= 12
    assert inside[60:140, 200:296].mean() > 0.9 and inside.mean() == pytest.approx(region.share)
    said = MosScore(4.4, pmos, np.ones_like(pmos), "x.jpg").summary()
    assert said == f"x.jpg: MOS 4.4 of 5 (good); worst {region.said_place(pmos.shape)}, 1.4 below the rest."


def test_it_is_named_where_the_weights_draw_the_mos_down_to_it():
    """The weights rest on what is bad, so the MOS of the image is near its worst place and says nothing of the rest."""
    pmos = picture()
    pmos[:120, :150] -= 1.4
    roi = np.where(pmos < 4, 100.0, 1.0).astype(np.float32)
    mos = float((roi * pmos).sum() / roi.sum())
    assert mos - pmos[:120, :150].mean() < 0.3
    assert MosScore(mos, pmos, roi, "x.jpg").summary().endswith("worst at the upper left, 1.4 below the rest.")


@pytest.mark.parametrize("depth", [0.6 * NOTABLE, 1.3 * NOTABLE])
def test_what_varies_less_than_is_notable_is_much_the_same(depth: float):
    pmos = picture()
    pmos[60:140, 200:296] -= depth
    assert (find_worst(pmos) is not None) == (depth > NOTABLE)


def test_single_bad_pixels_and_a_picture_that_is_bad_all_over_have_no_region():
    dots = picture()
    dots[::40, ::40] = 1.0
    bad = picture() - 2
    bad[:20, :20] += 2
    assert find_worst(dots) is None and find_worst(bad) is None
    assert find_worst(np.full((16, 16), 2.0, np.float32)) is None


def test_a_large_place_is_named_before_a_small_one_that_is_a_little_worse():
    pmos = np.full((200, 300), 4.5, np.float32)
    pmos[:24, :24], pmos[100:190, 200:290] = 2.8, 3.0
    region, _ = find_worst(pmos) or pytest.fail("nothing found")
    assert region.where == "lower right"


def test_of_two_places_that_are_as_bad_the_larger_one_is_named_whatever_the_size_of_the_picture():
    for scale in (1, 4):
        pmos = np.full((200 * scale, 300 * scale), 4.5, np.float32)
        pmos[: 40 * scale, : 40 * scale] = pmos[100 * scale : 190 * scale, 200 * scale : 290 * scale] = 3.0
        region, _ = find_worst(pmos) or pytest.fail("nothing found")
        assert region.where == "lower right" and region.left == pytest.approx(200 * scale, abs=8 * scale)


def test_the_definition_of_the_measurement_is_below_the_middle_of_the_map():
    pmos = np.full((20, 20), 4.0, np.float32)
    assert not below_the_middle(pmos).any()
    pmos[:4] = 2.0
    assert np.array_equal(below_the_middle(pmos), pmos < 3)
