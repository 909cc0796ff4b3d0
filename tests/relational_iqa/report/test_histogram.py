"""The histogram of local margins: the whole picture, from A on the left to B on the right."""

import pytest

from relational_iqa.report.histogram import margin_bins
from relational_iqa.results.map import Map


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
