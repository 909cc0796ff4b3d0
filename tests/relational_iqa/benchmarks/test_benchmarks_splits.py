"""Splits: no scene on both sides, every item once, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.splits import grouped_splits, train_val_test_splits

GROUPS = [f"scene{i // 7}" for i in range(70)]


def test_no_scene_is_on_both_sides_and_every_item_is_on_one() -> None:
    splits = grouped_splits(GROUPS, count=10, test_share=0.2, seed=3)
    assert len(splits) == 10
    for train, test in splits:
        assert sorted([*train, *test]) == list(range(70))
        assert {GROUPS[i] for i in train}.isdisjoint({GROUPS[i] for i in test})
        assert len(test) == 14 and len(train) == 56


def test_three_way_splits_keep_the_test_shares_of_two_way_splits() -> None:
    two, three = grouped_splits(GROUPS, seed=5), train_val_test_splits(GROUPS, seed=5)
    for (_, test), (train, val, held_out) in zip(two, three, strict=True):
        assert np.array_equal(test, held_out)
        assert (len(train), len(val), len(held_out)) == (42, 14, 14)
        assert {GROUPS[i] for i in val}.isdisjoint({GROUPS[i] for i in [*train, *held_out]})


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
