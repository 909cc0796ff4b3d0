"""Options of a training run, its learning rate, and its end."""

import math
from dataclasses import dataclass
from typing import Literal

from distortion_engine.errors import UsageError

CHANGEABLE = frozenset({
    "steps", "max_seconds", "log_every", "panel_every", "checkpoint_every", "checkpoint_every_s", "accelerator",
    "devices", "threads", "data_workers",
})  # fmt: skip
"""Options that may differ from those of the checkpoint that a run goes on from: its length, and how it is computed and
reported. The others decide what is learned."""


@dataclass(frozen=True)
class TrainConfig:
    """Options of one run, the same for every stage.

    The run ends after `steps` steps or, if `max_seconds` is set, when that much training time (summed over resumes) is
    used up, whichever comes first; the learning rate reaches its floor at that moment.

    Args:
        steps: largest number of steps.
        batch_size: items of a batch on each device. The effective batch is `batch_size * devices`; gradients are
            averaged over devices.
        learning_rate: learning rate at the end of the warm-up.
        betas: decay rates of the moments of AdamW.
        weight_decay: of weights with two or more dimensions; biases, gains and offsets are not decayed.
        warmup_steps: steps in which the learning rate rises linearly.
        final_lr_fraction: floor of the cosine schedule, as a share of `learning_rate`.
        optimizer: "adamw", "sgd" or "lars".
        momentum: of SGD and LARS; AdamW uses `betas`.
        clip_norm: largest L2 norm of all gradients together; inf for no clipping.
        ema_decay: decay of the moving average of the weights; 0 for no averaging.
        seed: decides the random numbers of every step.
        log_every: steps between two lines of the log.
        panel_every: steps between two image panels; 0 for none.
        checkpoint_every: steps between two checkpoints; 0 to save by time only.
        checkpoint_every_s: seconds since the last checkpoint after which the next step is saved.
        max_seconds: limit of the training time in seconds; None for no limit.
        precision: "32-true", or "bf16-mixed" for automatic mixed precision.
        accelerator: "auto", "cpu", "cuda" or "mps".
        devices: number of devices.
        threads: CPU threads of torch; 0 leaves the number as it is.
        data_workers: processes that prepare batches ahead; 0 prepares each batch when it is needed, for runs of a few
            steps.

    Raises:
        UsageError: for a value out of range.
    """

    steps: int
    batch_size: int
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 1e-2
    warmup_steps: int = 100
    final_lr_fraction: float = 0.02
    optimizer: Literal["adamw", "sgd", "lars"] = "adamw"
    momentum: float = 0.9
    clip_norm: float = 5.0
    ema_decay: float = 0.995
    seed: int = 0
    log_every: int = 50
    panel_every: int = 1000
    checkpoint_every: int = 0
    checkpoint_every_s: float = 300.0
    max_seconds: float | None = None
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    threads: int = 0
    data_workers: int = 1

    def __post_init__(self) -> None:
        rules = {
            "steps": (self.steps >= 1, ">= 1"),
            "batch_size": (self.batch_size >= 1, ">= 1"),
            "learning_rate": (0 < self.learning_rate < math.inf, "> 0"),
            "weight_decay": (self.weight_decay >= 0, ">= 0"),
            "warmup_steps": (self.warmup_steps >= 0, ">= 0"),
            "final_lr_fraction": (0 <= self.final_lr_fraction <= 1, "in [0, 1]"),
            "optimizer": (self.optimizer in ("adamw", "sgd", "lars"), "'adamw', 'sgd' or 'lars'"),
            "momentum": (0 <= self.momentum < 1, "in [0, 1)"),
            "clip_norm": (self.clip_norm > 0, "> 0; use inf to switch clipping off"),
            "ema_decay": (0 <= self.ema_decay < 1, "in [0, 1); use 0 to switch averaging off"),
            "seed": (self.seed >= 0, ">= 0"),
            "log_every": (self.log_every >= 1, ">= 1"),
            "panel_every": (self.panel_every >= 0, ">= 0; 0 means no panels"),
            "checkpoint_every": (self.checkpoint_every >= 0, ">= 0; 0 means by time only"),
            "checkpoint_every_s": (self.checkpoint_every_s > 0, "> 0"),
            "max_seconds": (self.max_seconds is None or self.max_seconds > 0, "> 0, or left out for no time limit"),
            "precision": (self.precision in ("32-true", "bf16-mixed"), "'32-true' or 'bf16-mixed'"),
            "devices": (self.devices >= 1, ">= 1"),
            "threads": (self.threads >= 0, ">= 0; 0 leaves torch's own choice"),
            "data_workers": (self.data_workers >= 0, ">= 0; 0 makes batches when they are asked for"),
        }
        for name, (fine, expected) in rules.items():
            if not fine:
                raise UsageError(f"training option {name} is {getattr(self, name)!r}: it must be {expected}")


def progress(config: TrainConfig, step: int, elapsed: float) -> float:
    """Share of the run that is done, in [0, 1], after `step` steps and `elapsed` seconds; 1 means the run ends."""
    by_time = elapsed / config.max_seconds if config.max_seconds else 0.0
    return min(1.0, max(step / config.steps, by_time))


def learning_rate(config: TrainConfig, step: int, elapsed: float = 0.0) -> float:
    """Learning rate of step `step` (from 0): a linear warm-up, then half a cosine down to the floor at the run's end.

    Loshchilov and Hutter, SGDR, arXiv:1608.03983, one period, floor `final_lr_fraction * learning_rate`.
    """
    warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    start = min(config.warmup_steps / config.steps, 1.0)  # the cosine begins where the warm-up ends
    position = (progress(config, step, elapsed) - start) / (1 - start) if start < 1 else 0.0
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, position))))
    return config.learning_rate * warm * (config.final_lr_fraction + (1 - config.final_lr_fraction) * cosine)
