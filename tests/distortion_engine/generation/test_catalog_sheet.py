"""The sheet of the catalogue shows every distortion at its levels and says where it has none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distortion_engine.catalog import AXIS_INDEX, DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.generation import catalog_sheet, lettering
from distortion_engine.reading.image_io import load_image
from distortion_engine.severity import LEVELS, amount_for, max_severity, min_severity

PHOTO = Path(__file__).parents[2] / "images" / "photo_1.png"
SIDE = 64


@pytest.fixture(scope="module")
def every_row(tmp_path_factory: pytest.TempPathFactory) -> list[catalog_sheet.CatalogRow]:
    """The rows of the sheet of all distortions, drawn small."""
    return catalog_sheet.draw(PHOTO, tmp_path_factory.mktemp("sheet") / "sheet.png", tile_px=32)


def test_the_sheet_has_a_row_for_every_distortion_in_the_order_of_their_axes(every_row: list[catalog_sheet.CatalogRow]):
    assert [row.spec.name for row in every_row] == catalog_sheet.by_axis()
    assert {row.spec.name for row in every_row} == set(DISTORTIONS)
    axes = [AXIS_INDEX[row.spec.axis] for row in every_row]
    assert axes == sorted(axes)


def test_the_same_photo_gives_the_same_sheet(tmp_path: Path):
    for name in ("one.png", "two.png"):
        catalog_sheet.draw(PHOTO, tmp_path / name, names=["white_noise", "jpeg", "color_blocks"], tile_px=32)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]


def test_the_tiles_on_the_sheet_are_the_images_pixel_for_pixel(tmp_path: Path):
    row = catalog_sheet.draw(PHOTO, tmp_path / "sheet.png", names=["white_noise"], tile_px=SIDE)[0]
    sheet = np.array(Image.open(tmp_path / "sheet.png"))
    for cell in row.cells:
        assert cell.image is not None
        tile = (cell.image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        windows = np.lib.stride_tricks.sliding_window_view(sheet, tile.shape)[:, :, 0]
        corners = np.argwhere((windows[:, :, 0, 0] == tile[0, 0]).all(-1))
        assert any((windows[y, x] == tile).all() for y, x in corners)


def test_cells_have_the_amounts_of_their_level_and_empty_ones_say_why(every_row: list[catalog_sheet.CatalogRow]):
    for row in every_row:
        name = row.spec.name
        for level, cell in zip(LEVELS, row.cells, strict=True):
            if cell.image is None:
                assert level > max_severity(name) and "not reached" in cell.note
            else:
                assert cell.amount == amount_for(name, min(level, max_severity(name)))
                assert bool(cell.note) == (not min_severity(name) <= level <= max_severity(name))


def test_the_map_has_the_sign_of_its_direction_and_leaves_the_rest_at_zero():
    reference = catalog_sheet.central_square(load_image(PHOTO), SIDE)
    for name in ("gaussian_blur", "white_noise"):
        row = catalog_sheet.catalog_row(reference, name)
        assert 0.2 < (row.field * row.spec.sign > 0).mean() < 0.8
        assert (row.field * row.spec.sign >= 0).all()


def test_the_judge_is_asked_about_every_image():
    reference = catalog_sheet.central_square(load_image(PHOTO), SIDE)

    def judge(test: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        return (test - reference).abs().mean((1, 2, 3))[:, None]

    row = catalog_sheet.catalog_row(reference, "white_noise", judge)
    judged = [cell.judged for cell in row.cells]
    assert all(value is not None for value in judged) and judged == sorted(judged, key=float)


def test_a_small_photo_and_an_unknown_name_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="needs 192 px"):
        catalog_sheet.draw(PHOTO, tmp_path / "sheet.png")
    with pytest.raises(UsageError, match="gausian_blur.* did you mean gaussian_blur"):
        catalog_sheet.draw(PHOTO, tmp_path / "sheet.png", names=["gausian_blur"], tile_px=32)
    assert not list(tmp_path.iterdir())


def test_the_masked_rendering_changes_what_its_map_says_and_nothing_else():
    reference = catalog_sheet.central_square(load_image(PHOTO), SIDE)
    for name in ("gaussian_blur", "white_noise", "saturate"):
        row = catalog_sheet.catalog_row(reference, name)
        changed = (row.masked != reference).any(0).numpy()
        assert 0.1 < changed.mean() < 0.9 and row.masked_severity == pytest.approx(min(0.8, max_severity(name)))
        assert not changed[row.field == 0].any()


def test_the_middle_of_a_large_photograph_shows_half_of_it_not_a_bare_surface():
    ramp = torch.linspace(0, 1, 8 * SIDE).expand(3, 4 * SIDE, 8 * SIDE)
    tile = catalog_sheet.reference_tile(ramp, SIDE)
    assert tile.shape == (3, SIDE, SIDE)
    assert float(tile[0, 0, -1] - tile[0, 0, 0]) == pytest.approx(0.25, abs=0.01)  # half of the height, so of 1/2 width
    small = load_image(PHOTO)
    assert torch.equal(catalog_sheet.reference_tile(small, SIDE), catalog_sheet.central_square(small, SIDE))


def test_the_shipped_photograph_is_large_enough_and_small_on_disk():
    image = load_image(catalog_sheet.SAMPLE_PHOTO)
    assert catalog_sheet.reference_tile(image, catalog_sheet.TILE_PX).std() > 0.1
    assert catalog_sheet.SAMPLE_PHOTO.stat().st_size <= 60_000


def test_no_label_is_wider_than_its_column():
    font = lettering.font()
    for spec in DISTORTIONS.values():
        for text in (spec.name, f"in {spec.unit}", "not drawn in training"):
            assert font.getlength(text) < catalog_sheet._LABEL_PX - catalog_sheet._GAP_PX, text
