"""Worst regions, histogram and league page: what the reader is pointed at is where and what it is said to be."""

import re

import numpy as np
import pytest

from distortion_engine.catalog import AXES
from relational_iqa.report import render_league, render_report, write_league
from relational_iqa.report.histogram import margin_bins
from relational_iqa.report.pictures import CROP_HEIGHT_PX, CROP_WIDTH_PX, crop_origin
from relational_iqa.results.comparison import Comparison, Ranking
from relational_iqa.results.league import League
from relational_iqa.results.map import Map
from relational_iqa.results.regions import MAX_OF_ONE_FINDING, MAX_REGIONS, worst_regions


def compared(shape: tuple[int, int], margin: float = -1.0, **maps: np.ndarray) -> Comparison:
    arrays = {axis.name: np.zeros(shape, np.float32) for axis in AXES} | maps
    full = {name: Map.from_array(values) for name, values in arrays.items()}
    return Comparison(margin, full, Map.from_array(np.full(shape, margin)), Map.from_array(np.ones(shape)))


def spot(shape: tuple[int, int], box: tuple[int, int, int, int], value: float, rest: float = 0.0) -> np.ndarray:
    values = np.full(shape, rest, np.float32)
    left, top, width, height = box
    values[top : top + height, left : left + width] = value
    return values


def test_the_first_region_lies_on_the_spot_and_says_which_image_and_how_strong():
    shape, box = (240, 360), (200, 60, 40, 40)
    region = worst_regions(compared(shape, noise=spot(shape, box, -0.7)))[0]
    assert (region.axis, region.side, region.word) == ("noise", "a", "noisier")
    assert region.intensity == pytest.approx(0.7, abs=0.05)
    assert region.margin == pytest.approx(-1.0)
    assert abs(region.left + region.width / 2 - 220) <= 10 and abs(region.top + region.height / 2 - 80) <= 10
    assert region.box == f"{region.width} × {region.height} px at ({region.left}, {region.top})"


def test_a_strong_small_spot_comes_before_a_faint_large_field():
    shape = (240, 240)
    maps = {"blocking": np.full(shape, 0.25, np.float32), "noise": spot(shape, (30, 150, 40, 40), -0.9)}
    regions = worst_regions(compared(shape, **maps))
    assert [region.axis for region in regions[:2]] == ["noise", "blocking"]
    assert regions[1].width > regions[0].width


def test_regions_never_overlap_stay_inside_and_are_few():
    generator = np.random.default_rng(0)
    shape = (130, 210)
    maps = {name: generator.uniform(-1, 1, shape).astype(np.float32) for name in ("noise", "blocking", "haze")}
    regions = worst_regions(compared(shape, **{name: np.abs(values) for name, values in maps.items()}))
    assert 4 <= len(regions) <= MAX_REGIONS
    covered = np.zeros(shape, int)
    for region in regions:
        part = covered[region.top : region.top + region.height, region.left : region.left + region.width]
        assert part.shape == (region.height, region.width)
        part += 1
    assert covered.max() == 1
    counts = [sum(region.axis == name for region in regions) for name in maps]
    assert max(counts) <= MAX_OF_ONE_FINDING


def test_swapping_the_images_keeps_the_places_and_swaps_the_sides():
    shape = (96, 128)
    values = spot(shape, (16, 16, 32, 32), 0.6, rest=0.2)
    first, second = (worst_regions(compared(shape, m, haze=sign * values)) for sign, m in ((1, 1.0), (-1, -1.0)))
    assert [(r.left, r.top, r.intensity) for r in first] == [(r.left, r.top, r.intensity) for r in second]
    assert {r.side for r in first} == {"b"} and {r.side for r in second} == {"a"}


def test_large_maps_are_searched_small_and_the_box_is_in_original_pixels():
    shape, box = (1500, 2000), (1500, 300, 300, 300)
    region = worst_regions(compared(shape, impulse=spot(shape, box, 0.8)))[0]
    assert abs(region.left + region.width / 2 - 1650) < 80 and abs(region.top + region.height / 2 - 450) < 80


@pytest.mark.parametrize("shape", [(16, 16), (16, 400), (700, 20)])
def test_odd_shapes_have_regions_too(shape):
    regions = worst_regions(compared(shape, noise=np.full(shape, 0.5, np.float32)))
    assert regions and all(0 < r.width <= shape[1] and 0 < r.height <= shape[0] for r in regions)


