"""LARS: stochastic gradient descent with momentum whose step is scaled layer by layer, for very large batches.

You, Gitman, Ginsburg, Large batch training of convolutional networks, arXiv:1708.03888. Biases, gains and offsets
(parameters of one dimension) are neither decayed nor scaled, as in the contrastive methods that use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from distortion_engine.errors import UsageError


class Lars(torch.optim.Optimizer):
    """For every tensor w of two or more dimensions, with gradient g:

        d = g + weight_decay * w;  d = d * trust * |w| / |d|  (unscaled where a norm is 0)
        v = momentum * v + d;      w = w - lr * v

    Those of one dimension take d = g. Raises UsageError for a value out of range.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        trust: float = 0.001,
    ) -> None:
        if not (lr > 0 and 0 <= momentum < 1 and weight_decay >= 0 and trust > 0):
            raise UsageError(
                f"LARS with lr {lr}, momentum {momentum}, weight decay {weight_decay}, trust {trust}: expected lr > 0, "
                "momentum in [0, 1), weight decay >= 0, trust > 0"
            )
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                change = parameter.grad
                if parameter.ndim > 1:
                    change = change.add(parameter, alpha=group["weight_decay"])
                    ratio = group["trust"] * parameter.norm() / change.norm()
                    # 0 / 0 and x / 0: a tensor of zeros, or nothing to change; both take the plain step
                    change = change * torch.where(ratio.isfinite() & (ratio > 0), ratio, torch.ones_like(ratio))
                state = self.state[parameter]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(parameter)
                state["velocity"].mul_(group["momentum"]).add_(change)
                parameter.sub_(group["lr"] * state["velocity"])
        return loss
