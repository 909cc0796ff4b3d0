"""Losses of known orders against slow or hand-computed definitions, and gradients that are finite everywhere."""

import math

import pytest
import torch
from torch import Tensor

from relational_iqa.training.losses.ranking import rank_logistic, rank_n_contrast


def slow_rank_n_contrast(embedding: Tensor, label: Tensor, temperature: float) -> float:
    """Zha et al., arXiv:2210.01189, eq. 1 and 2, pair by pair."""
    n = len(label)

    def similarity(i: int, j: int) -> float:
        return -math.dist(embedding[i].tolist(), embedding[j].tolist()) / temperature

    total = 0.0
    for i in range(n):
        for j in range(n):
            if j != i:
                far = abs(float(label[i] - label[j]))
                contrasts = [k for k in range(n) if k != i and abs(float(label[i] - label[k])) >= far]
                total -= math.log(math.exp(similarity(i, j)) / sum(math.exp(similarity(i, k)) for k in contrasts))
    return total / (n * (n - 1))


@pytest.mark.parametrize("n", [3, 4, 9])
@pytest.mark.parametrize("ties", [False, True])
def test_rank_n_contrast_equals_its_slow_definition(n: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(n)
    embedding = torch.randn(n, 5, generator=generator)
    label = torch.randint(0, 3, (n,), generator=generator).float() if ties else torch.randn(n, generator=generator)
    for temperature in (0.5, 2.0):
        expected = slow_rank_n_contrast(embedding, label, temperature)
        assert float(rank_n_contrast(embedding, label, temperature)) == pytest.approx(expected, rel=1e-4)


def test_rank_n_contrast_prefers_embeddings_in_the_order_of_their_labels() -> None:
    label = torch.arange(6.0)
    ordered = label[:, None] * torch.ones(1, 3)
    shuffled = ordered[torch.tensor([3, 0, 5, 1, 4, 2])]
    assert rank_n_contrast(ordered, label) < rank_n_contrast(shuffled, label)


def test_rank_n_contrast_has_finite_gradients_where_embeddings_or_labels_coincide() -> None:
    for label in (torch.zeros(4), torch.tensor([0.0, 0.0, 1.0, 2.0])):
        embedding = torch.zeros(4, 3, requires_grad=True)
        loss = rank_n_contrast(embedding, label)
        loss.backward()
        assert loss.isfinite() and embedding.grad is not None and embedding.grad.isfinite().all()


def test_rank_logistic_is_the_weighted_mean_of_logistic_losses() -> None:
    difference, weight = torch.tensor([0.6, -0.3, 50.0, -50.0]), torch.tensor([1.0, 2.0, 1.0, 0.5])
    terms = [math.log1p(math.exp(-d / 0.3)) for d in (0.6, -0.3, 50.0)] + [50.0 / 0.3]
    expected = (terms[0] + 2 * terms[1] + terms[2] + 0.5 * terms[3]) / 4.5
    assert float(rank_logistic(difference, weight)) == pytest.approx(expected, rel=1e-5)
    assert float(rank_logistic(torch.zeros(3), torch.ones(3))) == pytest.approx(math.log(2), rel=1e-6)
    assert float(rank_logistic(difference, torch.zeros(4))) == 0
    assert rank_logistic(torch.tensor([0.2]), torch.ones(1)) < rank_logistic(torch.tensor([0.1]), torch.ones(1))


def test_rank_logistic_pulls_the_better_score_up() -> None:
    difference = torch.tensor([0.5, -0.5, 0.0], requires_grad=True)
    (slope,) = torch.autograd.grad(rank_logistic(difference, torch.ones(3)), difference)
    assert (slope < 0).all() and slope[1] < slope[2] < slope[0]
