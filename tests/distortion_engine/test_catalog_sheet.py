"""The sheet of the catalogue shows every distortion at its levels and says where it has none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distortion_engine import catalog_sheet
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.errors import UsageError
from distortion_engine.image_io import load_image
from distortion_engine.severity import LEVELS, amount_for, max_severity, min_severity

PHOTO = Path(__file__).parents[1] / "images" / "photo_1.png"
SIDE = 64


def test_the_sheet_of_all_distortions_is_written_and_the_same_every_time(tmp_path: Path):
    rows = catalog_sheet.draw(PHOTO, tmp_path / "one.png", tile_px=32)
    catalog_sheet.draw(PHOTO, tmp_path / "two.png", tile_px=32)
    assert {row.spec.name for row in rows} == set(DISTORTIONS)
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


def test_cells_have_the_amounts_of_their_level_and_empty_ones_say_why():
    reference = catalog_sheet.central_square(load_image(PHOTO), SIDE)
    for name in DISTORTIONS:
        row = catalog_sheet.catalog_row(reference, name)
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
    with pytest.raises(UsageError, match="gausian_blur"):
        catalog_sheet.draw(PHOTO, tmp_path / "sheet.png", names=["gausian_blur"], tile_px=32)
    assert not list(tmp_path.iterdir())
