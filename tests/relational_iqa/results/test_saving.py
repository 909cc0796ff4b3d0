"""A result is its sentence, a notebook shows its picture, and `save` writes what the suffix says."""

import copy
import gc
import json
import os
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.results import outputs
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.inputs import Inputs
from relational_iqa.results.map import Map
from relational_iqa.results.map_files import load_maps
from relational_iqa.results.ranking import Ranking
from relational_iqa.results.score import Score

HEIGHT, WIDTH = 48, 64


def area(value: float) -> Map:
    return Map.from_array(np.full((HEIGHT, WIDTH), value, np.float32))


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def compared(*sources: Any, names: tuple[str, str] = ("old.png", "new.png"), **options: Any) -> Comparison:
    inputs = Inputs.of(sources) if sources else None
    maps = {"noise": area(0.4), "haze": area(-0.3)}
    return Comparison(1.0, maps, area(1.0), area(1.0), names=names, inputs=inputs, **options)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "old.png", tmp_path / "new.png"
    for seed, path in enumerate(paths):
        Image.fromarray(pixels(seed)).save(path)
    return paths


def test_the_repr_of_every_result_is_its_sentence():
    score = Score(-1.0, area(-1.0), {"noise": 0.4}, {"noise": area(0.4)}, "x.png")
    ranking = Ranking((0, 1), ("a.png", "b.png"), (0.5,), None, np.array([[0, 0.5], [-0.5, 0]]))
    for result in (compared(), score, ranking):
        assert repr(result) == result.summary() and f"{[result]}" == f"[{result.summary()}]"


def test_json_and_maps_need_no_image(tmp_path: Path):
    result = compared()
    assert result.save(tmp_path / "new" / "r.JSON") == tmp_path / "new" / "r.JSON"
    assert json.loads((tmp_path / "new" / "r.JSON").read_text(encoding="utf-8")) == result.to_json()
    result.save(str(tmp_path / "m.npz"))
    assert np.array_equal(load_maps(tmp_path / "m.npz")["noise"].full(), result.maps["noise"].full())


@pytest.mark.parametrize("name", ["r.pdf", "r", "html", "r.html.gz"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match=r"expected one of \.html \(the report\), \.json .*\.npz .*\.png "):
        compared().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_the_table_of_functions_names_is_there():
    assert all(callable(outputs.made_by(what)) for what in outputs.FUNCTIONS)


def test_the_report_shows_the_files_that_were_compared(tmp_path: Path, files: tuple[Path, Path], monkeypatch: Any):
    monkeypatch.chdir(tmp_path)
    result = compared("old.png", Path("new.png"))
    monkeypatch.chdir("/")
    page = result.save(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "new.png" in page and page.count("data:image/") >= 2


def test_a_file_that_was_changed_or_removed_is_refused_and_given_images_are_taken(
    tmp_path: Path, files: tuple[Path, Path]
):
    result = compared(*files)
    os.utime(files[1], ns=(1, 1))
    with pytest.raises(UsageError, match=r"new\.png: was changed since it was compared; compare it again, or give"):
        result.save(tmp_path / "r.html")
    files[1].unlink()
    with pytest.raises(UsageError, match=r"new\.png: No such file.*result\.save\(path, images=\(a, b\)\)"):
        result.save(tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()
    assert result.save(tmp_path / "r.html", images=(pixels(0), pixels(1))).exists()


def test_a_result_keeps_no_image_in_memory(tmp_path: Path):
    a, b = pixels(0), torch.rand(3, HEIGHT, WIDTH)
    result = compared(a, b)
    assert result.save(tmp_path / "r.html").exists()
    del b
    gc.collect()
    with pytest.raises(UsageError, match="image b is no longer in memory; give the images: result.save"):
        result.save(tmp_path / "other.html")
    assert result.save(tmp_path / "panel.png").exists()  # the maps alone


def test_a_result_travels_to_another_process_without_its_images(tmp_path: Path, files: tuple[Path, Path]):
    array = pixels()
    for result in (compared(array, array), compared(*files)):
        for other in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
            assert other.summary() == result.summary() and other.inputs is not None
    with pytest.raises(UsageError, match="no longer in memory"):
        pickle.loads(pickle.dumps(compared(array, array))).save(tmp_path / "r.html")
    assert pickle.loads(pickle.dumps(compared(*files))).save(tmp_path / "r.html").exists()


def test_images_that_do_not_fit_are_refused(tmp_path: Path):
    for images, error, said in (
        ((pixels(),), UsageError, "1 images, expected 2: a, b"),
        ((pixels()[:40], pixels()[:40]), ImageError, "the images are 64 x 40 px, the maps 64 x 48"),
    ):
        with pytest.raises(error, match=said):
            compared(pixels(), pixels()).save(tmp_path / "r.html", images=images)
    with pytest.raises(UsageError, match="this result knows no images; give the images"):
        compared().save(tmp_path / "r.html")


def test_the_figure_has_the_verdict_the_images_and_the_strongest_maps(files: tuple[Path, Path]):
    figure = compared(*files).plot()
    shown = [axis for axis in figure.axes if axis.images]
    titles = [axis.get_title().replace("\n", " ") for axis in shown]
    assert figure.get_suptitle() == "old.png is clearly better by 1.0 levels"
    assert titles[:3] == ["old.png", "new.png", "blue: old.png better orange: new.png better"]
    assert titles[3:] == ["new.png noisier (moderate, 0.40)", "old.png hazier (moderate, 0.30)"]
    assert np.array_equal(np.asarray(shown[0].images[0].get_array()), pixels(0))
    blue = np.asarray(shown[2].images[0].get_array())[10, 10].tolist()
    assert blue[2] > blue[0]  # a is better everywhere
    alone = compared().plot()
    assert len([axis for axis in alone.axes if axis.images]) == 3


def test_without_matplotlib_a_plot_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for call in (compared().plot, lambda: compared().save(tmp_path / "p.png")):
        with pytest.raises(UsageError, match="needs matplotlib, which is not installed: pip install"):
            call()


def test_a_notebook_shows_verdict_scale_and_maps_and_escapes_names():
    shown = compared(names=("<b>old</b>.png", "new.png"))._repr_html_()
    assert "&lt;b&gt;old&lt;/b&gt;.png is clearly better by 1.0 levels" in shown and "<b>" not in shown
    assert "new.png: noisier (moderate, everywhere)" in shown and shown.count('src="data:image/png;base64,') == 3
    assert "<script" not in shown and not re.search(r"[^-]color:", shown)  # text has the colour of the page
    identical = Comparison(0.0, {"noise": area(0)}, area(0), area(1))._repr_html_()
    assert "are identical" in identical and "<img" not in identical


def test_a_picture_for_notebooks_is_small_even_of_noise():
    draw = np.random.default_rng(0)
    noise = [Map.from_array(draw.uniform(-1, 1, (900, 900))) for _ in range(4)]
    maps = dict(zip(("noise", "haze", "blocking"), noise, strict=False))
    assert 10_000 < len(Comparison(1.0, maps, noise[3], noise[3])._repr_html_()) < 200_000
