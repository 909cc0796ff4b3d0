"""The mean of the weights of several runs from one start: often better on photographs that no run has seen than each of
them (Wortsman et al., Model soups, ICML 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def average_with(network: nn.Module, others: Sequence[Mapping[str, Tensor]]) -> None:
    """Sets every value of a network to the mean of its own and those of others; counts and the like stay.

    Args:
        network: is changed in place.
        others: states of networks of the same architecture.

    Raises:
        ValueError: for a state with other names or shapes than those of the network.
    """
    own = network.state_dict()
    for other in others:
        different = sorted(
            key for key in own.keys() | other.keys()
            if key not in own or key not in other or own[key].shape != other[key].shape
        )  # fmt: skip
        if different:
            raise ValueError(f"cannot be averaged: {different[0]} is not there or of another shape")
    for key, value in own.items():
        if value.is_floating_point():
            values = [value, *(other[key].to(value) for other in others)]
            value.copy_(torch.stack(values).double().mean(0))
