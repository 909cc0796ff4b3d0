"""Rows on stored outputs: pairs of one image, counted where the mode with a reference has a verdict."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from distortion_engine.errors import UsageError
from experiments.pixel_perfect.processed import CAMERA, TITLES, StoredPair, measure_processed, processed_rows

HEADER = "set,image,role,method,file\n"


class ByBrightness:
    """With a reference: how much darker than the reference, in tenths; without one it prefers the brighter file."""

    def quality(self, image: Tensor, reference: Tensor) -> float:
        return float((image - reference).mean()) * 10

    def compare(self, a: Path, b: Path) -> Any:
        first, second = (float(np.asarray(Image.open(path)).mean()) for path in (a, b))
        return SimpleNamespace(margin=first - second)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A camera set of one image in three versions, a set without any reference, and one of another name."""
    values = {"ref": 200, "dark": 100, "mid": 150, "near": 151}
    for name, value in values.items():
        Image.new("RGB", (20, 16), (value,) * 3).save(tmp_path / f"{name}.png")
    lines = [(CAMERA, "a", "ref", "ref"), (CAMERA, "a", "input", "dark"), (CAMERA, "a", "output", "mid"),
             (CAMERA, "a", "output", "near"), ("no_reference", "b", "input", "dark"),
             ("no_reference", "b", "output", "mid"), ("other", "c", "output", "dark"), ("other", "c", "ref", "ref"),
             ("other", "c", "output", "mid")]  # fmt: skip
    text = "".join(f"{set_name},{image},{role},,{file}.png\n" for set_name, image, role, file in lines)
    (tmp_path / "index.csv").write_text(HEADER + text, encoding="utf-8")
    return tmp_path


def test_all_pairs_of_versions_of_one_image_are_asked_with_its_reference_and_without(folder: Path) -> None:
    said: list[str] = []
    pairs = measure_processed(ByBrightness(), folder, said.append)  # type: ignore[arg-type]
    assert pairs is not None
    assert [(pair.set_name, pair.image) for pair in pairs] == [(CAMERA, "a")] * 3 + [("other", "c")]
    assert pairs[0].with_reference == pytest.approx(-10 * 50 / 255, rel=1e-4) and pairs[0].alone == -50
    assert pairs[2].with_reference == pytest.approx(-10 / 255, rel=1e-4) and pairs[2].alone == -1
    assert "4 pairs" in said[0]


def test_pairs_count_where_the_mode_with_reference_sees_more_than_a_tenth_of_a_level(folder: Path) -> None:
    def pair(set_name: str, with_reference: float, alone: float) -> StoredPair:
        return StoredPair(set_name, "a", with_reference, alone)

    pairs = [pair(CAMERA, 0.2, 1.0), pair(CAMERA, -0.2, 0.3), pair(CAMERA, 0.1, -1.0), pair("sr_set5", -0.3, -0.1)]
    every, camera, upscaled = processed_rows(pairs, folder)
    assert every.value == pytest.approx(2 / 3) and not every.asked
    assert (
        camera.value == 0.5 and camera.must == pytest.approx(13 / 15) and camera.part and camera.name == TITLES[CAMERA]
    )
    assert camera.samples == "1 of 2 pairs that the mode with reference sees more than 0.1 levels apart"
    assert camera.note == "nearer ones, not counted: 0 of 1"
    assert (upscaled.value, upscaled.must, upscaled.note) == (1.0, None, "")


def test_without_the_folder_a_row_and_the_log_say_so_and_nothing_is_asked(tmp_path: Path) -> None:
    said: list[str] = []
    assert measure_processed(ByBrightness(), tmp_path / "none", said.append) is None  # type: ignore[arg-type]
    (row,) = processed_rows(None, tmp_path / "none")
    assert row.value is None and not row.asked and "left out: there is no" in row.note and "left out" in said[0]


def test_an_index_of_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("set,image,file\n", encoding="utf-8")
    with pytest.raises(UsageError, match="has no column role"):
        measure_processed(ByBrightness(), tmp_path)  # type: ignore[arg-type]
