"""What ranked sets teach, against slow definitions; the sign of every order: the better image gets the higher score."""

import math

import pytest
import torch
from torch import Tensor

from relational_iqa.training.losses.ranked_sets import (
    certainty_weighted_mean,
    order_by_construction,
    pair_losses,
    reference_losses,
    share_in_order,
)
from relational_iqa.training.losses.ranking import rank_n_contrast

SETS, MEMBERS, METRICS = 3, 5, 4
CERTAINTY = torch.tensor([1.0, 0.6, 0.9])  # the order of the second set is not sure


def logistic(difference: float) -> float:
    return math.log1p(math.exp(-difference / 0.3))


def huber(error: float) -> float:
    return error**2 / 0.1 if abs(error) < 0.05 else abs(error) - 0.025


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def batch(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """quality, ranks (with ties) and labels of random sets, double precision."""
    generator = torch.Generator().manual_seed(seed)
    ranks = torch.randint(0, 3, (SETS, MEMBERS), generator=generator)
    ranks[:, 0] = -1
    labels = torch.rand(SETS, MEMBERS, 1, generator=generator, dtype=torch.float64)
    labels = labels + 0.1 * torch.rand(SETS, MEMBERS, METRICS, generator=generator, dtype=torch.float64)
    labels[:, 0] = 0
    quality = -5 * torch.rand(SETS, MEMBERS, generator=generator, dtype=torch.float64)
    quality[:, 0] = 0
    return quality, ranks, labels


def slow_reference_losses(quality: Tensor, ranks: Tensor, labels: Tensor) -> dict[str, float]:
    order, right = [], []
    for s in range(SETS):
        for i in range(MEMBERS):
            for j in range(MEMBERS):
                if CERTAINTY[s] >= 0.8 and ranks[s, i] < ranks[s, j]:  # i is better
                    difference = float(quality[s, i] - quality[s, j])
                    order.append(logistic(difference))
                    right.append(float(difference > 0))
    members = [(s, i) for s in range(SETS) for i in range(1, MEMBERS)]
    agreed = [
        logistic(float(quality[a] - quality[b]))
        for a in members
        for b in members
        if all(float(labels[b][m] - labels[a][m]) > 0.02 for m in range(METRICS))  # every metric: a lost less
    ]
    weights, errors = [], []
    for at in members:
        judged = [float(value) for value in labels[at]]
        spread = math.sqrt(sum((value - mean(judged)) ** 2 for value in judged) / (METRICS - 1))
        weights.append(1 / (1 + (spread / 0.15) ** 2))
        errors.append(huber(-float(quality[at]) / 5 - mean(judged)))
    weighted = sum(w * e for w, e in zip(weights, errors, strict=True)) / sum(weights)
    return {"order": mean(order), "agreed": mean(agreed), "consensus": weighted, "order_right": mean(right)}


@pytest.mark.parametrize("seed", range(4))
def test_reference_losses_equal_their_slow_definition(seed: int) -> None:
    quality, ranks, labels = batch(seed)
    found = reference_losses(quality, ranks, labels, CERTAINTY)
    expected = slow_reference_losses(quality, ranks, labels)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5), name


def test_one_metric_has_no_disagreement() -> None:
    quality, ranks, labels = batch(0)
    found = reference_losses(quality, ranks, labels[..., :1], CERTAINTY)["consensus"]
    errors = [
        huber(float(-q / 5 - one)) for q, one in zip(quality[:, 1:].flatten(), labels[:, 1:, 0].flatten(), strict=True)
    ]
    assert float(found) == pytest.approx(mean(errors), rel=1e-5)


def slow_pair_losses(
    margin: Tensor, pairs: Tensor, ranks: Tensor, labels: Tensor, quality: Tensor
) -> tuple[dict[str, float], list[float]]:
    """The losses but the contrast, and its labels."""
    order, right, consensus, targets = [], [], [], []
    numbered = [(number, *map(int, pair)) for number in range(SETS) for pair in pairs[number]]
    for row, (s, i, j) in enumerate(numbered):
        said = float(margin[row])
        apart = [float(labels[s, j, m] - labels[s, i, m]) for m in range(METRICS)]
        if CERTAINTY[s] >= 0.8 and ranks[s, i] != ranks[s, j]:
            sign = 1 if ranks[s, i] < ranks[s, j] else -1
        else:
            sign = int(all(a > 0.02 for a in apart)) - int(all(a < -0.02 for a in apart))
        if sign:
            order.append(logistic(sign * said))
            right.append(float(sign * said > 0))
        targets.append((float(quality[s, i] - quality[s, j]) + 5 * mean(apart)) / 2)
        consensus.append(huber((said - targets[-1]) / 5))
    losses = {"pair_order": mean(order), "pair_consensus": mean(consensus), "pair_right": mean(right)}
    return losses, targets


@pytest.mark.parametrize("seed", range(4))
def test_pair_losses_equal_their_slow_definition(seed: int) -> None:
    quality, ranks, labels = batch(seed)
    generator = torch.Generator().manual_seed(100 + seed)
    every = torch.tensor([(i, j) for i in range(MEMBERS) for j in range(MEMBERS) if i != j])
    pairs = torch.stack([every[torch.randperm(len(every), generator=generator)[:6]] for _ in range(SETS)])
    margin = 3 * torch.randn(SETS * 6, generator=generator, dtype=torch.float64)
    embedding = torch.randn(SETS * 6, 4, generator=generator, dtype=torch.float64)
    found = pair_losses(margin, embedding, pairs, ranks, labels, CERTAINTY, quality)
    expected, targets = slow_pair_losses(margin, pairs, ranks, labels, quality)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5), name
    contrast = rank_n_contrast(embedding, torch.tensor(targets, dtype=torch.float64))
    assert float(found["contrast"]) == pytest.approx(float(contrast), rel=1e-6)
    assert found.keys() == {*expected, "contrast"}


