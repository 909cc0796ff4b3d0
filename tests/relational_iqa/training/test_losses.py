"""Losses against slow or hand-computed definitions, and gradients that are finite everywhere."""

import math

import pytest
import torch
from torch import Tensor

from relational_iqa.training.losses import NONE_BELOW, SHARE_POWER, distortion_losses, rank_logistic, rank_n_contrast


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


def test_distortion_losses_equal_a_case_worked_by_hand() -> None:
    # One pixel, two axes: axis 0 is less by .3, axis 1 untouched; the network says .5 of each type.
    target = torch.tensor([-0.3, 0.0]).view(1, 2, 1, 1)
    logits = torch.tensor([0.0, 0.0, math.log(2.0) / SHARE_POWER]).view(1, 3, 1, 1)  # evened: .25, .25, none .5
    magnitude, direction = torch.full((1, 1, 1, 1), 0.45), torch.tensor([-0.5, 0.9]).view(1, 2, 1, 1)
    maps = torch.tensor([-0.26, 0.2]).view(1, 2, 1, 1)
    losses = distortion_losses(maps, logits, magnitude, direction, target, torch.ones(1, 1, 1, 1))
    assert float(losses["type"]) == pytest.approx((0.15 + math.sqrt(0.3)) * -math.log(0.25), rel=1e-5)
    assert float(losses["magnitude"]) == pytest.approx(0.15 - 0.05, rel=1e-5)  # beyond beta = .1: |x| - beta / 2
    assert float(losses["sign"]) == pytest.approx(math.sqrt(0.3) * -math.log(0.75), rel=1e-5)
    assert float(losses["map"]) == pytest.approx(0.04**2 / 0.2 + (0.2 - 0.05), rel=1e-5)


def test_faint_fields_are_partly_none() -> None:
    logits = torch.tensor([0.0, 0.0, math.log(2.0) / SHARE_POWER]).view(1, 3, 1, 1)
    zero = torch.zeros(1, 2, 1, 1)

    def type_loss(strength: float) -> float:
        target = torch.tensor([strength, 0.0]).view(1, 2, 1, 1)
        return float(distortion_losses(zero, logits, zero[:, :1], zero, target, torch.ones(1, 1, 1, 1))["type"])

    assert type_loss(0.0) == pytest.approx(0.15 * -math.log(0.5), rel=1e-5)
    half = NONE_BELOW / 2
    cross_entropy = -0.5 * math.log(0.25) - 0.5 * math.log(0.5)
    assert type_loss(half) == pytest.approx((0.15 + math.sqrt(half)) * cross_entropy, rel=1e-5)


def test_true_shares_are_the_optimum_of_the_type_loss_and_weak_axes_weigh_more_than_their_share() -> None:
    target = torch.tensor([0.6, -0.15, 0.0]).view(1, 3, 1, 1)
    shares = target.abs().flatten() / target.abs().sum()
    logits = torch.cat([shares.clamp_min(1e-9).log(), torch.tensor([-40.0])]).view(1, 4, 1, 1).requires_grad_(True)
    zero = torch.zeros(1, 3, 1, 1)
    loss = distortion_losses(zero, logits, zero[:, :1], zero, target, torch.ones(1, 1, 1, 1))["type"]
    (slope,) = torch.autograd.grad(loss, logits)
    assert slope.abs().max() < 1e-4
    # A network that misses the weak axis pays more than the axis' share of a plain cross-entropy would make it.
    missed = torch.tensor([0.0, -8.0, -20.0, -40.0]).view(1, 4, 1, 1)
    paid = distortion_losses(zero, missed, zero[:, :1], zero, target, torch.ones(1, 1, 1, 1))["type"]
    weight = 0.15 + math.sqrt(0.75)
    evened = shares[:2].sqrt() / shares[:2].sqrt().sum()
    expected = -(evened * torch.log_softmax(SHARE_POWER * missed.flatten()[:2], 0)).sum()
    assert float(paid) == pytest.approx(weight * float(expected), rel=1e-3)
    assert float(evened[1]) > 1.5 * float(shares[1])


def test_invalid_pixels_do_not_count() -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(channels: int) -> Tensor:
        return torch.rand(2, channels, 4, 4, generator=generator) * 2 - 1

    maps, logits, magnitude, direction, target = draw(3), draw(4), draw(1), draw(3) * 0.9, draw(3)
    valid = (draw(1) > 0).float()
    losses = distortion_losses(maps, logits, magnitude, direction, target, valid)
    spoilt = [torch.where(valid > 0, x, torch.full_like(x, 0.77)) for x in (maps, logits, magnitude, direction, target)]
    for name, value in distortion_losses(*spoilt, valid).items():
        assert float(value) == pytest.approx(float(losses[name]), rel=1e-5), name
    for value in distortion_losses(maps, logits, magnitude, direction, target, torch.zeros_like(valid)).values():
        assert float(value) == 0


def test_perfect_maps_cost_nothing_but_the_floor_of_the_cross_entropy() -> None:
    target = torch.tensor([0.5, 0.0]).view(1, 2, 1, 1)
    logits = torch.tensor([50.0, 0.0, 0.0]).view(1, 3, 1, 1)
    losses = distortion_losses(target, logits, target[:, :1], torch.sign(target), target, torch.ones(1, 1, 1, 1))
    assert all(float(value) == pytest.approx(0, abs=1e-6) for value in losses.values())
