"""Means of weights: of every value, and only of networks that fit."""

import pytest
import torch
from torch import nn

from relational_iqa.training.loop.averaging import average_with


def network(value: float, width: int = 2) -> nn.Module:
    made = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width))
    for parameter in made.parameters():
        nn.init.constant_(parameter, value)
    made[1].num_batches_tracked += int(value)
    return made


def test_every_value_is_the_mean_and_counts_stay() -> None:
    own = network(1.0)
    average_with(own, [network(2.0).state_dict(), network(6.0).state_dict()])
    assert all(torch.equal(each, torch.full_like(each, 3.0)) for each in own.parameters())
    assert own.state_dict()["1.num_batches_tracked"] == 1


def test_a_network_of_other_shapes_is_refused_and_nothing_is_changed() -> None:
    own = network(1.0)
    with pytest.raises(ValueError, match=r"0\.bias is not there or of another shape"):
        average_with(own, [network(2.0).state_dict(), network(2.0, width=4).state_dict()])
    assert all(torch.equal(each, torch.ones_like(each)) for each in own.parameters())
