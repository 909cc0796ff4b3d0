"""Splits: no scene on both sides, every item once, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.logistic import fit_logistic
from relational_iqa.benchmarks.splits import cross_validate, grouped_splits, judge_held_out

GROUPS = [f"scene{i // 7}" for i in range(70)]


def test_no_scene_is_on_both_sides_and_every_item_is_on_one() -> None:
    splits = grouped_splits(GROUPS, count=10, test_share=0.2, seed=3)
    assert len(splits) == 10
    for train, test in splits:
        assert sorted([*train, *test]) == list(range(70))
        assert {GROUPS[i] for i in train}.isdisjoint({GROUPS[i] for i in test})
        assert len(test) == 14 and len(train) == 56


def test_splits_are_those_of_published_tables() -> None:
    """A permutation of the scenes by NumPy's default generator, whose first fifth is the test share."""
    rng = np.random.default_rng(3)
    for _, test in grouped_splits(GROUPS, count=4, seed=3):
        chosen = {f"scene{i}" for i in rng.permutation(10)[:2]}
        assert {GROUPS[i] for i in test} == chosen


def test_cross_validation_never_shows_what_it_tests() -> None:
    observed = np.random.default_rng(0).normal(size=70)
    asked: list[tuple[set[str], set[str]]] = []

    def predict(train: np.ndarray, indices: np.ndarray) -> np.ndarray:
        asked.append(({GROUPS[i] for i in train}, {GROUPS[i] for i in indices}))
        return observed[indices]

    verdict = cross_validate(predict, observed, GROUPS, 6, seed=2)
    assert len(asked) == 6 and all(fitted_to.isdisjoint(tested) for fitted_to, tested in asked)
    assert verdict.median("srcc") == pytest.approx(1) and verdict.median("plcc_raw") == pytest.approx(1)
    assert np.isnan(verdict.values("plcc")).all() and np.isnan(verdict.values("rmse")).all()
    curved = cross_validate(predict, observed, GROUPS, 6, seed=2, with_curve=True)
    assert curved.median("plcc") > 0.98 and 0 < curved.median("rmse") < 0.5


def test_the_curve_of_a_split_is_fitted_to_its_training_share() -> None:
    rng = np.random.default_rng(6)
    observed = rng.normal(size=70)
    predicted = observed + rng.normal(size=70)
    verdict = cross_validate(lambda train, indices: predicted[indices], observed, GROUPS, 3, seed=2, with_curve=True)
    for (train, test), found in zip(grouped_splits(GROUPS, 3, seed=2), verdict.splits, strict=True):
        mapped = fit_logistic(predicted[train], observed[train])(predicted[test])
        assert found.rmse == pytest.approx(np.sqrt(np.mean((mapped - observed[test]) ** 2)))


def test_agreement_on_splits_is_that_of_each_test_share_alone() -> None:
    rng = np.random.default_rng(4)
    observed, splits = rng.normal(size=70), grouped_splits(GROUPS, 5, seed=1)
    tested = [observed[test] + rng.normal(size=len(test)) for _, test in splits]
    verdict = judge_held_out(splits, tested, observed)
    expected = [stats.spearmanr(values, observed[test])[0] for values, (_, test) in zip(tested, splits, strict=True)]
    np.testing.assert_allclose(verdict.values("srcc"), expected)
    assert verdict.median("srcc") == pytest.approx(np.median(expected))
    for index in range(70):
        said = [
            v[np.flatnonzero(test == index)[0]] for v, (_, test) in zip(tested, splits, strict=True) if index in test
        ]
        assert verdict.held_out[index] == pytest.approx(np.mean(said)) if said else np.isnan(verdict.held_out[index])


def test_a_seed_fixes_the_splits_and_another_gives_others() -> None:
    def tests(seed: int) -> list[list[int]]:
        return [test.tolist() for _, test in grouped_splits(GROUPS, seed=seed)]

    assert tests(1) == tests(1) != tests(2)
    assert len({tuple(test) for test in tests(1)}) > 1


def test_names_of_scenes_decide_nothing() -> None:
    renamed = [name.replace("scene", "z")[::-1] for name in GROUPS]
    for (_, first), (_, second) in zip(grouped_splits(GROUPS), grouped_splits(renamed), strict=True):
        assert np.array_equal(first, second)


def test_images_without_a_scene_are_scenes_of_their_own() -> None:
    for train, test in grouped_splits([""] * 10):
        assert len(test) == 2 and len(train) == 8


@given(st.lists(st.sampled_from("abcdefg"), min_size=2).filter(lambda g: len(set(g)) > 1), st.floats(0.01, 0.99))
def test_both_sides_hold_something_for_any_share(groups: list[str], share: float) -> None:
    for train, test in grouped_splits(groups, count=2, test_share=share):
        assert len(train) and len(test)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"groups": ["a", "a"]}, "1 scenes cannot be split"),
        ({"groups": []}, "0 scenes"),
        ({"groups": GROUPS, "test_share": 1.0}, "test 1.0"),
        ({"groups": GROUPS, "test_share": 0.0}, "test 0.0"),
        ({"groups": GROUPS, "count": 0}, "0 splits"),
    ],
)
def test_what_cannot_be_split_is_refused(options: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        grouped_splits(**options)
