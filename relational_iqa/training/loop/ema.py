"""Exponential moving average of the trained weights."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class ExponentialMovingAverage:
    """Averages every parameter that has requires_grad; buffers and frozen parameters are left to the model itself.

    `average <- d * average + (1 - d) * weight` with `d = min(decay, (1 + n) / (10 + n))` at update n = 0, 1, ...: the
    ramp of TensorFlow's `ExponentialMovingAverage(num_updates)`, which keeps the initial weights from lingering.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.average = {name: p.detach().clone() for name, p in self._weights.items()}

    @torch.no_grad()
    def restart(self) -> None:
        """Begin anew from the model's present weights."""
        for name, parameter in self._weights.items():
            self.average[name].copy_(parameter)

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Fold the model's present weights in; `updates` is the number of steps taken before this one."""
        decay = min(self.decay, (1 + updates) / (10 + updates))
        get_ema_multi_avg_fn(decay)(list(self.average.values()), list(self._weights.values()), updates)

    @torch.no_grad()
    def load(self, average: dict[str, Tensor]) -> None:
        """Take over a stored average. KeyError or RuntimeError where names or shapes are not the model's."""
        if average.keys() != self.average.keys():
            raise KeyError(f"averaged weights differ in {sorted(average.keys() ^ self.average.keys())[:3]}")
        for name, value in average.items():
            self.average[name].copy_(value)

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Overwrite the model's trained parameters by their averages."""
        for name, parameter in self._weights.items():
            parameter.copy_(self.average[name])
