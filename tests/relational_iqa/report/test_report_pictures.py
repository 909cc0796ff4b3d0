"""Pictures of the report: previews, layers of the maps, and the bytes they may take."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from distortion_engine.errors import ImageError
from relational_iqa.report.pictures import (
    MAP_BYTES,
    PREVIEW_BYTES,
    PREVIEW_SIDE_PX,
    as_uint8,
    map_uri,
    previews,
)
from relational_iqa.results.colormaps import tint
from relational_iqa.results.map import Map
from tests.relational_iqa.report.pages import HEIGHT, WIDTH, flat


def test_large_images_are_reduced_and_the_page_says_so() -> None:
    for height, width, expected in ((100, 2 * PREVIEW_SIDE_PX, "1600 × 50"), (2 * PREVIEW_SIDE_PX, 100, "50 × 1600")):
        shown = previews([np.zeros((height, width, 3), np.uint8)])[0]
        assert f"{shown.width} × {shown.height}" == expected
        assert f"reduced from {width} × {height} to {expected} px" in shown.note


def test_small_previews_are_lossless(photo: np.ndarray) -> None:
    shown = previews([photo])[0]
    assert np.array_equal(np.asarray(decoded(shown.uri)), photo) and "lossless" in shown.note


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def test_previews_of_noise_keep_to_the_bytes_they_have_and_are_encoded_alike() -> None:
    side = 1000  # three images of it take 9 MB
    noise = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    shown = previews([noise, np.zeros_like(noise), noise[::-1]])
    assert sum(len(view.uri) for view in shown) <= 4 / 3 * PREVIEW_BYTES + 200
    assert len({(view.note, view.width, view.height, view.uri[:20]) for view in shown}) == 1
    assert "JPEG quality" in shown[0].note


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ImageError, match="image a has values that are not finite"):
        as_uint8(np.full((3, 16, 16), np.nan), "image a")


def test_a_negative_scale_swaps_the_colours() -> None:
    half = Map.from_array(flat(0.5))
    assert map_uri(half, -2.0) == map_uri(-half, 2.0) != map_uri(half, 2.0)


def test_a_map_of_pure_noise_keeps_to_the_bytes_it_has() -> None:
    noise = Map.from_array(np.random.default_rng(2).uniform(-1, 1, (500, 700)))
    assert len(map_uri(noise, 1.0)) <= 4 / 3 * MAP_BYTES + 50


def test_a_layer_is_transparent_where_nothing_differs() -> None:
    values = flat()
    values[:, WIDTH // 2 :] = 0.9
    layer = np.asarray(decoded(map_uri(Map.from_array(values), 1.0)))
    assert layer.shape == (HEIGHT, WIDTH, 4)
    assert (layer[:, :28, 3] == 0).all() and (layer[:, 36:, 3] > 180).all()
    assert np.array_equal(tint(values)[..., 3] == 0, values == 0)
