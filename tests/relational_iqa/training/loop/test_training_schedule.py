"""What the trainer computes beside the model: averaged weights, the learning rate, and options within their ranges."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from distortion_engine.errors import UsageError
from relational_iqa.training.loop.config import TrainConfig, learning_rate, progress
from relational_iqa.training.loop.ema import ExponentialMovingAverage

CONFIG = TrainConfig(
    steps=12, batch_size=8, learning_rate=1e-2, warmup_steps=4, log_every=5, panel_every=10, accelerator="cpu", seed=3,
    threads=1,  # sums of several threads are rounded otherwise
)  # fmt: skip


def test_average_equals_its_slow_definition() -> None:
    model = nn.Linear(2, 1)
    ema = ExponentialMovingAverage(model, decay=0.3)
    expected = model.weight[0, 0].item()
    for n in range(8):
        with torch.no_grad():
            model.weight.add_(n + 1)
        ema.update(n)
        decay = min(0.3, (1 + n) / (10 + n))  # .1, .18, .25, .3, .3 ...
        expected = decay * expected + (1 - decay) * model.weight[0, 0].item()
    assert ema.average["weight"][0, 0].item() == pytest.approx(expected, rel=1e-6)


def test_learning_rate_equals_its_slow_definition() -> None:
    config = replace(CONFIG, steps=100, warmup_steps=10, learning_rate=0.5, final_lr_fraction=0.1)
    for step in range(100):
        if step < 10:
            expected = 0.5 * (step + 1) / 10
        else:
            expected = 0.05 + 0.45 * (1 + math.cos(math.pi * (step - 10) / 90)) / 2
        assert learning_rate(config, step) == pytest.approx(expected)
    assert learning_rate(config, 100) == pytest.approx(0.05)
    assert learning_rate(replace(config, warmup_steps=0), 0) == pytest.approx(0.5)
    assert 0 < learning_rate(replace(config, warmup_steps=500), 50) <= 0.5


def test_learning_rate_follows_whichever_of_steps_and_time_is_further() -> None:
    config = replace(CONFIG, steps=100, warmup_steps=0, max_seconds=60.0)
    assert progress(config, 50, 6.0) == 0.5 and progress(config, 10, 30.0) == 0.5
    assert learning_rate(config, 10, 30.0) == learning_rate(config, 50, 0.0)
    assert progress(config, 10, 61.0) == 1 and learning_rate(config, 10, 61.0) == pytest.approx(0.02 * 1e-2)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"ema_decay": 1.0}, {"precision": "16"}, {"max_seconds": 0.0}, {"learning_rate": math.nan}]
)
def test_option_out_of_range_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} is {next(iter(wrong.values()))!r}: it must be"):
        replace(CONFIG, **wrong)
