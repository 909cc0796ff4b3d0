"""Real pairs to be read aloud: which there are, and that each gets a picture with its sentence."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.words import real_pairs
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map


@pytest.fixture
def shared(tmp_path: Path, held_out: list[Path]) -> Path:
    folder = tmp_path / "shared"
    (folder / "photos").mkdir(parents=True)
    for photo in held_out:
        (folder / "photos" / photo.name).write_bytes(photo.read_bytes())
    rows = []
    rng = np.random.default_rng(0)
    for image, methods in (("one", ["", "a", "b", "c"]), ("two", ["", "a", "b"]), ("three", ["a", "b"])):
        for number, method in enumerate(methods):
            path = folder / "processed" / image / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(path)
            role = "output" if method else "ref"
            rows.append({"set": "s", "image": image, "role": role, "method": method, "file": f"{image}/{number}.png"})
    with (folder / "processed/index.csv").open("w", newline="", encoding="utf-8") as lines:
        table = csv.DictWriter(lines, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder


def test_pairs_are_published_outputs_and_edits_of_held_out_photographs_half_of_them_with_a_reference(shared: Path):
    found = list(real_pairs.pairs(shared))
    published = [pair for pair in found if pair.name.startswith("s ")]
    assert [pair.name for pair in published] == ["s one: a | c", "s two: a | b"]  # the third pair is left out
    assert published[0].reference is not None and published[1].reference is None
    made = found[len(published) :]
    assert len(made) == len(real_pairs._EDITS) and sum(pair.reference is not None for pair in made) == len(made) // 2
    for pair in made:
        assert pair.a.shape == pair.b.shape and pair.a.dtype == np.uint8
        assert pair.name == "as it is | WebP lossless" or not np.array_equal(pair.a, pair.b)


def test_a_sheet_shows_the_pictures_and_frames_regions_on_the_one_that_is_worse():
    a, b = np.full((64, 80, 3), 90, np.uint8), np.full((64, 80, 3), 160, np.uint8)
    margin = np.zeros((64, 80), np.float32)
    margin[16:48, 16:64] = 2.0  # a is better there
    maps = {"noise": Map.from_array(0.6 * (margin > 0))}
    found = Comparison(1.0, maps, Map.from_array(margin), Map.from_array(np.ones_like(margin)))
    page = np.array(real_pairs.sheet(real_pairs.Pair("p", a, b), found, 7))
    assert (page[:64, :80] == 90).all()
    framed = np.argwhere((page[:64, 86:166] == real_pairs._FRAME["b"]).all(-1))
    assert len(framed) > 100 and framed[:, 0].min() >= 8 and framed[:, 1].max() <= 72
    assert page.shape[0] > 64 + 20 and (page[68:, :] < 128).any()  # the sentence


def test_a_folder_without_pairs_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert real_pairs.main(["--shared", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.strip().endswith("give the shared folder by --shared")
