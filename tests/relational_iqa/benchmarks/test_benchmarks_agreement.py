"""The numbers: the logistic, intervals, choices between two images, and verdicts, against values known otherwise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.agreement import agreement, difference, judge, judge_partners, natural_order, plain
from relational_iqa.benchmarks.bootstrap import interval, resample
from relational_iqa.benchmarks.correlation import plcc, srcc
from relational_iqa.benchmarks.forced_choice import (
    pair_accuracy,
    partner_pairs,
    scene_pairs,
    standings,
    two_afc,
    two_afc_people,
)
from relational_iqa.benchmarks.logistic import Logistic, fit_logistic
from relational_iqa.benchmarks.regression import ridge
from relational_iqa.benchmarks.splits import cross_validate


def vqeg(x: np.ndarray, high: float, low: float, centre: float, scale: float) -> np.ndarray:
    """The curve as the literature writes it."""
    return (high - low) / (1 + np.exp(-(x - centre) / abs(scale))) + low


@pytest.mark.parametrize(
    "truth",
    [
        (9.0, 1.0, 30.0, 4.0),
        (1.0, 0.0, 0.95, 0.01),  # a metric that presses all images against 1
        (80.0, 20.0, 0.0, 1e-3),
        (5.0, 1.0, -3.0, 0.7),
        (1.0, 9.0, 30.0, 4.0),  # falling
    ],
)
def test_the_fit_recovers_a_known_curve(truth: tuple[float, float, float, float]) -> None:
    x = truth[2] + truth[3] * np.random.default_rng(1).normal(0, 2, 200)
    found = fit_logistic(x, vqeg(x, *truth))
    assert (found.high, found.low, found.centre, found.scale) == pytest.approx(truth, rel=1e-3, abs=1e-4)
    assert found(x) == pytest.approx(vqeg(x, *truth), rel=1e-4)


def test_the_fit_is_the_least_squares_fit_of_noisy_data() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(15, 45, 300)
    y = vqeg(x, 6.5, 2.5, 30, 4) + rng.normal(0, 0.5, 300)
    reference, _ = curve_fit(vqeg, x, y, p0=(6.5, 2.5, 30, 4), maxfev=20000)
    found = fit_logistic(x, y)
    assert np.sum((found(x) - y) ** 2) <= np.sum((vqeg(x, *reference) - y) ** 2) * (1 + 1e-6)
    assert found.centre == pytest.approx(reference[2], rel=1e-2)


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.sampled_from([1e-6, 1.0, 1e6]), st.floats(-100, 100))
def test_the_curve_never_agrees_less_than_the_values_as_they_are(seed: int, unit: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=30)
    x = unit * (np.exp(y + rng.normal(0, 0.7, 30)) + shift)
    result = agreement(x, y, fit_logistic(x, y))
    assert result.plcc >= result.plcc_raw - 1e-3
    assert result.rmse == pytest.approx(y.std() * math.sqrt(1 - result.plcc**2), rel=1e-5)


def test_outliers_and_ties_do_not_break_the_fit() -> None:
    rng = np.random.default_rng(3)
    x = np.concatenate([np.full(20, 80.0), rng.uniform(20, 40, 100), [-1e4]])  # identical images, and one disaster
    y = np.clip(x, 20, 45) / 10 + rng.normal(0, 0.1, len(x))
    assert agreement(x, y, fit_logistic(x, y)).plcc > 0.95
    flat = fit_logistic(np.ones(8), np.arange(8.0))
    assert flat(np.array([0.0, 1.0, 5.0])) == pytest.approx([3.5, 3.5, 3.5])


def test_a_metric_against_the_order_of_people_stays_negative_after_the_curve() -> None:
    y = np.linspace(0, 1, 40)
    result = agreement(-np.exp(y), y, fit_logistic(-np.exp(y), y))
    assert result.srcc == pytest.approx(-1) and result.plcc == pytest.approx(-1, abs=1e-3)


def test_the_fit_refuses_what_it_cannot_answer() -> None:
    with pytest.raises(UsageError, match="needs 5 or more"):
        fit_logistic(np.arange(4.0), np.arange(4.0))
    with pytest.raises(UsageError, match="NaN"):
        fit_logistic(np.array([1, 2, 3, 4, np.nan]), np.arange(5.0))


def test_two_afc_is_the_mean_share_of_people_who_choose_as_the_metric() -> None:
    prefer_second = np.array([0.2, 0.2, 1.0, 0.6])
    margins = np.array([2.0, -1.0, -0.5, 0.0])  # first better; second better; second better; no difference
    assert two_afc(margins, prefer_second) == pytest.approx((0.8 + 0.2 + 1.0 + 0.5) / 4)
    assert two_afc_people(prefer_second) == pytest.approx(((0.68 + 0.68 + 1 + 0.52) / 4, (0.8 + 0.8 + 1 + 0.6) / 4))
    with pytest.raises(UsageError, match="0 margins"):
        two_afc(np.zeros(0), np.zeros(0))


@given(st.lists(st.tuples(st.integers(-2, 2), st.sampled_from([0, 0.2, 0.5, 1.0])), min_size=1))
def test_swapping_the_two_images_of_every_pair_keeps_the_two_afc_score(pairs: list[tuple[int, float]]) -> None:
    margins, people = np.array(pairs, dtype=float).T
    assert two_afc(margins, people) == pytest.approx(two_afc(-margins, 1 - people))
    assert two_afc(margins, people) <= two_afc_people(people)[1] + 1e-12


def test_only_images_of_one_scene_are_paired() -> None:
    assert scene_pairs(["a", "b", "a", "", "", "a"]) == [(0, 2), (0, 5), (2, 5)]


def test_pairs_that_people_score_equally_say_nothing() -> None:
    pairs = np.array([(0, 1), (0, 2), (1, 2)])
    assert pair_accuracy(np.array([1.0, -1.0, 0.0]), pairs, np.array([2.0, 1.0, 2.0])) == pytest.approx(0.75)
    assert math.isnan(pair_accuracy(np.ones(3), pairs, np.ones(3)))


def test_standings_give_back_the_qualities_behind_the_margins_up_to_a_constant_a_scene() -> None:
    rng = np.random.default_rng(4)
    quality, groups = rng.normal(size=24), ["a", "b"] * 12
    for partners in (None, 2, 5):
        pairs = np.array(partner_pairs(groups, partners, seed=1))
        found = standings(quality[pairs[:, 0]] - quality[pairs[:, 1]], pairs, 25)
        assert math.isnan(found[24])
        for start in (0, 1):
            scene = quality[start::2]
            assert found[start:24:2] == pytest.approx(scene - scene.mean(), abs=1e-9)


def test_with_all_pairs_the_standing_is_the_mean_margin() -> None:
    rng = np.random.default_rng(5)
    pairs = np.array(scene_pairs(["s"] * 6))
    margins = rng.normal(size=len(pairs))
    table = np.zeros((6, 6))
    table[pairs[:, 0], pairs[:, 1]] = margins
    table[pairs[:, 1], pairs[:, 0]] = -margins
    assert standings(margins, pairs, 6) == pytest.approx(table.mean(1))


def test_few_partners_still_connect_every_scene() -> None:
    groups = ["a"] * 9 + ["b"] * 2 + ["c"] + [""]
    pairs = partner_pairs(groups, 4, seed=7)
    met = {item for pair in pairs for item in pair}
    assert met == set(range(11)) and len(pairs) == 9 * 2 + 1
    assert all(groups[i] == groups[j] and i < j for i, j in pairs)
    with pytest.raises(UsageError, match="2 or more"):
        partner_pairs(groups, 1)


def test_draws_take_whole_scenes_and_images_only_where_scenes_are_few() -> None:
    groups = [f"s{i // 3}" for i in range(30)]
    draws = resample(groups, 50, seed=1)
    assert draws.unit == "scenes" and len(draws.draws) == 50
    for draw in draws.draws:
        counts = np.bincount(draw, minlength=30).reshape(10, 3)
        assert len(draw) == 30 and (counts == counts[:, :1]).all()
    assert resample(["a"] * 15 + ["b"] * 15, 1).unit == "images"
    assert resample([""] * 30, 1, single="pairs").unit == "pairs"


def test_intervals_of_scenes_are_wider_where_images_of_a_scene_move_together() -> None:
    rng = np.random.default_rng(6)
    scenes = [f"s{i // 20}" for i in range(200)]
    x = np.tile(np.linspace(0, 1, 20), 10)
    y = x + np.repeat(rng.normal(0, 1, 10), 20)
    by_scene = resample(scenes, 100, seed=0)
    by_image = resample([""] * 200, 100, seed=0)
    wide, narrow = (interval(d.values(lambda draw: srcc(x[draw], y[draw]))) for d in (by_scene, by_image))
    assert wide is not None and narrow is not None
    assert wide[1] - wide[0] > narrow[1] - narrow[0]
    assert wide[0] < srcc(x, y) < wide[1]
    assert interval(np.full(50, np.nan)) is None


def test_a_verdict_says_what_holds_within_scenes_and_types_beside_the_whole() -> None:
    quality = np.tile(np.arange(6.0), 8)
    scenes = [f"s{i // 6}" for i in range(48)]
    offset = np.repeat(np.arange(8.0) * 10, 6)
    verdict = judge(quality + offset, quality, scenes, ["x", "y"] * 24, resample(scenes, 40))
    assert verdict.overall is not None and verdict.overall.n == 48
    assert verdict.overall.srcc < 0.5 and verdict.srcc_within_scenes == pytest.approx(1) == verdict.pair_accuracy
    assert verdict.by_scene["s3"].srcc == pytest.approx(1) and list(verdict.by_distortion) == ["x", "y"]
    assert verdict.by_distortion["x"].n == 24
    assert set(verdict.intervals) == {"srcc", "krcc", "plcc", "plcc_raw", "rmse"}


def test_intervals_hold_the_number_they_are_of() -> None:
    rng = np.random.default_rng(11)
    y, scenes = rng.normal(size=120), [f"s{i // 6}" for i in range(120)]
    verdict = judge(y + rng.normal(size=120), y, scenes, [""] * 120, resample(scenes, 60))
    assert verdict.overall is not None and not verdict.by_distortion
    for name, (low, high) in verdict.intervals.items():
        assert low < getattr(verdict.overall, name) < high


def test_a_verdict_on_comparisons_has_no_number_across_scenes() -> None:
    quality = np.tile(np.arange(6.0), 8)
    scenes = [f"s{i // 6}" for i in range(48)]
    pairs = np.array(scene_pairs(scenes))
    margins = quality[pairs[:, 0]] - quality[pairs[:, 1]]
    margins[pairs[:, 0] < 6] *= -1  # wrong in the first scene alone
    standing = standings(margins, pairs, 48)
    verdict = judge_partners(pairs, margins, standing, quality, scenes, resample(scenes, 100))
    assert verdict.overall is None and not verdict.by_distortion
    assert verdict.by_scene["s0"].srcc == pytest.approx(-1) and verdict.by_scene["s1"].srcc == pytest.approx(1)
    assert verdict.srcc_within_scenes == pytest.approx(6 / 8) and verdict.pair_accuracy == pytest.approx(7 / 8)
    low, high = verdict.intervals["pair_accuracy"]
    assert low < 7 / 8 <= high


def test_the_difference_of_two_metrics_is_judged_on_the_same_draws() -> None:
    rng = np.random.default_rng(8)
    y = rng.normal(size=100)
    noisy = y + rng.normal(size=100)
    value, ends = difference(y, noisy, y, resample([""] * 100, 40))
    assert value == pytest.approx(1 - srcc(noisy, y)) and ends is not None and ends[0] > 0
    same, none = difference(noisy, noisy, y, resample([""] * 100, 40))
    assert same == 0 and none == (0, 0)


def test_on_splits_the_curve_and_the_regressor_come_from_the_training_share() -> None:
    rng = np.random.default_rng(9)
    groups = [f"s{i // 5}" for i in range(100)]
    features = rng.normal(size=(100, 4))
    scores = features @ np.array([1.0, -2.0, 0.5, 0.0]) + rng.normal(0, 0.1, 100)
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    predict = ridge(features, scores)

    def watched(train: np.ndarray, indices: np.ndarray) -> np.ndarray:
        seen.append((train, indices))
        return predict(train, indices)

    verdict = cross_validate(watched, scores, groups, 4, with_curve=True)
    assert len(verdict.splits) == 4 and verdict.median("srcc") > 0.97 and verdict.median("plcc") > 0.97
    for train, indices in seen:
        assert np.array_equal(train, indices) or not set(train) & set(indices)
    assert np.isfinite(verdict.held_out).sum() >= 20
    known = np.isfinite(verdict.held_out)
    assert plcc(verdict.held_out[known], scores[known]) > 0.97
    noise = rng.normal(size=100)
    assert cross_validate(lambda train, indices: noise[indices], scores, groups, 4).median("srcc") < 0.5


def test_features_that_know_the_training_images_by_heart_do_not_pass_on_splits() -> None:
    rng = np.random.default_rng(10)
    scores = rng.normal(size=60)
    verdict = cross_validate(ridge(np.eye(60), scores), scores, [f"s{i}" for i in range(60)], 5)
    assert not verdict.median("srcc") > 0.5


def test_json_holds_no_numbers_that_json_has_not() -> None:
    assert plain({"a": np.float32(1.5), "b": [float("nan"), np.inf], "c": (np.int64(3), True, None)}) == {
        "a": 1.5, "b": [None, None], "c": [3, True, None],
    }  # fmt: skip


def test_parts_are_listed_as_people_count() -> None:
    assert sorted(["10 JPEG", "2 blur", "i10", "i2"], key=natural_order) == ["2 blur", "10 JPEG", "i2", "i10"]


def test_the_curve_is_the_one_of_the_literature() -> None:
    x = np.linspace(-5, 5, 11)
    assert Logistic(9, 1, 0.5, 2)(x) == pytest.approx(vqeg(x, 9, 1, 0.5, 2))
