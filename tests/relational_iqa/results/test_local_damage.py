"""A small place that is far worse than its maps account for is local damage; what they account for keeps its name."""

import numpy as np
import pytest

from relational_iqa.gate.accepted import Measured
from relational_iqa.results.comparison import Comparison
from relational_iqa.results.local_damage import BEYOND, LEVELS, SMALL
from relational_iqa.results.map import Map

HEIGHT, WIDTH = 120, 160
BOX = np.s_[40:64, 80:112]


def area(value: float, where: tuple[slice, slice] = np.s_[:, :]) -> np.ndarray:
    values = np.zeros((HEIGHT, WIDTH), np.float32)
    values[where] = value
    return values


def compared(local: np.ndarray, margin: float = 1.0, **maps: np.ndarray) -> Comparison:
    named = {"local_damage": area(0), **maps}
    kept = {name: Map.from_array(values) for name, values in named.items()}
    return Comparison(margin, kept, Map.from_array(local), Map.from_array(np.ones((HEIGHT, WIDTH))))


def test_a_faint_map_does_not_explain_a_lead_of_several_levels_in_a_small_box():
    result = compared(area(4.0, BOX), brightness=area(0.2, BOX))
    first, second = result.told
    assert (first.axis, first.side, first.word, first.strength) == ("local_damage", "b", "more damaged", "strong")
    assert first.intensity == pytest.approx(4.0 / LEVELS, abs=0.01) and (second.axis, second.strength) == (
        "brightness", "faint"
    )  # fmt: skip
    assert result.reasons() == f"B is more damaged (strong, {result.regions[0].box}) and brighter (faint, centre)"
    assert result.regions[0].axis == "local_damage" and first.share + second.share == pytest.approx(1.0, abs=0.02)
    assert result.map_of(first.finding).is_zero  # nothing of it in the map of the axis


@pytest.mark.parametrize(("levels", "damaged"), [(0.97 * BEYOND * LEVELS * 0.2, False), (1.1 * BEYOND, True)])
def test_the_lead_has_to_be_three_times_what_the_maps_account_for(levels: float, damaged: bool):
    result = compared(area(levels, BOX), brightness=area(0.2, BOX))
    assert (result.told[0].axis == "local_damage") == damaged


def test_a_large_area_and_a_lead_that_is_not_apart_from_the_rest_are_no_damage():
    large = np.s_[:60, :80]
    assert 60 * 80 > SMALL * HEIGHT * WIDTH
    assert [one.axis for one in compared(area(4.0, large), noise=area(0.2, large)).told] == ["noise"]
    everywhere = compared(area(4.0, BOX) + 1.0, noise=area(0.2))
    assert [one.axis for one in everywhere.told] == ["noise"]
    in_half = compared(area(4.0, BOX) + area(1.5, np.s_[:, :60]), noise=area(0.2))
    assert len(in_half.regions) > 1 and {region.axis for region in in_half.regions} == {"noise"}
    assert compared(area(0.9, BOX), brightness=area(0.04, BOX)).told == ()


def test_a_gate_knows_of_local_damage_that_no_map_shows():
    damaged, faint = compared(area(-4.0, BOX), -1.0, brightness=area(-0.2, BOX)), compared(area(0.0), noise=area(0.11))
    assert not any(one.axis == "local_damage" for one in damaged.findings)
    assert Measured.of(damaged).strengths == pytest.approx({"local_damage": 4.0 / LEVELS, "brightness": 0.2}, abs=0.01)
    measured = Measured.of(damaged)
    assert measured.words["local_damage"] == "more damaged"
    assert measured.region == pytest.approx(4.0, rel=0.2) and measured.place == damaged.regions[0].box
    assert Measured.of(compared(area(4.0, BOX), brightness=area(0.2, BOX))).region == 0  # there the other one is worse
    assert faint.findings and faint.defects == ()


def test_where_the_maps_show_nothing_at_all_nothing_is_claimed():
    result = compared(area(3.0, BOX))
    assert result.told == () and result.regions[0].axis is None


def test_several_places_are_one_reason_and_swapping_mirrors_it():
    other = np.s_[90:114, 10:40]
    local = area(4.0, BOX) + area(4.0, other)
    seen = area(0.2, BOX) + area(0.1, other)
    result = compared(local, noise=seen)
    assert [one.finding.where for one in result.told if one.axis == "local_damage"] == ["in several places"]
    assert [region.axis for region in result.regions] == ["local_damage", "local_damage"]
    swapped = compared(-local, -1.0, noise=-seen)
    assert swapped.reasons() == result.reasons().replace("B is", "A is")


def test_what_the_map_of_damage_shows_is_one_with_it():
    result = compared(area(4.0, BOX), local_damage=area(0.15, BOX))
    assert [one.axis for one in result.told] == ["local_damage"] and result.told[0].strength == "strong"
    swapped = compared(area(-4.0, BOX), -1.0, local_damage=area(-0.15, BOX))
    for one in (result, swapped):  # a map is positive where the image that is named has the defect
        assert one.map_of(one.told[0].finding).bounds == (0.0, np.float32(0.15))