def test_nothing_to_see_is_an_empty_list():
    assert worst_regions(compared((64, 64))) == []


def test_crops_stay_inside_and_centre_where_they_can():
    assert crop_origin((1000, 1000), (500, 400)) == (500 - CROP_WIDTH_PX // 2, 400 - CROP_HEIGHT_PX // 2)
    assert crop_origin((1000, 1000), (5, 998)) == (0, 1000 - CROP_HEIGHT_PX)
    assert crop_origin((50, 60), (30, 20)) == (0, 0)


def test_a_report_of_twelve_megapixels_of_noise_stays_under_five_megabytes():
    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (750, 1000, 3), dtype=np.uint8)
    image = small.repeat(4, axis=0).repeat(4, axis=1)
    rough = Map.from_array(generator.uniform(0, 1, (188, 250)).repeat(16, 0).repeat(16, 1)[:3000, :4000])
    local = Map.from_array(3 * rough - 1)
    result = Comparison(-1.0, {"noise": rough, "haze": -rough}, local, local, True, -1.0, -0.5)
    page = render_report(result, image, image[::-1], image[:, ::-1])
    assert len(page.encode()) < 5_000_000 and "reduced from 4000 × 3000" in page


def test_the_histogram_has_the_whole_picture_and_runs_from_a_to_b():
    local = Map.from_array([[3.0, 0.55, 0.05, 0.0, -0.05, -0.15, -0.15, -9.0]])
    bins = margin_bins(local, 2.0)
    assert len(bins) == 40 and sum(bin.share for bin in bins) == pytest.approx(1)
    assert [bins[k].share * 8 for k in (0, 14, 19, 20, 21, 39)] == [1, 1, 1, 2, 2, 1]
    assert [bins[k].side for k in (0, 18, 19, 20, 21, 39)] == ["a", "a", "tie", "tie", "b", "b"]
    assert bins[0].words == "A better by 1.9 levels or more: 12.5 % of the picture"
    assert max(bin.height for bin in bins) == 1


def test_an_edge_belongs_to_the_bin_farther_from_zero():
    assert [bin.side for bin in margin_bins(Map.from_array([[0.1, -0.1]]), 2.0) if bin.share] == ["a", "b"]


def league(qualities: list[float] | None) -> League:
    pairwise = np.array([[0.0, -0.5, 0.05], [0.5, 0.0, 1.7], [-0.05, -1.7, 0.0]])
    axes = {axis.name: np.zeros(3) for axis in AXES} | {"noise": np.array([0.4, -0.1, 0.0])}
    names = ["a.png", "<b>.png", "c.png"]
    return League(Ranking([1, 0, 2], names, [0.5, 0.05], qualities, pairwise, {"version": "1"}), pairwise.mean(1), axes)


def test_the_league_page_has_order_scores_axes_and_every_margin(tmp_path):
    page = write_league(league(None), tmp_path / "league.html").read_text(encoding="utf-8")
    rows = re.findall(r'<th scope="row" title="[^"]*">(\d)\. ([^<]*)</th><td>([^<]*)</td><td>([^<]*)</td>', page)
    assert rows == [
        ("1", "&lt;b&gt;.png", "+0.73", "+0.50"), ("2", "a.png", "−0.15", "+0.05 (equal)"), ("3", "c.png", "−0.58", ""),
    ]  # fmt: skip
    assert "<b>" not in page and "+ noisier" in page and "hazier" not in page.split("<script")[0]
    matrix = page[page.index('id="matrix"') :]
    assert re.findall(r'<td class="cell-(a|b)" style="--s:\d+">([−+]\d\.\d\d)</td>', matrix) == [
        ("a", "+0.50"), ("a", "+1.70"), ("b", "−0.50"), ("a", "+0.05"), ("b", "−1.70"), ("b", "−0.05"),
    ]  # fmt: skip
    assert "http" not in page.replace("http-equiv", "") and "levels off the differences" in page


def test_the_league_page_links_where_it_has_addresses_and_knows_a_reference():
    page = render_league(league([-1.0, -0.5, -1.1]), {(1, 0): "/result/x/1-0"}, back="/")
    assert page.count('href="/result/x/1-0"') == 1 and 'href="/"' in page
    assert "levels below the reference" in page and "levels off the differences" not in page
