"""The folder of maps: every map has a picture, in the colours that its legend shows, at a size that it states."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relational_iqa.report import map_pictures, write_maps
from relational_iqa.report.map_pictures import map_file_names
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from tests.relational_iqa.report.pages import HEIGHT, WIDTH, comparison, flat


def half(left: float, right: float) -> np.ndarray:
    """A map of two values, (HEIGHT, WIDTH)."""
    values = flat(left)
    values[:, WIDTH // 2 :] = right
    return values


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_every_map_has_a_picture_and_the_arrays_come_first(tmp_path: Path, photo: np.ndarray) -> None:
    files = write_maps(comparison(noise=flat(0.4)), tmp_path / "new" / "maps", photo, photo)
    assert files[0].name == "maps.npz" and len(files) == len({*files}) == len(list((tmp_path / "new/maps").iterdir()))
    assert {path.name for path in files} <= {*map_file_names()} and {"noise.png", "weight.png"} <= {
        p.name for p in files
    }


def test_the_pixels_lie_in_the_corner_and_the_colours_say_whose_values_they_are(tmp_path: Path) -> None:
    result = comparison(noise=half(-0.9, 0.9))
    local = Map.from_array(half(1.9, -1.9))
    shown = Comparison(0.0, result.maps, local, result.weight, names=("a.png", "b.png"))
    write_maps(shown, tmp_path)
    margin, noise = opened(tmp_path / "local_margin.png"), opened(tmp_path / "noise.png")
    assert margin.shape[0] > HEIGHT and margin.shape[1] > WIDTH and (margin[:HEIGHT, WIDTH:] == 255).all()
    a_better, b_better = margin[20, 10], margin[20, 50]
    assert a_better[2] > a_better[0] + 60 and b_better[0] > b_better[2] + 60  # blue, orange
    a_more, b_more = noise[20, 10], noise[20, 50]
    assert min(a_more[0], a_more[2]) > a_more[1] + 40 and b_more[1] > max(b_more[0], b_more[2]) + 40  # purple, green


def test_the_bar_of_the_legend_has_the_colours_of_the_map(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(-1, 1, 400, dtype=np.float32), (20, 1))
    values = Map.from_array(ramp)
    write_maps(Comparison(0.0, {"noise": values}, values, values), tmp_path)
    picture = opened(tmp_path / "noise.png")
    bars = [row for row in range(20, len(picture)) if np.abs(picture[row, 13:-13] - 128).max() < 130 and
            np.ptp(picture[row, 13:-13], axis=0).min() > 40]  # fmt: skip
    assert len(bars) > 10
    bar = picture[bars[len(bars) // 2], 13:-13]
    row = picture[10, np.linspace(0, 399, len(bar)).round().astype(int)]
    assert np.abs(bar - row).max() <= 4


def test_a_map_without_any_value_is_grey_and_weights_are_drawn_from_black_to_white(tmp_path: Path) -> None:
    weight = Map.from_array(half(0.01, 2.0))
    nothing = comparison()
    write_maps(Comparison(0.0, nothing.maps, Map.from_array(flat()), weight), tmp_path)
    assert np.ptp(opened(tmp_path / "noise.png")[:HEIGHT, :WIDTH]) == 0
    drawn = opened(tmp_path / "weight.png")
    assert drawn[5, 5].max() < 40 and drawn[5, -5 + WIDTH].min() > 230


def test_larger_images_are_drawn_at_a_whole_fraction_and_the_legend_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    legend = map_pictures._with_legend
    monkeypatch.setattr(map_pictures, "_with_legend", lambda p, s, lines: (said.extend(lines), legend(p, s, lines))[1])
    monkeypatch.setattr(map_pictures, "SIDE_PX", 30)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    write_maps(comparison(names=("a.png", "b.png"), noise=half(0.0, 0.5)), tmp_path, image, image)
    drawn = opened(tmp_path / "noise.png")
    assert (drawn[:13, 21:] == 255).all() and (drawn[:13, :21] != 255).all()  # 64 x 40 px at a third
    assert "drawn at 1/3 of 64 × 40 px" in said and "A = a.png, B = b.png" in said
    assert "values +0 to +0.5 (positive: B has more)" in said


def test_words_that_are_too_long_go_on_in_the_next_line() -> None:
    font = map_pictures._font(13)
    text = "a name " + "x" * 200 + " and its end"
    lines = map_pictures._wrapped(text, font, 300)
    assert all(font.getlength(line) <= 300 for line in lines) and len(lines) > 3
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
