"""Maps that are kept on the 1/4 grid: enlarged they are the former ones, and numbers about them are the same."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from distortion_engine.catalog import AXES
from relational_iqa.report.histogram import margin_bins
from relational_iqa.results.comparison import Comparison, Score
from relational_iqa.results.map import Map
from relational_iqa.tiling.enlargement import CELL_PX


def random_map(height: int, width: int, seed: int = 0, limit: float = float("inf"), scale: float = 0.4) -> Map:
    """A smooth map with a few extremes, on a grid that is up to three cells larger than the image."""
    cells = [-(-length // 16) * 16 // CELL_PX for length in (height, width)]
    coarse = torch.randn(1, 1, 5, 4, generator=torch.Generator().manual_seed(seed))
    smooth = F.interpolate(coarse, cells, mode="bicubic")[0, 0].numpy()
    return Map((scale * smooth).astype(np.float32), (height, width), limit)


def enlarged_by_torch(values: Map) -> np.ndarray:
    grid = torch.from_numpy(values.grid)[None, None]
    full = F.interpolate(grid, scale_factor=CELL_PX, mode="bilinear", align_corners=False)[0, 0].numpy()
    return full[: values.shape[0], : values.shape[1]].clip(-values.limit, values.limit)


@settings(max_examples=25)
@given(height=st.integers(16, 90), width=st.integers(16, 90), seed=st.integers(0, 99), limited=st.booleans())
def test_an_enlarged_map_is_the_bilinear_one(height: int, width: int, seed: int, limited: bool) -> None:
    values = random_map(height, width, seed, 0.5 if limited else float("inf"))
    full = values.full()
    assert full.dtype == np.float32 and full.shape == values.shape == (height, width)
    np.testing.assert_allclose(full, enlarged_by_torch(values), rtol=0, atol=1e-6)
    low, high = values.bounds
    assert low <= full.min() and full.max() <= high
    assert values.mean() == pytest.approx(full.mean(dtype=np.float64), abs=1e-7)


def test_windows_and_strips_are_parts_of_the_whole_to_the_bit() -> None:
    values = random_map(301, 2007, limit=0.6)
    full = values.full()
    parts = list(values.strips())
    assert len(parts) > 1 and np.array_equal(np.concatenate(parts), full)
    assert [part.shape for part in parts] == [part.shape for part in Map.from_array(full).strips()]
    for top, bottom, left, right in ((0, 301, 0, 2007), (3, 4, 5, 6), (13, 90, 1001, 1999), (300, 301, 2006, 2007)):
        assert np.array_equal(values.window(top, bottom, left, right), full[top:bottom, left:right])
        assert np.array_equal(Map.from_array(full).window(top, bottom, left, right), full[top:bottom, left:right])
    assert np.array_equal((-values).full(), -full)


def test_a_grid_too_small_for_its_image_is_refused() -> None:
    with pytest.raises(ValueError, match="does not cover"):
        Map(np.zeros((4, 4), np.float32), (16, 17))


def test_numpy_takes_a_map_as_the_array_that_full_gives() -> None:
    values = random_map(33, 50, limit=0.4)
    full = values.full()
    assert np.array_equal(np.asarray(values), full) and np.asarray(values, np.float64).dtype == np.float64
    assert (values.shape, values.ndim, values.size, values.dtype, len(values)) == ((33, 50), 2, 1650, np.float32, 33)
    assert np.array_equal(values[3:9, ::2], full[3:9, ::2]) and values[1, 2] == full[1, 2]
    assert np.array_equal(np.stack([*values]), full) and np.array_equal(np.stack([values, -values]), [full, -full])
    assert np.array_equal(2 * values + full, 2 * full + full) and np.array_equal(np.abs(values), np.abs(full))
    assert np.array_equal(values > 0.1, full > 0.1) and np.array_equal(full[values > 0.1], full[full > 0.1])
    assert (values.min(), values.max(), values.std(), values.any()) == (full.min(), full.max(), full.std(), True)
    assert np.mean(values) == full.mean() and np.array_equal(values.mean(axis=0), full.mean(axis=0))


def test_a_map_is_never_written_to() -> None:
    array = np.zeros((5, 6), np.float32)
    values = Map.from_array(array)
    values.full()[:] = 1
    np.asarray(values)[:] = 1
    assert not array.any() and values.is_zero
    with pytest.raises(TypeError):
        np.add(values, 1, out=values)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="copy=False"):
        np.array(values, copy=False)


def test_matplotlib_draws_a_map() -> None:
    from matplotlib.figure import Figure

    values = random_map(20, 30)
    drawn = Figure().subplots().imshow(values)
    assert np.array_equal(drawn.get_array(), values.full())


def pair_of(height: int, width: int) -> tuple[Comparison, Comparison]:
    """The same comparison with maps on the grid and with full arrays."""
    maps = {axis.name: random_map(height, width, k, 1.0, 0.1 * (k % 5)) for k, axis in enumerate(AXES)}
    local = random_map(height, width, 77, scale=0.8)
    weight = random_map(height, width, 78)
    full = {name: Map.from_array(values.full()) for name, values in maps.items()}
    whole = [Map.from_array(values.full()) for values in (local, weight)]
    return Comparison(-1.2, maps, local, weight), Comparison(-1.2, full, *whole)


def assert_close(one: Any, other: Any, tolerance: float = 1e-6) -> None:
    """Equal but for numbers, which differ by `tolerance` at most."""
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_close(one[key], other[key], tolerance)
    elif isinstance(one, list):
        assert len(one) == len(other)
        for x, y in zip(one, other, strict=True):
            assert_close(x, y, tolerance)
    else:
        assert one == (pytest.approx(other, abs=tolerance) if isinstance(one, float) else other)


def test_a_comparison_says_the_same_of_lazy_maps_as_of_arrays() -> None:
    lazy, full = pair_of(131, 2203)
    assert len(list(lazy.local_margin.strips())) > 1
    said = lazy.to_json()
    assert any(row["matters"] for row in said["axes"]) and said["local_margin"]["share_a_better"] > 0.01
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    of_full = full.to_json()
    # Shares and regions are read from reduced maps: from the grid itself, or from what was enlarged before.
    assert_close(
        [said.pop("reasons"), said.pop("explained_share")],
        [of_full.pop("reasons"), of_full.pop("explained_share")],
        0.02,
    )
    assert said.pop("regions") and of_full.pop("regions")
    assert_close(said, of_full)
    assert lazy.summary() == full.summary() and lazy.shape == full.shape == (131, 2203)
    for name, values in full.maps.items():
        assert np.array_equal(lazy.maps[name], values)
    assert np.array_equal(lazy.local_margin, full.local_margin) and np.array_equal(lazy.weight, full.weight)
    assert margin_bins(lazy.local_margin, 2.0) == margin_bins(full.local_margin, 2.0)


def test_lazy_maps_stay_small_and_survive_replacing_a_name() -> None:
    lazy, _ = pair_of(64, 96)
    assert sum(values.grid.nbytes for values in lazy.maps.values()) == len(AXES) * 4 * 16 * 24
    renamed = replace(lazy, names=("x", "y"))
    assert renamed.maps is lazy.maps and np.array_equal(renamed.local_margin, lazy.local_margin)


def test_nothing_differs_only_where_every_grid_is_zero() -> None:
    zero = Map(np.zeros((16, 16), np.float32), (64, 64))
    one = Map(np.eye(16, dtype=np.float32), (64, 64))
    same = Comparison(0.0, {"noise": zero}, zero, zero)
    assert same.identical and not replace(same, maps={"noise": one}).identical
    score = Score(0.0, zero, {"noise": 0.0}, {"noise": zero}, "x.png")
    assert score.summary() == "x.png is identical to the reference." and score.local_quality.shape == (64, 64)


def test_numbers_about_a_map_are_those_of_its_pixels() -> None:
    values = random_map(97, 1501)
    found, full = values.statistics(threshold=0.1), values.full()
    assert (found.min, found.max) == (full.min(), full.max())
    assert found.mean == pytest.approx(full.mean(dtype=np.float64))
    assert (found.above, found.below) == ((full >= 0.1).mean(), (full <= -0.1).mean())


def test_pictures_of_large_maps_are_drawn_from_the_grid() -> None:
    values = random_map(1310, 2803)
    small, of_full = values.reduced(640), Map.from_array(values.full()).reduced(640)
    assert small.shape == of_full.shape == (299, 640)
    assert 0.1 < of_full.std() and np.abs(small - of_full).max() < 0.02
    exact = random_map(300, 900)
    assert np.array_equal(exact.reduced(640), Map.from_array(exact.full()).reduced(640))


def test_regions_of_large_maps_are_those_of_the_enlarged_ones() -> None:
    lazy, full = pair_of(700, 2200)
    found, expected = lazy.regions, full.regions
    assert len(found) >= 3 and [(r.axis, r.side) for r in found] == [(r.axis, r.side) for r in expected]
    for one, other in zip(found, expected, strict=True):
        assert abs(one.left - other.left) <= one.width / 4 and abs(one.top - other.top) <= one.height / 4
        assert one.intensity == pytest.approx(other.intensity, abs=0.02)


def test_bounds_of_rows_hold_every_value_of_them_and_are_close() -> None:
    lazy = Map(np.random.default_rng(3).normal(size=(12, 9)).astype(np.float32), (45, 35), limit=1.2)
    full = lazy.full()
    for values in (lazy, Map.from_array(full)):
        for top, bottom in ((0, 1), (0, 45), (3, 9), (16, 20), (44, 45)):
            low, high = values.bounds_of_rows(top, bottom)
            rows = full[top:bottom]
            assert low <= rows.min() + 1e-6 and rows.max() - 1e-6 <= high
            if values.cell_px == 1:
                assert (low, high) == (rows.min(), rows.max())
    step = Map(np.repeat([[0.0], [1.0]], 6, axis=0).astype(np.float32).repeat(3, 1), (48, 12))
    assert step.bounds_of_rows(0, 20) == (0, 0) and step.bounds_of_rows(0, 21) == (0, 1)
