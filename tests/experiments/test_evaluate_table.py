"""The table of the evaluation: bounds, spreads, and what several seeds are joined into."""

import math

import numpy as np
import pytest
import torch

from experiments.pixel_perfect.measures import PearsonSums, severity_seen, share
from experiments.pixel_perfect.table import NOT_MEASURED, Row, markdown, over_seeds, verdict


def test_a_row_holds_from_its_bound_on_and_says_when_it_was_not_measured() -> None:
    rows = [Row("a", 0.9, must=0.9), Row("b", 0.89, must=0.9), Row("c", None, must=0.9), Row("d", 0.1)]
    assert [row.holds for row in rows] == [True, False, None, None]
    assert verdict(rows) == f"1 of 3 requirements hold | not met: b | {NOT_MEASURED}: c."
    lines = markdown(rows).splitlines()
    assert len({line.count("|") for line in lines[:6]}) == 1 and "NO" in lines[3] and NOT_MEASURED in lines[4]


def test_shares_are_shown_as_percentages_with_their_interval() -> None:
    assert Row("a", 0.9634, unit="share", must=0.97, spread=0.012).cells()[1:4] == ("96.3 % ± 1.2", "≥ 97 %", "NO")
    assert Row("a", float("nan")).to_json()["value"] is None


def test_a_share_counts_answers_and_its_interval_groups() -> None:
    result = share([[True, True, False], [], [True]])
    assert (result.value, result.answers, result.groups) == (0.75, 4, 2)
    assert share([[True]] * 5).spread == 0 and math.isnan(share([[]]).value)


def test_streamed_correlation_equals_that_of_all_values_at_once() -> None:
    x, y = torch.rand(2, 300, generator=torch.Generator().manual_seed(0)).double()
    y = y + x
    first, second = PearsonSums(), PearsonSums()
    first.add(x[:100], y[:100])
    second.add(x[100:], y[100:])
    assert (first + second).value == pytest.approx(float(np.corrcoef(x, y)[0, 1])) and (first + second).count == 300
    assert math.isnan(PearsonSums().value)


@pytest.mark.parametrize(("value", "holds"), [(0.0, True), (0.03, True), (0.031, False), (None, None)])
def test_an_upper_bound_holds_up_to_itself(value: float | None, holds: bool | None) -> None:
    row = Row("alarm", value, most=0.03)
    assert row.asked and row.holds is holds and row.cells()[2] == "≤ 0.03"
    both = Row("between", value, must=0.01, most=0.03)
    assert both.holds is (None if value is None else holds and value >= 0.01) and both.cells()[2] == "≥ 0.01, ≤ 0.03"


def test_a_row_without_bounds_asks_nothing() -> None:
    assert not Row("reported", 0.5).asked and Row("reported", 0.5).holds is None


def test_seeds_are_joined_into_mean_and_standard_deviation() -> None:
    runs = [[Row("a", value, "9 pairs", must, "share", 0.2)] for value, must in ((0.90, 0.8), (0.94, 0.9), (0.98, 0.7))]
    (row,) = over_seeds(runs)
    assert row.value == pytest.approx(0.94) and row.spread == pytest.approx(0.04)
    assert row.must == pytest.approx(0.8) and row.holds and row.samples == "9 pairs, 3 seeds"
    assert row.cells()[1] == "94.0 % ± 4.0"


def test_one_seed_stays_as_it_is_with_its_own_interval() -> None:
    rows = [Row("a", 0.9, spread=0.03), Row("a", None, part=True)]
    assert over_seeds([rows]) == rows


def test_parts_of_one_name_are_joined_with_those_of_the_same_row_above() -> None:
    def run(shift: float, between: bool) -> list[Row]:
        strong = [Row("strong", 0.5 + shift), Row("sign", 0.7 + shift, part=True)]
        return [*strong, *([Row("only here", 1.0)] * between), Row("weak", 0.2), Row("sign", 0.1 + shift, part=True)]

    joined = over_seeds([run(0.0, True), run(0.1, False)])
    assert [row.name for row in joined] == ["strong", "sign", "weak", "sign"]
    assert [row.value for row in joined] == pytest.approx([0.55, 0.75, 0.2, 0.15])


def test_a_row_that_one_seed_did_not_measure_is_not_measured() -> None:
    (row,) = over_seeds([[Row("a", 0.9, must=0.5, note="fine")], [Row("a", None, must=0.5, note="no tool")]])
    assert row.value is None and row.spread is None and row.holds is None and row.note == "first seed: fine"


def test_severity_seen_is_nothing_for_equal_images_and_rises_with_error() -> None:
    reference = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.2
    noise = torch.randn(reference.shape, generator=torch.Generator().manual_seed(1))
    tests = torch.cat([reference + amount * noise for amount in (0.0, 0.05, 0.15)])
    seen = severity_seen(tests, reference.expand_as(tests))
    assert seen[0] == pytest.approx(0, abs=1e-3) and 0.1 < seen[1] < seen[2]


def test_an_aim_is_shown_beside_the_bound_and_never_counts() -> None:
    row = Row("a", 0.98, must=0.97, unit="share", aim=0.985)
    assert row.cells()[2] == "≥ 97 % (aim 98.5 %)" and row.holds
    assert Row("b", 0.03, most=0.04, aim=0.02).cells()[2] == "≤ 0.04 (aim 0.02)"
    assert not Row("c", 0.5, aim=0.9).asked


def test_bounds_between_whole_percentages_are_not_rounded_to_one() -> None:
    assert Row("a", 0.9925, must=0.993, unit="share").cells()[1:4] == ("99.2 %", "≥ 99.3 %", "NO")
