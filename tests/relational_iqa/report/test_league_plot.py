"""Score against size: places, scales, the front, and names that do not overlap."""

import pytest

from relational_iqa.report import league_plot
from relational_iqa.report.league_plot import HEIGHT_PX, plot_of


def test_smaller_files_lie_further_left_and_better_images_higher():
    plot = plot_of([1000, 2000, 3000], [-1.0, -0.5, -2.0], ["a", "b", "c"], [1, 0, 2], below_zero=True)
    b, a, c = plot.points
    assert (b.index, a.index, c.index) == (1, 0, 2) and 0 < a.x < b.x < c.x < 1
    assert 0 < b.y < a.y < c.y < HEIGHT_PX and a.x + c.x == pytest.approx(2 * b.x)
    assert not plot.logarithmic and [point.index for point in plot.front] == [0, 1]
    assert [point.best for point in plot.points] == [True, True, False]


def test_sizes_that_differ_by_much_are_on_a_logarithmic_scale():
    plot = plot_of([1000, 10_000, 100_000], [0.0, 1.0, 0.5], ["a", "b", "c"], [1, 2, 0], below_zero=False)
    by_index = sorted(plot.points, key=lambda point: point.index)
    assert plot.logarithmic and by_index[1].x == pytest.approx((by_index[0].x + by_index[2].x) / 2)
    assert [tick.label for tick in plot.across] == ["1 kB", "10 kB", "100 kB"]
    assert [tick.at for tick in plot.across] == pytest.approx([point.x for point in by_index])


def test_ticks_are_round_and_count_downwards_from_the_reference():
    plot = plot_of([1000, 1100], [-0.1, -2.6], ["a", "b"], [0, 1], below_zero=True)
    assert [tick.label for tick in plot.down] == ["2", "1", "0"] or [t.label for t in plot.down][-1] == "0"
    assert all(not tick.label.startswith("−") for tick in plot.down)
    signed = plot_of([1000, 1100], [-1.3, 1.3], ["a", "b"], [1, 0], below_zero=False)
    assert [tick.label for tick in signed.down] == ["−1", "0", "1"]


def test_equal_scores_and_equal_sizes_are_drawn():
    plot = plot_of([1000, 1000, 1000], [0.0, 0.0, 0.0], ["a", "b", "c"], [0, 1, 2], below_zero=False)
    assert len({(point.x, point.y) for point in plot.points}) == 1 and len(plot.front) == 3


def test_names_of_points_that_lie_close_do_not_overlap():
    sizes, scores = [50_000 + 200 * i for i in range(9)], [0.01 * i for i in range(9)]
    names = [f"version_number_{i}.jpg" for i in range(9)]
    plot = plot_of([*sizes, 20_000], [*scores, 5.0], [*names, "far.png"], [9, *range(8, -1, -1)], below_zero=False)
    boxes = [league_plot._box(p.x, p.y, len(p.label), p.right, p.shift) for p in plot.points]
    assert all(not league_plot._overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert any(point.shift for point in plot.points) and not plot.numbered
    assert all(len(point.label) <= 18 for point in plot.points) and plot.points[1].label.endswith("number_8.jpg")


def test_many_images_have_numbers_in_place_of_names():
    plot = plot_of(
        [1000 + i for i in range(30)], [float(i) for i in range(30)], ["x"] * 30, list(range(29, -1, -1)), True
    )
    assert plot.numbered and [point.label for point in plot.points][:2] == ["1", "2"]
