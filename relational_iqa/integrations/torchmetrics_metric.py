"""The scores as a `torchmetrics.Metric`: for every image, and their mean over all batches and processes.

    metric = RelationalMetric("riqa-fr")
    metric.update(output, target)  # (B, 3, H, W) each, in [0, 1]
    metric.compute()  # mean quality

torchmetrics is not among the requirements of this package: pip install torchmetrics.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from relational_iqa.integrations.named import NamedMetric

try:
    from torchmetrics import Metric
    from torchmetrics.utilities import dim_zero_cat
except ImportError as error:
    raise UsageError("RelationalMetric needs torchmetrics, which is not installed: pip install torchmetrics") from error

Reduction = Literal["mean", "none"]


class RelationalMetric(Metric):
    """A metric of `create_metric` as torchmetrics knows them. Higher is better.

    States are summed over processes, or gathered with the reduction "none". Metrics of different names have states of
    different names, so that a MetricCollection never takes one for the other.

    Args:
        name: one of METRIC_NAMES.
        weights: None for the shipped ones, the name of others, or a path.
        reduction: "mean", or "none" for the value of each image, in the order of the updates.
        kwargs: as of every `torchmetrics.Metric`.

    Raises:
        UsageError: for a name, weights or a reduction that cannot be used.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    def __init__(
        self,
        name: str = "riqa-fr",
        weights: str | Path | None = None,
        reduction: Reduction = "mean",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if reduction not in get_args(Reduction):
            raise UsageError(f"reduction is {reduction!r}, expected one of {', '.join(get_args(Reduction))}")
        self.reduction = reduction
        self._hidden = (NamedMetric(name, weights),)  # in a tuple: no module of this one
        self._states = tuple(f"{part}_of_{name}" for part in ("values", "count"))
        if reduction == "none":
            self.add_state(self._states[0], default=[], dist_reduce_fx="cat")
        else:
            self.add_state(self._states[0], default=torch.tensor(0.0), dist_reduce_fx="sum")
            self.add_state(self._states[1], default=torch.tensor(0), dist_reduce_fx="sum")

    @property
    def metric(self) -> NamedMetric:
        """What scores the images."""
        return self._hidden[0]

    def update(self, preds: Tensor, target: Tensor | None = None) -> None:
        """Scores a batch.

        Args:
            preds: the images, (B, 3, H, W) in [0, 1].
            target: their references; a metric without reference ignores it.

        Raises:
            ImageError: see `NamedMetric.forward`.
        """
        values = self.metric(preds, target).to(self.device)
        place = self._states[0]
        if self.reduction == "none":
            getattr(self, place).append(values)
            return
        setattr(self, place, getattr(self, place) + values.sum())
        setattr(self, self._states[1], getattr(self, self._states[1]) + values.numel())

    def compute(self) -> Tensor:
        """The mean (), or with the reduction "none" the value of each image (N,); torchmetrics makes () of N = 1."""
        found = getattr(self, self._states[0])
        if self.reduction == "none":
            values: Tensor = dim_zero_cat(found) if len(found) else torch.zeros(0, device=self.device)
            return values
        mean: Tensor = found / getattr(self, self._states[1])
        return mean
