"""Maps in a file: what is read back is what was written, and other programs can enlarge it."""

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from distortion_engine.errors import UsageError
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.results.map_files import load_maps, named_maps, save_maps

SHAPE = (30, 41)  # no multiple of the cell


def grid(scale: float, seed: int) -> np.ndarray:
    return (scale * np.random.default_rng(seed).standard_normal((8, 11))).astype(np.float32)


@pytest.fixture
def result() -> Comparison:
    """With a reference; maps whose enlarged values must be clipped."""
    maps = {"sharpness": Map(grid(1.5, 0), SHAPE, 1.0), "noise": Map(grid(0.1, 1), SHAPE, 1.0)}
    local, weight = Map(grid(2, 2), SHAPE), Map(np.abs(grid(1, 3)), SHAPE)
    lacks = {"sharpness": Map(grid(1, 4), SHAPE, 1.0)}
    return Comparison(-0.5, maps, local, weight, True, -1.5, -1.0, ("a.png", "b.png"), {}, 0.9, lacks)


def test_maps_come_back_equal_to_the_bit_and_with_their_limits(result: Comparison, tmp_path: Path) -> None:
    path = save_maps(result, tmp_path / "new" / "maps.npz")
    kept = load_maps(path)
    assert list(kept) == ["local_margin", "weight", "sharpness", "noise", "lacks_sharpness"]
    for name, values in named_maps(result).items():
        assert np.array_equal(kept[name].full(), values.full())
    assert kept["sharpness"].full().max() == 1 < kept["sharpness"].grid.max()


def test_the_file_says_what_was_compared_and_other_programs_enlarge_it(result: Comparison, tmp_path: Path) -> None:
    with np.load(save_maps(result, tmp_path / "maps.npz"), allow_pickle=False) as held:
        assert json.loads(str(held["result"]))["margin"] == -0.5
        assert held["shape"].tolist() == list(SHAPE) and int(held["cell_px"]) == 4
        assert held["limits"].tolist() == [np.inf, np.inf, 1, 1, 1] and held["sharpness"].dtype == np.float32
        values, want = held["sharpness"], result.maps["sharpness"].full()
        by_opencv = cv2.resize(values, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)[:30, :41].clip(-1, 1)
        by_torch = F.interpolate(torch.from_numpy(values)[None, None], scale_factor=4, mode="bilinear")[0, 0, :30, :41]
    assert np.abs(by_opencv - want).max() < 1e-6 and np.abs(by_torch.clip(-1, 1).numpy() - want).max() < 1e-6


def test_maps_that_hold_every_pixel_and_a_mixture_are_kept_at_full_size(result: Comparison, tmp_path: Path) -> None:
    whole = Map.from_array(np.arange(30 * 41).reshape(SHAPE) / 1e4)
    mixed = Comparison(-0.5, {"noise": whole}, result.local_margin, result.weight)
    kept = load_maps(save_maps(mixed, tmp_path / "maps.npz"))
    assert kept["noise"].cell_px == kept["weight"].cell_px == 1
    assert np.array_equal(kept["noise"].full(), whole.full())
    assert np.array_equal(kept["local_margin"].full(), result.local_margin.full())


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "text.npz").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as archive:
        archive.writestr("shape.npy", b"")
    for name in ("other.npz", "text.npz", "zip.npz", "absent.npz"):
        with pytest.raises(UsageError, match=f"{name}: holds no maps"):
            load_maps(tmp_path / name)


def test_a_place_that_cannot_be_written_is_named(result: Comparison, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        save_maps(result, tmp_path / "file" / "maps.npz")
