"""Worst regions: the boxes of a slow literal version, where and what they are said to be."""

from dataclasses import dataclass

import numpy as np
import pytest

from distortion_engine.catalog import AXES
from relational_iqa.results.comparison import Comparison
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


@dataclass(frozen=True)
class Box:
    rank: float
    finding: int
    top: int
    left: int
    side: int
    intensity: float


def literal_boxes(result: Comparison) -> list[Box]:
    """All windows over the maps of all findings that matter, by hand, and greedily the best that do not overlap."""
    found = [finding for finding in result.findings if finding.matters]
    height, width = result.shape
    shorter, boxes = min(height, width), []
    for number, finding in enumerate(found):
        values = result.maps[finding.axis].full() * (1 if finding.value > 0 else -1)
        for side in sorted({min(shorter, max(16, round(share * shorter))) for share in (1 / 12, 1 / 6, 1 / 3)}):
            step = max(1, side // 4)
            for top in sorted({*range(0, height - side + 1, step), height - side}):
                for left in sorted({*range(0, width - side + 1, step), width - side}):
                    mean = float(np.maximum(values[top : top + side, left : left + side], 0).mean(dtype=np.float64))
                    if round(mean, 9) >= 0.12:
                        rank = round(round(mean, 9) * (side / shorter) ** 0.5, 9)
                        boxes.append(Box(rank, number, top, left, side, round(mean, 9)))
    taken: list[Box] = []
    for box in sorted(boxes, key=lambda box: (-box.rank, box.finding, box.top, box.left)):
        apart = all(
            box.top >= other.top + other.side or other.top >= box.top + box.side
            or box.left >= other.left + other.side or other.left >= box.left + box.side
            for other in taken
        )  # fmt: skip
        if apart and sum(other.finding == box.finding for other in taken) < 4 and len(taken) < 8:
            taken.append(box)
    return taken


@pytest.mark.parametrize("seed", range(4))
def test_boxes_are_those_of_a_literal_version(seed: int) -> None:
    draw = np.random.default_rng(seed)
    shape = (96, 144) if seed % 2 else (130, 100)

    def smooth(scale: float) -> np.ndarray:
        coarse = draw.integers(-8, 9, (-(-shape[0] // 10), -(-shape[1] // 10))) / 8
        return np.asarray(scale * np.kron(coarse, np.ones((10, 10)))[: shape[0], : shape[1]], np.float32)

    result = compared(shape, noise=smooth(0.5), haze=smooth(0.25), brightness=smooth(0.5))
    expected = literal_boxes(result)
    found = worst_regions(result)
    assert len(found) >= 4 and [(r.top, r.left, r.height, r.width) for r in found] == [
        (box.top, box.left, box.side, box.side) for box in expected
    ]
    matter = [finding for finding in result.findings if finding.matters]
    for region, box in zip(found, expected, strict=True):
        assert (region.axis, region.side, region.word) == (
            matter[box.finding].axis, matter[box.finding].side, matter[box.finding].word
        )  # fmt: skip
        assert region.intensity == pytest.approx(box.intensity) and region.margin == pytest.approx(-1.0)
