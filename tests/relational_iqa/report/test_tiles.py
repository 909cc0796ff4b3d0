"""Tiles: lossless, at one place for all images, from the centres of the regions outwards, within their bytes."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from relational_iqa.report import render_report, tiles
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.results.regions import Region

HEIGHT, WIDTH = 300, 500  # 4 x 3 tiles of 128 px, those at the right and at the bottom smaller


def region(left: int, top: int, width: int, height: int) -> Region:
    return Region(left, top, width, height, 0.5, 1.0, "b", "noise", "noisier", 0.4)


def decoded(content: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


@pytest.fixture
def images() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(2)]


def test_the_tiles_of_a_region_cover_it_with_its_margin_and_hold_the_pixels(images: list[np.ndarray]) -> None:
    found = tiles.region_tiles(images, [region(400, 140, 90, 100)])
    assert found["side"] == 128
    for image, own in zip(images, found["pictures"], strict=True):
        assert sorted(own) == [3, 4 + 3]  # 385 .. 500 across, 125 .. 255 down
        assert np.array_equal(decoded(own[4 + 3]), image[128:256, 384:500])


def test_where_not_all_fit_every_region_has_its_centre(
    images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "TILE_BYTES", 4 * 51_000)  # two tiles of noise of each of two images
    found = tiles.region_tiles(images, [region(0, 0, 256, 256), region(300, 140, 60, 60)])
    assert [sorted(own) for own in found["pictures"]] == [[4 + 1, 4 + 2]] * 2


def test_all_tiles_together_are_the_image(images: list[np.ndarray]) -> None:
    found = tiles.all_tiles([image.repeat(2, axis=0).repeat(2, axis=1) for image in images])
    assert found["side"] == 512 and sorted(found["pictures"][1]) == [0, 1, 2, 3]
    rows = [np.concatenate([decoded(found["pictures"][1][2 * row + column]) for column in (0, 1)], 1) for row in (0, 1)]
    assert np.array_equal(np.concatenate(rows, 0), images[1].repeat(2, axis=0).repeat(2, axis=1))


def test_without_regions_there_are_no_tiles(images: list[np.ndarray]) -> None:
    assert tiles.region_tiles(images, []) == tiles.NO_TILES


def test_a_report_of_twelve_megapixels_of_noise_stays_under_ten_megabytes() -> None:
    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (750, 1000, 3), dtype=np.uint8)
    image = small.repeat(4, axis=0).repeat(4, axis=1)
    rough = Map.from_array(generator.uniform(0, 1, (188, 250)).repeat(16, 0).repeat(16, 1)[:3000, :4000])
    local = Map.from_array(3 * rough - 1)
    result = Comparison(-1.0, {"noise": rough, "haze": -rough}, local, local, True, -1.0, -0.5)
    page = render_report(result, image, image[::-1], image[:, ::-1])
    assert len(page.encode()) < 10_000_000 and "reduced from 4000 × 3000" in page
