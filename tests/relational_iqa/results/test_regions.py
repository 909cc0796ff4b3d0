"""Regions lie where one image leads, name what explains the lead there or nothing, and do not hide small defects."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distortion_engine.catalog import AXES
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map
from relational_iqa.results.regions import MAX_REGIONS, MIN_REGION_PX, UNNAMED, Region

Box = tuple[int, int, int, int]  # left, top, width, height


def spot(shape: tuple[int, int], box: Box, value: float, rest: float = 0.0) -> np.ndarray:
    values = np.full(shape, rest, np.float32)
    left, top, width, height = box
    values[top : top + height, left : left + width] = value
    return values


def compared(local: np.ndarray, weight: np.ndarray | None = None, **maps: np.ndarray) -> Comparison:
    arrays = {axis.name: np.zeros(local.shape, np.float32) for axis in AXES} | maps
    full = {name: Map.from_array(values) for name, values in arrays.items()}
    own = Map.from_array(np.ones(local.shape) if weight is None else weight)
    return Comparison(float(local.mean()), full, Map.from_array(local), own)


def overlap(region: Region, box: Box) -> float:
    """Intersection over union with a box."""
    left, top, width, height = box
    across = max(0, min(region.left + region.width, left + width) - max(region.left, left))
    down = max(0, min(region.top + region.height, top + height) - max(region.top, top))
    return across * down / (region.width * region.height + width * height - across * down)


@pytest.mark.parametrize("box", [(200, 60, 40, 40), (0, 0, 24, 90), (300, 220, 60, 20), (100, 10, 160, 200)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_region_is_the_box_in_which_one_image_leads(box: Box, sign: int):
    shape = (240, 360)
    found = compared(spot(shape, box, 2.0 * sign), noise=spot(shape, box, 0.7 * sign)).regions
    assert len(found) == 1 and overlap(found[0], box) > 0.8
    assert (found[0].side, found[0].axis, found[0].word) == ("b" if sign > 0 else "a", "noise", "noisier")
    assert found[0].share == pytest.approx(1.0) and found[0].intensity == pytest.approx(0.7, abs=0.01)
    assert found[0].margin * sign > 1.5
    assert found[0].box == f"{found[0].width} × {found[0].height} px at ({found[0].left}, {found[0].top})"


def test_both_images_have_regions_where_each_leads_on_a_large_part():
    shape, top, bottom = (200, 300), (0, 0, 300, 80), (0, 80, 300, 120)
    local = spot(shape, top, -1.2) + spot(shape, bottom, 2.0)
    first, second = compared(local, noise=spot(shape, bottom, 0.6), blocking=spot(shape, top, -0.5)).regions
    assert (first.side, first.axis) == ("b", "noise") and overlap(first, bottom) > 0.9
    assert (second.side, second.axis) == ("a", "blocking") and overlap(second, top) > 0.9


@pytest.mark.parametrize(("lead", "count"), [(-0.2, 1), (-0.05, 0)])
def test_the_one_place_where_the_worse_image_is_ahead_is_a_region_unless_it_is_a_tie(lead: float, count: int):
    shape, box = (240, 240), (120, 60, 48, 48)
    found = compared(spot(shape, box, lead, rest=2.0), sharpness=spot(shape, box, -0.5)).regions
    assert len(found) == count
    assert not found or (found[0].side == "b") == (lead > 0) and overlap(found[0], box) > 0.8


def test_a_difference_that_is_alike_everywhere_has_no_region_and_identical_images_have_none():
    even = np.full((128, 160), 1.0, np.float32)
    assert compared(even, noise=0.4 * even).regions == ()
    assert compared(0 * even).regions == ()


def test_a_lead_that_nothing_explains_is_a_region_without_an_axis():
    shape, box = (240, 240), (96, 96, 32, 32)
    unexplained = compared(spot(shape, box, 2.0), noise=spot(shape, (0, 0, 40, 40), 0.5)).regions
    assert len(unexplained) == 1 and overlap(unexplained[0], box) > 0.8
    assert (unexplained[0].axis, unexplained[0].word, unexplained[0].intensity) == (None, UNNAMED, 0.0)


def test_of_two_defects_in_one_place_the_stronger_one_is_named_and_only_of_the_image_that_is_behind():
    shape, box = (160, 160), (32, 32, 48, 48)
    local = spot(shape, box, 1.5)
    maps = {"noise": spot(shape, box, 0.5), "blocking": spot(shape, box, 0.2), "haze": spot(shape, box, -0.9)}
    assert [region.axis for region in compared(local, **maps).regions] == ["noise"]


def test_a_small_strong_defect_is_not_hidden_by_a_faint_one_everywhere():
    shape, box = (1200, 1600), (700, 300, 24, 24)  # 0.03 % of the picture
    result = compared(spot(shape, box, 3.0, rest=0.1), impulse=spot(shape, box, 0.8), noise=np.full(shape, 0.2))
    first = result.regions[0]
    assert first.axis == "impulse" and first.left - 16 <= 700 and first.left + first.width >= 724
    assert first.share < 0.03 and first.part_of(shape) < 0.003


def test_the_weight_of_a_place_counts():
    shape = (128, 128)
    local = spot(shape, (0, 0, 32, 32), 1.0) + spot(shape, (96, 96, 32, 32), 1.0)
    weight = spot(shape, (96, 96, 32, 32), 9.0, rest=1.0)
    regions = compared(local, weight, noise=local / 2).regions
    assert [round(region.share, 2) for region in regions] == [0.9, 0.1]
    assert regions[0].left >= 90 and regions[1].left < 8


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_regions_are_apart_inside_large_enough_and_mirrored_by_a_swap(seed: int):
    draw = np.random.default_rng(seed)
    shape = (130, 210)
    local, noise, haze = (np.kron(draw.normal(size=(13, 21)), np.ones((10, 10))).astype(np.float32) for _ in range(3))
    result = compared(local, noise=np.clip(noise / 3, -1, 1), haze=np.clip(haze / 3, -1, 1))
    covered = np.zeros(shape, int)
    assert len(result.regions) <= MAX_REGIONS
    for region in result.regions:
        part = covered[region.top : region.top + region.height, region.left : region.left + region.width]
        assert part.shape == (region.height, region.width) and min(part.shape) >= MIN_REGION_PX
        part += 1
    assert covered.max() <= 1
    shares = [region.share for region in result.regions]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 1 + 1e-9
    other = replace(
        result,
        margin=-result.margin,
        maps={name: -values for name, values in result.maps.items()},
        local_margin=-result.local_margin,
    )
    swapped = {"a": "b", "b": "a"}
    assert [(r.box, r.axis, r.side) for r in other.regions] == [
        (r.box, r.axis, swapped[r.side]) for r in result.regions
    ]


@pytest.mark.parametrize("shape", [(16, 16), (16, 400), (700, 20), (40, 3000)])
def test_odd_shapes_have_regions_inside(shape: tuple[int, int]):
    local = np.zeros(shape, np.float32)
    local[:8, :8] = 1.0
    for region in compared(local).regions:
        assert 0 <= region.left and region.left + region.width <= shape[1]
        assert 0 <= region.top and region.top + region.height <= shape[0]
    assert shape == (16, 16) or compared(local).regions
