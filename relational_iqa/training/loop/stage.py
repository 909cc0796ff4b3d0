"""What the training loop needs from a stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor, nn
from torch.utils.data import Dataset


class Stage(Protocol):
    """A model, its data and its loss. Parameters of `model` without requires_grad stay as they are.

    Attributes:
        name: name of its checkpoints; those of a stage with another name are refused.
        items_per_batch: items of a batch on each device, for the rate that is shown.
    """

    name: str
    items_per_batch: int

    @property
    def model(self) -> nn.Module:
        """What is trained; a plain attribute of any module type will do."""

    @property
    def batches(self) -> Dataset[Any]:
        """Item n is batch n, for every n from 0 on. It depends on n alone, not on global random state.

        A plain attribute will do. The dataset is pickled for the process that makes batches ahead, so it must be small
        then, and must not hold the model. With W processes, process r trains on the batches r, r + W, r + 2 W, ... of
        those that are left.
        """

    def calibrate(self, batch: Any) -> None:
        """Data-dependent initialisation; called once, on the first batch, before step 0 (not on resume).

        With several devices it is the first batch of all of them together.
        """

    def loss(self, model: nn.Module, batch: Any, step: int) -> tuple[Tensor, Mapping[str, Tensor | float]]:
        """The scalar to minimise, and named scalars to log beside it ("loss" and "grad_norm" are logged anyway).

        Call `model(...)`, the wrapped one, never `self.model`: it runs in the chosen precision and returns float32.
        """

    def panels(self, batch: Any) -> Mapping[str, Tensor]:
        """Images (3,H,W), RGB in [0,1], to look at while training; called in eval mode and without gradients."""
