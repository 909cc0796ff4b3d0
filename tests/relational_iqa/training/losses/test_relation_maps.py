"""Losses of relation maps against slow or hand-computed definitions."""

import math

import pytest
import torch
from torch import Tensor

from relational_iqa.training.losses.relation_maps import NONE_BELOW, SHARE_POWER, distortion_losses


def huber(error: float, beta: float) -> float:
    """Squared below `beta`, linear beyond."""
    return error**2 / (2 * beta) if abs(error) < beta else abs(error) - beta / 2


def slow_distortion_losses(
    maps: Tensor, logits: Tensor, magnitude: Tensor, direction: Tensor, target: Tensor, valid: Tensor
) -> dict[str, float]:
    """Cell by cell and axis by axis, in double precision."""
    number, axes, height, width = target.shape
    sums = dict.fromkeys(("type", "magnitude", "sign", "map"), 0.0)
    for b in range(number):
        for y in range(height):
            for x in range(width):
                counts = float(valid[b, 0, y, x])
                truth = [float(target[b, k, y, x]) for k in range(axes)]
                total = sum(map(abs, truth))
                none = max(0.0, 1 - total / 0.08)
                roots = [math.sqrt(abs(value)) for value in truth]
                shares = [root / sum(roots) * (1 - none) if sum(roots) else 0.0 for root in roots] + [none]
                scaled = [0.5 * float(logits[b, k, y, x]) for k in range(axes + 1)]
                normaliser = math.log(sum(math.exp(value) for value in scaled))
                entropy = -sum(share * (value - normaliser) for share, value in zip(shares, scaled, strict=True))
                sums["type"] += counts * (0.15 + math.sqrt(min(total, 1.0))) * entropy
                sums["magnitude"] += counts * huber(float(magnitude[b, 0, y, x]) - total, 0.1)
                for k, value in enumerate(truth):
                    sums["map"] += counts * huber(float(maps[b, k, y, x]) - value, 0.1)
                    if value:
                        right = (1 + math.copysign(1, value) * float(direction[b, k, y, x])) / 2
                        sums["sign"] -= counts * math.sqrt(abs(value)) * math.log(right)
    return {name: value / float(valid.sum()) for name, value in sums.items()}


@pytest.mark.parametrize("seed", range(3))
def test_distortion_losses_equal_their_slow_definition(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def draw(channels: int) -> Tensor:
        return torch.rand(2, channels, 3, 4, generator=generator, dtype=torch.float64) * 2 - 1

    target = draw(3) * (draw(3) > 0) * draw(1).abs() ** 2  # faint, strong and untouched places
    inputs = draw(3), 3 * draw(4), draw(1).abs(), 0.95 * draw(3), target, draw(1).abs()
    found = distortion_losses(*inputs)
    expected = slow_distortion_losses(*inputs)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-6), name


def test_the_sign_loss_falls_towards_the_true_direction_and_rises_away_from_it() -> None:
    target = torch.tensor([0.5, -0.5]).view(1, 2, 1, 1)
    zero = torch.zeros(1, 2, 1, 1)

    def sign_loss(*directions: float) -> float:
        direction = torch.tensor(directions).view(1, 2, 1, 1)
        one = torch.ones(1, 1, 1, 1)
        return float(distortion_losses(zero, torch.zeros(1, 3, 1, 1), one, direction, target, one)["sign"])

    assert (
        sign_loss(0.9, -0.9) < sign_loss(0.1, -0.1) < sign_loss(0.0, 0.0) < sign_loss(-0.1, 0.1) < sign_loss(-0.9, 0.9)
    )


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
