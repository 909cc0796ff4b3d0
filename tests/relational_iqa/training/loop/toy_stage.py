"""A stage that trains in a moment, and its checkpoints held against each other."""

import json
import math
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from distortion_engine.errors import UsageError
from relational_iqa.training.loop.config import TrainConfig

CONFIG = TrainConfig(
    steps=12, batch_size=8, learning_rate=1e-2, warmup_steps=4, log_every=5, panel_every=10, accelerator="cpu", seed=3,
    threads=1,  # sums of several threads are rounded otherwise
    data_workers=0,
)  # fmt: skip


class ToyBatches(Dataset[tuple[Tensor, Tensor]]):
    """Eight points and the sums of their coordinates; each batch takes `delay_s` to make, and the last is `last`."""

    def __init__(self, delay_s: float = 0.0, last: float = math.inf) -> None:
        self.delay_s, self.last = delay_s, last

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        if number > self.last:
            raise UsageError(f"photo {number} is damaged")
        time.sleep(self.delay_s)
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(number))
        return x, x.sum(1, keepdim=True)


class ToyStage:
    """Linear regression by a small network with dropout and a buffer; draws on all three global generators."""

    name = "toy"
    items_per_batch = 8

    def __init__(self, signal_at: tuple[int, int] | None = None, scale_loss: float = 1.0, frozen: bool = False) -> None:
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(3, 16).requires_grad_(not frozen), nn.Linear(16, 1)
        self.model = nn.Sequential(self.first, nn.BatchNorm1d(16), nn.Dropout(0.1), self.last)
        self.signal_at, self.scale_loss, self.calibrated = signal_at, scale_loss, 0
        self.batches: Dataset[tuple[Tensor, Tensor]] = ToyBatches()

    def calibrate(self, batch: tuple[Tensor, Tensor]) -> None:
        self.calibrated += 1

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor], step: int) -> tuple[Tensor, dict[str, Any]]:
        if self.signal_at and step == self.signal_at[0]:
            os.kill(os.getpid(), self.signal_at[1])
        x, y = batch
        jitter = 1e-3 * (random.random() + float(np.random.rand()))
        error = (model(x + jitter) - y).square().mean()
        return error * self.scale_loss, {"jitter": jitter, "error": error}

    def panels(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        assert not self.model.training and not torch.is_grad_enabled()
        return {"input": batch[0].T[:, :, None].expand(3, 8, 8)}


def state_of(folder: Path) -> dict[str, Any]:
    """Everything in the last checkpoint but the clock."""
    state: dict[str, Any] = torch.load(folder / "last.pt", weights_only=True)
    del state["seconds"], state["config"]
    return state


def assert_same_bits(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same_bits(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same_bits(one, other)
    else:
        assert a == b


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "scalars.jsonl").read_text().splitlines()]
