"""LARS against numbers worked out by hand, and against a plain loop."""

import math

import pytest
import torch

from distortion_engine.errors import UsageError
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.optimizers import Lars, make_optimizer


def test_two_steps_equal_a_hand_computation() -> None:
    weight = torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))  # norm 5
    optimizer = Lars([weight], lr=2.0, momentum=0.5, weight_decay=0.1, trust=0.01)
    weight.grad = torch.tensor([[0.7, -0.4]])
    optimizer.step()
    # d = g + .1 w = (1, 0), norm 1; scaled by .01 * 5 / 1 = .05; v = (.05, 0); w = (3 - 2 * .05, 4)
    assert torch.allclose(weight, torch.tensor([[2.9, 4.0]]))
    weight.grad = torch.tensor([[-0.29, 1.6]])
    optimizer.step()
    # d = (0, 2), norm 2; scaled by .01 * |(2.9, 4)| / 2; v = .5 (.05, 0) + that
    scaled = 0.01 * math.hypot(2.9, 4.0)
    assert torch.allclose(weight, torch.tensor([[2.9 - 2 * 0.025, 4.0 - 2 * scaled]]))


def test_one_dimensional_parameters_are_neither_scaled_nor_decayed() -> None:
    bias = torch.nn.Parameter(torch.tensor([10.0, 0.0]))
    optimizer = Lars([bias], lr=0.5, momentum=0.9, weight_decay=0.1)
    for expected in ([9.5, 0.5], [8.55, 1.45]):  # v = g, then .9 g + g
        bias.grad = torch.tensor([1.0, -1.0])
        optimizer.step()
        assert torch.allclose(bias, torch.tensor(expected))


def test_zero_weights_and_zero_gradients_stay_finite() -> None:
    zero, still = torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.ones(2, 2))
    optimizer = Lars([zero, still], lr=1.0, weight_decay=0.0)
    zero.grad, still.grad = torch.full((2, 2), 0.25), torch.zeros(2, 2)
    optimizer.step()
    assert torch.equal(zero, torch.full((2, 2), -0.25)) and torch.equal(still, torch.ones(2, 2))


def test_the_step_does_not_depend_on_the_scale_of_the_gradient() -> None:
    ends = []
    for scale in (1.0, 1000.0):
        weight = torch.nn.Parameter(torch.ones(3, 3))
        weight.grad = scale * torch.arange(9.0).view(3, 3)
        Lars([weight], lr=1.0, weight_decay=0.0).step()
        ends.append(weight.detach())
    assert torch.allclose(ends[0], ends[1]) and not torch.equal(ends[0], torch.ones(3, 3))


def test_a_run_can_name_its_optimizer() -> None:
    model = torch.nn.Linear(2, 3)
    kinds = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD, "lars": Lars}
    for name, kind in kinds.items():
        config = TrainConfig(steps=1, batch_size=1, learning_rate=0.3, optimizer=name, momentum=0.8)
        optimizer = make_optimizer(model, config)
        assert type(optimizer) is kind
        assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]
        assert name == "adamw" or all(group["momentum"] == 0.8 for group in optimizer.param_groups)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="momentum 1.5"):
        Lars([torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=1.5)
