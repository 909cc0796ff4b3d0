"""Rankings: best first, by quality or by the mean margin over the others, equal ones in the order given."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relational_iqa.results.ranking import Ranking, pairs_of


def test_by_quality_the_highest_comes_first_and_margins_are_differences() -> None:
    ranking = Ranking.by_quality(["x", "y", "z"], [-2.0, -0.5, -1.0], {})
    assert ranking.order == [1, 2, 0] and ranking.margins == [0.5, 1.0]
    assert ranking.pairwise[1, 0] == 1.5 and np.array_equal(ranking.pairwise, -ranking.pairwise.T)


def test_by_margins_the_mean_margin_over_the_others_decides() -> None:
    pairwise = np.array([[0.0, 0.25, -2.0], [-0.25, 0.0, 0.5], [2.0, -0.5, 0.0]])
    ranking = Ranking.by_margins(["x", "y", "z"], pairwise, {})
    assert ranking.order == [2, 1, 0] and ranking.margins == [-0.5, -0.25] and ranking.qualities is None


def test_equal_images_keep_their_order_and_every_pair_is_met_once() -> None:
    assert Ranking.by_quality(["x", "y", "z"], [-1.0, -1.0, -1.0], {}).order == [0, 1, 2]
    assert list(pairs_of(3)) == [(0, 1), (0, 2), (1, 2)]


PAIRS: dict[tuple[int, int], tuple[float, float | None]] = {
    (0, 1): (1.0, 0.95), (0, 2): (1.2, 0.99), (0, 3): (2.0, 1.0),
    (1, 2): (0.3, 0.59), (1, 3): (0.9, 0.8), (2, 3): (0.8, 0.6),
}  # fmt: skip
NAMES = ["w", "x", "y", "z"]


def test_confidences_of_all_pairs_are_kept_and_neighbours_below_sixty_percent_share_a_place() -> None:
    ranking = Ranking.by_pairs(NAMES, PAIRS, {})
    assert ranking.order == [0, 1, 2, 3] and ranking.margins == [1.0, 0.3, 0.8]
    confidences, pairwise = ranking.confidences, ranking.pairwise
    assert (
        confidences is not None and np.array_equal(confidences, confidences.T) and set(confidences.diagonal()) == {0.5}
    )
    assert all((pairwise[pair], confidences[pair]) == said for pair, said in PAIRS.items())
    assert np.array_equal(pairwise, -pairwise.T)
    assert ranking.order_confidences == [0.95, 0.59, 0.6] and ranking.untold == [False, True, False]
    assert ranking.places == [1, 2, 2, 4] and ranking.places_said() == ["1", "=2", "=2", "4"]
    assert ranking.told[1, 2] == ranking.told[2, 1] == 0 and ranking.told[2, 3] == 0.8
    assert ranking.summary() == (
        "w is best, then x (1.0 levels behind, 95 % sure), then y (cannot tell from the one above), "
        "then z (0.8 levels behind, 60 % sure)."
    )


def test_the_json_of_a_ranking_has_places_and_confidences_and_survives_a_round_trip() -> None:
    data = Ranking.by_pairs(NAMES, PAIRS, {}).to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    rows = data["ranking"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4] and [row["place"] for row in rows] == [1, 2, 2, 4]
    assert [row["confidence_over_next"] for row in rows] == [0.95, 0.59, 0.6, None]
    assert [row["cannot_tell_from_above"] for row in rows] == [False, False, True, False]
    assert data["confidences"][0][2] == data["confidences"][2][0] == 0.99 and data["cannot_tell_below"] == 0.6


def test_without_confidences_nothing_is_said_of_them() -> None:
    ranking = Ranking.by_pairs(NAMES, {pair: (margin, None) for pair, (margin, _) in PAIRS.items()}, {})
    assert ranking.confidences is None and np.array_equal(ranking.told, ranking.pairwise)
    assert ranking.places == [1, 2, 3, 4] and ranking.untold == [False] * 3 and ranking.headline() == "w is best"
    assert (
        ranking.summary()
        == "w is best, then x (1.0 levels behind), then y (0.3 levels behind), then z (0.8 levels behind)."
    )
    assert ranking.to_json()["confidences"] is None
    assert Ranking.by_pairs(NAMES, PAIRS | {(0, 1): (1.0, None)}, {}).confidences is None  # all or none


def test_who_is_first_is_not_called_best_where_that_cannot_be_told() -> None:
    ranking = Ranking.by_pairs(["x", "y"], {(0, 1): (0.4, 0.55)}, {})
    assert ranking.headline() == "x and y share the first place"
    assert ranking.summary() == "x comes first, then y (cannot tell from the one above)."
    five = {pair: (0.1 * (pair[1] - pair[0]), 0.55) for pair in pairs_of(5)}
    assert Ranking.by_pairs(list("abcde"), five, {}).headline() == "5 images share the first place"


def test_a_comparison_that_contradicts_the_order_cannot_tell_it_however_sure_it_is() -> None:
    # y beats x, but x is first by its margin over z.
    ranking = Ranking.by_pairs(["x", "y", "z"], {(0, 1): (-0.5, 0.9), (0, 2): (3.0, 0.99), (1, 2): (0.4, 0.9)}, {})
    assert ranking.order == [0, 1, 2] and ranking.order_confidences == [pytest.approx(0.1), 0.9]
    assert ranking.untold == [True, False] and ranking.places == [1, 1, 3]


def test_identical_images_are_equal_and_share_a_place() -> None:
    ranking = Ranking.by_pairs(["x", "y"], {(0, 1): (0.0, 0.5)}, {})
    assert ranking.untold == [False] and ranking.places == [1, 1]
    assert ranking.summary() == "x comes first, then y (equal, 0.00 levels)."
    assert str(ranking.pairwise.tolist()) == "[[0.0, 0.0], [0.0, 0.0]]"


def test_confidences_of_another_number_of_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"confidences are of shape \(3, 3\), expected that of pairwise, \(2, 2\)"):
        Ranking.by_margins(["x", "y"], np.zeros((2, 2)), {}, np.full((3, 3), 0.5))


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.5, 1)), min_size=6, max_size=6), st.permutations(range(4)))
def test_the_order_in_which_images_are_given_changes_neither_places_nor_confidences(said, order) -> None:
    said = [
        (round(margin, 3) + 0.001 * (k + 1) ** 2 / 7, sure) for k, (margin, sure) in enumerate(said)
    ]  # no equal sums
    pairs = dict(zip(pairs_of(4), said, strict=True))
    other = {}
    for i, j in pairs_of(4):
        a, b = order[i], order[j]
        margin, sure = pairs[min(a, b), max(a, b)]
        other[i, j] = (margin if a < b else -margin, sure)
    one, two = Ranking.by_pairs(NAMES, pairs, {}), Ranking.by_pairs([NAMES[k] for k in order], other, {})
    sums = np.sort(one.pairwise.sum(1))
    if np.diff(sums).min() > 1e-9:
        assert [one.names[i] for i in one.order] == [two.names[i] for i in two.order]
        assert one.places == two.places and one.order_confidences == two.order_confidences
