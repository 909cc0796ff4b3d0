"""Crops of the regions: the whole box with what lies around it, pixel by pixel."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from relational_iqa.report.crops import LEAST_SIDE_PX, Box, box_around, crop_uri, region_views
from relational_iqa.results.map import Map
from tests.relational_iqa.report.pages import comparison, flat


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(500, 400, 100, 60), Box(485, 385, 130, 90)),  # 15 % of 100 px
        (Box(500, 400, 16, 16), Box(484, 384, 48, 48)),  # 8 px, then as wide as the least side
        (Box(0, 980, 100, 20), Box(0, 952, 115, 48)),  # cut at the edge
        (Box(990, 0, 10, 10), Box(952, 0, 48, 48)),
        (Box(0, 0, 1000, 1000), Box(0, 0, 1000, 1000)),
    ],
)
def test_the_margin_stays_inside_the_image(box: Box, expected: Box) -> None:
    assert box_around(box, (1000, 1000)) == expected


def test_in_an_image_smaller_than_a_crop_the_crop_is_the_image() -> None:
    assert box_around(Box(20, 10, 16, 16), (LEAST_SIDE_PX - 8, 60)) == Box(4, 0, 48, 40)


def test_a_crop_holds_the_pixels_of_its_box_and_lies_over_the_region(photo: np.ndarray) -> None:
    content = crop_uri(photo, Box(8, 4, 30, 20), 300)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(content.split(",")[1]))).convert("RGB"))
    assert np.array_equal(shown, photo[4:24, 8:38])
    assert Box(10, 5, 20, 10).part_of(Box(5, 0, 40, 20)) == {"left": 12.5, "top": 25.0, "width": 50.0, "height": 50.0}


def test_small_boxes_are_enlarged_by_whole_factors_and_large_ones_reduced() -> None:
    noise, local = flat(), flat(-0.05)
    noise[:16, :16], local[:16, :16] = 0.6, 2.0  # B is noisy there, A better
    small = replace(comparison(0.5, noise=noise), local_margin=Map.from_array(local))
    image = np.zeros((40, 64, 3), np.uint8)
    view = region_views(small, [image, image])[0]
    assert (view.winner, view.title, view.why, view.strength) == (
        "a",
        "A better by 2.0 levels here",
        "B noisier",
        "strong",
    )
    assert view.pixelated and view.scale == "enlarged 6 times" and view.size == (6 * 48, 6 * 40)

    large = Map.from_array(np.kron(local, np.ones((40, 40), np.float32)))
    result = replace(
        small,
        local_margin=large,
        weight=large,
        maps={"noise": Map.from_array(np.kron(noise, np.ones((40, 40), np.float32)))},
    )
    view = region_views(result, [np.zeros((1600, 2560, 3), np.uint8)] * 3)[0]
    assert not view.pixelated and view.scale.startswith("reduced to ") and max(view.size) == 288
