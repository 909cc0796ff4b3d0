"""`Ranking.save`: the page of the images that were ranked, as long as they can be had."""

import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.results.inputs import Inputs
from relational_iqa.results.ranking import Ranking

NAMES = ["a.png", "b.png", "c.png"]
PAIRWISE = np.array([[0.0, -0.5, 0.3], [0.5, 0.0, 0.8], [-0.3, -0.8, 0.0]])


def pixels(seed: int, height: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, 32, 3), np.uint8)


def ranked(inputs: Inputs | None, qualities: list[float] | None = None) -> Ranking:
    return Ranking([1, 0, 2], NAMES, [0.5, 0.3], qualities, PAIRWISE, {"version": "1"}, inputs=inputs)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in (*NAMES, "ref.png")]
    for seed, path in enumerate(paths):
        Image.fromarray(pixels(seed)).save(path)
    return paths


def test_the_page_shows_files_and_reference_and_says_nothing_of_defects(files: list[Path], tmp_path: Path) -> None:
    ranking = ranked(Inputs.of_ranked(files[:3], files[3]), [-0.8, -0.3, -1.1])
    text = ranking.save(tmp_path / "new" / "l.html").read_text(encoding="utf-8")
    assert text.count("data:image/webp;base64,") == 4 and 'id="plot"' in text and "PNG, lossless" in text
    assert "defects" not in text.split("<main>")[1].split("<script")[0] and "none that stands out" not in text
    assert json.loads(ranking.save(tmp_path / "l.json").read_text(encoding="utf-8")) == ranking.to_json()


def test_images_in_memory_are_shown_while_they_are_there(tmp_path: Path) -> None:
    images = [pixels(seed) for seed in range(3)]
    ranking = ranked(Inputs.of_ranked(images))
    assert 'id="plot"' not in ranking.save(tmp_path / "l.html").read_text(encoding="utf-8")
    del images
    gc.collect()
    with pytest.raises(UsageError, match=r"image 1 is no longer in memory; give the images.*ranking\.save"):
        ranking.save(tmp_path / "gone.html")
    given = [pixels(seed) for seed in range(3)]
    assert ranking.save(tmp_path / "given.html", given).exists()
    with pytest.raises(UsageError, match="2 images, expected 3: 1, 2, 3"):
        ranking.save(tmp_path / "gone.html", given[:2])
    with pytest.raises(ImageError):
        ranking.save(tmp_path / "gone.html", [*given[:2], pixels(2, 25)])
    assert not (tmp_path / "gone.html").exists()


def test_a_ranking_that_knows_no_images_takes_them_and_the_reference(tmp_path: Path) -> None:
    ranking = ranked(None, [-0.8, -0.3, -1.1])
    with pytest.raises(UsageError, match="knows no images"):
        ranking.save(tmp_path / "l.html")
    images: list[Any] = [pixels(seed) for seed in range(4)]
    text = ranking.save(tmp_path / "l.html", images).read_text(encoding="utf-8")
    assert text.count("data:image/webp;base64,") == 4 and "The reference" in text


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected one of \.html \(the page of all images\), \.json"):
        ranked(None).save(tmp_path / "l.npz")
