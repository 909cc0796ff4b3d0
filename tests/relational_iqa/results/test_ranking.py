"""Rankings: best first, by quality or by the mean margin over the others, equal ones in the order given."""

import numpy as np

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
