"""How far metrics can be trusted: the estimate without labels, on judges whose accuracy is known."""

import numpy as np
import pytest

from distortion_engine.errors import UsageError
from experiments.pixel_perfect.teachers import FAMILIES, constructed, spectral_accuracy, trust, votes_between_sets
from relational_iqa.conventional import METRICS


def judges(accuracy: list[float], questions: int = 60_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    truth = rng.choice([-1, 1], questions)
    right = rng.random((questions, len(accuracy))) < np.array(accuracy)
    return np.where(right, truth[:, None], -truth[:, None])


def test_accuracy_of_independent_judges_is_found_without_the_truth() -> None:
    accuracy = [0.95, 0.9, 0.8, 0.7, 0.6]
    estimated = spectral_accuracy(judges(accuracy), np.arange(5))
    assert estimated == pytest.approx(accuracy, abs=0.01)


def test_a_judge_that_is_copied_gains_nothing_within_its_family() -> None:
    votes = judges([0.95, 0.9, 0.8, 0.7])
    copied = np.concatenate([votes, votes[:, 3:], votes[:, 3:]], 1)
    family = np.array([0, 1, 2, 3, 3, 3])
    assert spectral_accuracy(copied, family)[3] == pytest.approx(0.7, abs=0.01)
    assert spectral_accuracy(copied, np.arange(6))[3] > 0.85  # what the families are for


def test_two_families_are_refused() -> None:
    with pytest.raises(UsageError, match="three or more"):
        spectral_accuracy(judges([0.9, 0.8, 0.7], 100), np.array([0, 0, 1]))


def test_constructed_order_counts_sure_pairs_of_different_rank_only() -> None:
    damage = np.array([[[1.0, 1.0], [2.0, 0.5], [3.0, 0.7]], [[5.0, 5.0], [4.0, 4.0], [3.0, 3.0]]])
    ranks, certainty = np.array([[1, 2, 2], [1, 2, 3]]), np.array([1.0, 0.5])
    assert constructed(damage, ranks, certainty).tolist() == [1.0, 0.0]


def test_pairs_are_of_different_sets_and_a_perfect_metric_is_trusted_most() -> None:
    rng = np.random.default_rng(1)
    names = [name for members in FAMILIES.values() for name in members]
    truth = rng.random((300, 4))
    damage = truth[..., None] + rng.normal(0, 0.25, (300, 4, len(names)))
    damage[..., names.index("haarpsi")] = truth
    votes = votes_between_sets(damage, rng)
    assert set(np.unique(votes)) == {-1.0, 1.0} and len(votes) == 300 * 4 * 8
    ranks = np.argsort(np.argsort(truth, 1), 1)
    table = trust(damage, ranks, np.ones(300), names)
    assert max(table, key=lambda name: table[name].spectral) == "haarpsi"
    assert table["haarpsi"].construction == 1.0


def test_every_conventional_metric_belongs_to_one_family() -> None:
    assert sorted(name for members in FAMILIES.values() for name in members) == sorted(METRICS)
