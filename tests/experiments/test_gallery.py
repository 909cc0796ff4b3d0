"""The gallery page: an entry and a picture strip for every distortion, and the same bytes every time."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.generation.catalog_sheet import by_axis, catalog_row, reference_tile
from distortion_engine.generation.lettering import EMPTY
from distortion_engine.reading.image_io import load_image, to_uint8
from experiments.gallery import make as gallery

PHOTO = Path(__file__).parents[1] / "images" / "photo_1.png"
NAMES = ("white_noise", "gaussian_blur")
SIDE = 48


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("docs") / "page.md"
    gallery.make(path, PHOTO, NAMES, tile_px=SIDE)
    return path


def test_every_distortion_has_axis_direction_unit_source_and_a_picture_that_exists(page: Path):
    text = page.read_text()
    assert re.findall(r"^## (.+)$", text, re.M) == ["sharpness", "noise"]
    sections = re.split(r"^### ", text, flags=re.M)[1:]
    assert [section.split()[0] for section in sections] == ["gaussian_blur", "white_noise"]
    for section, direction in zip(sections, ("− blurrier", "+ noisier"), strict=True):
        spec = DISTORTIONS[section.split()[0]]
        assert all(said in section for said in (direction, spec.unit, spec.source))
    linked = re.findall(r"\]\((.+?)\)", text)
    assert linked == ["page/reference.jpg", "page/gaussian_blur.jpg", "page/white_noise.jpg"]
    assert {page.parent / name for name in linked} == set((page.parent / "page").iterdir())


def test_the_amounts_are_also_in_words(page: Path):
    row = catalog_row(reference_tile(load_image(PHOTO), SIDE), "gaussian_blur")
    assert ", ".join(f"{cell.amount:.3g}" for cell in row.cells) in page.read_text()


def test_the_same_photograph_gives_the_same_bytes(page: Path, tmp_path: Path):
    pictures = gallery.make(tmp_path / "page.md", PHOTO, NAMES, tile_px=SIDE)
    assert (tmp_path / "page.md").read_bytes() == page.read_bytes() and len(pictures) == 3
    for picture in pictures:
        assert picture.read_bytes() == (page.parent / "page" / picture.name).read_bytes()


def test_a_strip_shows_five_levels_then_the_masked_image_and_its_map():
    row = catalog_row(reference_tile(load_image(PHOTO), SIDE), "white_noise")
    strip = np.array(gallery.strip(row))
    assert strip.shape[1] == 7 * SIDE + 7 * gallery._GAP_PX
    tiles = [to_uint8(cell.image) for cell in row.cells if cell.image is not None] + [to_uint8(row.masked)]
    assert len(tiles) == 6
    for column, tile in enumerate(tiles):
        x = column * (SIDE + gallery._GAP_PX) + (gallery._GAP_PX if column == 5 else 0)
        assert np.array_equal(strip[2 * gallery._LINE_PX :, x : x + SIDE], tile)
    shown = strip[2 * gallery._LINE_PX :, -SIDE:].astype(int)  # orange, not grey, where the field is high
    assert (shown[..., 0] - shown[..., 2])[row.field > 0.5].min() > 50


def test_a_level_that_is_not_reached_is_a_grey_tile_that_says_so():
    reference = reference_tile(load_image(PHOTO), SIDE)
    row = catalog_row(reference, "contrast_curve")
    assert row.cells[-1].image is None
    strip = np.array(gallery.strip(row))
    x = 4 * (SIDE + gallery._GAP_PX)
    assert (strip[-1, x : x + SIDE] == EMPTY).all()


def test_all_distortions_are_in_the_gallery_unless_some_are_named():
    assert set(by_axis()) == set(DISTORTIONS) and by_axis(NAMES) == list(reversed(NAMES))


def test_wrong_input_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert gallery.main(["--out", str(tmp_path / "page.md"), "--distortions", "gausian_blur"]) == 2
    assert "did you mean gaussian_blur" in capsys.readouterr().err
    assert gallery.main(["--out", str(tmp_path / "page.md"), "--photo", str(tmp_path / "no.png")]) == 2
    assert "no.png" in capsys.readouterr().err
    with pytest.raises(UsageError, match="end its name in .md"):
        gallery.make(tmp_path / "page.html", PHOTO, NAMES, tile_px=SIDE)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert gallery.main(["--out", str(tmp_path / "g.md"), "--distortions", "desaturate"]) == 0
    assert "1 distortions" in capsys.readouterr().out
    with Image.open(tmp_path / "g" / "desaturate.jpg") as picture:
        assert picture.width == 7 * gallery.TILE_PX + 7 * gallery._GAP_PX
        assert picture.layers == 3 and all(layer[1:3] == (1, 1) for layer in picture.layer)  # colour at full size