# -- signs -------------------------------------------------------------------------------------------------------------

PAIR = torch.tensor([[[0, 1]]])  # the better member first
SWAPPED = PAIR.flip(-1)


def one_pair(margin: float, pairs: Tensor, ranks: Tensor, labels: Tensor, certainty: float = 1.0) -> dict[str, Tensor]:
    scores = torch.tensor([margin, 0.0, 0.0])  # the contrast wants three rows
    quality, three = torch.zeros(1, 2), pairs.repeat(1, 3, 1)
    three[:, 1:] = 0  # a member with itself: no order
    return pair_losses(scores, torch.zeros(3, 2), three, ranks, labels, torch.tensor([certainty]), quality)


@pytest.mark.parametrize(("pairs", "sign"), [(PAIR, 1.0), (SWAPPED, -1.0)])
def test_the_margin_is_pushed_towards_the_member_that_is_better_by_construction(pairs: Tensor, sign: float) -> None:
    ranks, labels = torch.tensor([[0, 1]]), torch.zeros(1, 2, 2)
    right, wrong = (one_pair(sign * margin, pairs, ranks, labels)["pair_order"] for margin in (1.0, -1.0))
    assert float(right) == pytest.approx(logistic(1)) and float(wrong) == pytest.approx(logistic(-1))
    assert one_pair(sign, pairs, ranks, labels)["pair_right"] == 1
    assert one_pair(-sign, pairs, ranks, labels)["pair_right"] == 0


@pytest.mark.parametrize(("pairs", "sign"), [(PAIR, 1.0), (SWAPPED, -1.0)])
def test_where_construction_says_nothing_the_metrics_that_agree_give_the_sign(pairs: Tensor, sign: float) -> None:
    labels = torch.tensor([[[0.1, 0.2], [0.3, 0.4]]])  # both metrics: the second lost more
    for ranks, certainty in ((torch.tensor([[0, 0]]), 1.0), (torch.tensor([[1, 0]]), 0.6)):  # a tie; an unsure order
        assert float(one_pair(sign, pairs, ranks, labels, certainty)["pair_order"]) == pytest.approx(logistic(1))
    divided = torch.tensor([[[0.1, 0.4], [0.3, 0.2]]])
    assert one_pair(sign, pairs, torch.tensor([[0, 0]]), divided)["pair_order"] == 0


def test_construction_wins_where_it_contradicts_the_metrics() -> None:
    labels = torch.tensor([[[0.3, 0.4], [0.1, 0.2]]])
    assert float(one_pair(1.0, PAIR, torch.tensor([[0, 1]]), labels)["pair_order"]) == pytest.approx(logistic(1))


def test_the_target_of_the_margin_is_positive_for_the_better_image() -> None:
    labels = torch.tensor([[[0.0, 0.0], [0.4, 0.4]]])
    losses = [
        float(one_pair(margin, PAIR, torch.tensor([[0, 0]]), labels)["pair_consensus"]) for margin in (1.0, 0.0, -1.0)
    ]
    assert losses[0] == pytest.approx(0, abs=1e-9) and losses[0] < losses[1] < losses[2]  # 5 levels * .4 / 2 = 1


def test_scores_with_a_reference_are_pushed_into_the_order_of_construction_and_of_the_metrics() -> None:
    ranks, labels = torch.tensor([[-1, 0, 1]]), torch.tensor([[[0.0], [0.2], [0.6]]])
    right, wrong = torch.tensor([[0.0, -1.0, -3.0]]), torch.tensor([[0.0, -3.0, -1.0]])
    good, bad = (reference_losses(quality, ranks, labels, torch.ones(1)) for quality in (right, wrong))
    assert good["order"] < bad["order"] and good["agreed"] < bad["agreed"] and good["consensus"] < bad["consensus"]
    assert float(good["consensus"]) == pytest.approx(0, abs=1e-9) and good["order_right"] == 1


def test_order_by_construction_is_from_the_lower_rank_to_the_higher_in_sure_sets() -> None:
    order = order_by_construction(torch.tensor([[-1, 2, 0], [-1, 0, 1]]), torch.tensor([0.8, 0.79]))
    assert order.tolist() == [[[0, 1, 1], [0, 0, 0], [0, 1, 0]], [[0, 0, 0]] * 3]


def test_a_disagreement_of_fifteen_hundredths_halves_the_weight() -> None:
    loss, disagreement = torch.tensor([1.0, 0.0]), torch.tensor([0.15, 0.0])
    assert float(certainty_weighted_mean(loss, disagreement)) == pytest.approx(0.5 / 1.5)
    assert float(certainty_weighted_mean(loss, torch.zeros(2))) == pytest.approx(0.5)


def test_share_in_order_counts_ties_as_wrong() -> None:
    difference, weight = torch.tensor([1.0, 0.0, -1.0, 2.0]), torch.tensor([1.0, 1.0, 1.0, 0.0])
    assert float(share_in_order(difference, weight)) == pytest.approx(1 / 3)
    assert share_in_order(difference, torch.zeros(4)) == 0
