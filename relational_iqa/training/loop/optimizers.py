"""The optimizers that a config can name: AdamW, SGD with momentum, LARS."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from relational_iqa.training.loop.config import TrainConfig


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer that `config` names, over the parameters with requires_grad.

    AdamW: Loshchilov and Hutter, arXiv:1711.05101. Only parameters of two or more dimensions are decayed. Raises
    UsageError if there is nothing to train.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise UsageError("the model has no parameter to train: requires_grad is False everywhere")
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    if config.optimizer == "lars":
        return Lars(groups, lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)


class Lars(torch.optim.Optimizer):
    """LARS: stochastic gradient descent whose step is scaled layer by layer, for very large batches.

    You, Gitman, Ginsburg, Large batch training of convolutional networks, arXiv:1708.03888. For every tensor w of two
    or more dimensions, with gradient g:

        d = g + weight_decay * w;  d = d * trust * |w| / |d|  (unscaled where a norm is 0)
        v = momentum * v + d;      w = w - lr * v

    Tensors of one dimension (biases, gains, offsets) take d = g, as in the contrastive methods that use LARS.

    Args:
        parameters: tensors or groups of tensors, as in other optimizers of torch.
        lr: learning rate, > 0.
        momentum: in [0, 1).
        weight_decay: >= 0.
        trust: trust coefficient, > 0.

    Raises:
        UsageError: for a value out of range.
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
