"""From local values to one number: sums over pixels, and what scorers make of them.

Pooling is by sums over pixels (weighted mean and root mean square), so tiles add up to the whole image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

LEVELS_PER_SEVERITY = 5.0
"""Scores are in levels of a five-level ladder: a severity of 1 is five levels."""
LOG_WEIGHT_LIMIT = 3.0
"""Of the logarithm of how much a place counts: one counts at most 400 times another."""


def safe_root(x: Tensor, epsilon: float = 1e-6) -> Tensor:
    """Square root with a finite slope at 0 and exactly 0 there."""
    root: Tensor = x / (torch.sqrt(x + epsilon) + epsilon**0.5)
    return root


class Monotone(nn.Module):
    """Two-layer function that never falls in any input: non-negative weights, rising activations of both curvatures."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(hidden, inputs) * 0.3 - 2.0)
        self.bias = nn.Parameter(torch.linspace(-2.0, 1.0, hidden))
        self.second = nn.Parameter(torch.randn(hidden) * 0.3 - 4.5)
        self.direct = nn.Parameter(torch.full((inputs,), -4.0))

    def forward(self, x: Float[Tensor, "*any {self.direct.shape[0]}"]) -> Float[Tensor, "*any"]:
        """Values >= 0 of inputs >= 0; 0 where all inputs are 0."""
        rise = self._active(F.linear(x, F.softplus(self.first), self.bias)) - self._active(self.bias)
        value = rise @ F.softplus(self.second) + x @ F.softplus(self.direct)
        # The last bit of an activation may depend on where threads cut a loop; 0 has to stay 0.
        return value * (x.amax(-1) > 0)

    @staticmethod
    def _active(pre: Tensor) -> Tensor:
        half = pre.shape[-1] // 2
        return torch.cat([F.softplus(pre[..., :half]), torch.tanh(pre[..., half:])], -1)


@dataclass(frozen=True)
class Sums:
    """Sums over pixels from which a local result is pooled; sums of tiles add up to those of the image.

    Args:
        weight: sum of the weights.
        value: weighted sums of the values.
        square: weighted sums of the squares of some or all of the values.
    """

    weight: Float[Tensor, "b 1"]
    value: Float[Tensor, "b values"]
    square: Float[Tensor, "b squares"]

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.weight + other.weight, self.value + other.value, self.square + other.square)
