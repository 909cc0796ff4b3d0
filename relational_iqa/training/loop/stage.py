"""What the training loop needs from a stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from torch import Tensor, nn


class Stage(Protocol):
    """A model, its data and its loss. Parameters of `model` without requires_grad stay as they are."""

    name: str
    items_per_batch: int  # per device; only for the rate that is shown

    @property
    def model(self) -> nn.Module:
        """What is trained; a plain attribute of any module type will do."""

    def batches(self, start_step: int) -> Iterator[Any]:
        """Endless batches from number `start_step` on; batch n depends on n alone, not on where the iterator began and
        not on global random state. They are made ahead, in another thread.

        With W processes, process r trains on the batches r, r + W, r + 2 W, ... of those that are left.
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
