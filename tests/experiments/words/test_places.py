"""A region is at the place of an edit where the boxes share enough, and a region of everything is nowhere."""

import numpy as np
import pytest

from experiments.words.places import Box, drawn_box, found

TRUE = Box(40, 40, 20, 20)
PIXELS = 256 * 256


@pytest.mark.parametrize(
    ("region", "how"),
    [
        (Box(40, 40, 20, 20), "overlap"),
        (Box(30, 30, 80, 80), "overlap"),  # holds all of the smaller box
        (Box(45, 45, 4, 4), "overlap"),  # lies in it
        (Box(50, 40, 20, 20), "overlap"),  # half
        (Box(51, 40, 20, 20), ""),
        (Box(44, 49, 4, 90), ""),  # 44 of 360 px
        (Box(49, 49, 40, 40), "centre"),  # 121 of 400 px, and the centre of the true box
        (Box(60, 40, 20, 20), ""),
        (Box(0, 0, 256, 256), ""),
        (Box(0, 0, 256, 129), ""),  # more than half of the image
        (Box(0, 0, 256, 128), "overlap"),
    ],
)
def test_a_region_finds_an_edit_by_overlap_or_by_its_centre(region: Box, how: str):
    assert found(region, TRUE, PIXELS) == how


def test_a_thin_edit_is_found_by_the_smallest_region_on_it():
    line = Box(0, 100, 256, 3)
    assert found(Box(20, 93, 16, 16), line, PIXELS) == "overlap" and found(Box(20, 120, 16, 16), line, PIXELS) == ""
    assert line.at_least(16) == Box(0, 94, 256, 16) and TRUE.at_least(16) == TRUE


def test_a_large_edit_may_be_found_by_a_large_region():
    assert found(Box(0, 0, 256, 200), Box(0, 0, 256, 200), PIXELS) == "overlap"


def test_intersection_is_the_number_of_common_pixels():
    image = np.zeros((20, 30), int)
    for box in (first := Box(3, 4, 10, 8), second := Box(9, 1, 12, 7)):
        image[box.inside] += 1
    assert first.intersection(second) == second.intersection(first) == int((image == 2).sum())
    assert first.intersection(Box(20, 15, 2, 2)) == 0


def test_boxes_are_drawn_inside_the_image_and_where_there_is_detail():
    pixels = np.full((60, 80, 3), 128, np.uint8)
    pixels[:, 60:] = np.random.default_rng(0).integers(0, 255, (60, 20, 3))
    boxes = [drawn_box(pixels, (0.25, 16), np.random.default_rng(seed)) for seed in range(20)]
    assert all((box.height, box.width) == (15, 16) for box in boxes)
    assert all(0 <= box.left <= 64 and 0 <= box.top <= 45 for box in boxes)
    assert sum(box.left > 44 for box in boxes) > 12  # 31 % of all positions
    assert drawn_box(pixels, (0.25, 1.0), np.random.default_rng(0), at_top=True) == Box(0, 0, 80, 15)
