"""State of a training run while it goes: what a checkpoint holds, the clock, and when the run ends."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from relational_iqa.training.loop.checkpoint import FILE_NAME, save_checkpoint
from relational_iqa.training.loop.config import TrainConfig, progress
from relational_iqa.training.loop.ema import ExponentialMovingAverage
from relational_iqa.training.loop.interrupt import Interrupt
from relational_iqa.training.loop.stage import Stage
from relational_iqa.training.loop.start import Start

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass
class RunState:
    """A run between two steps.

    Args:
        stage: what is trained.
        config: options of the run.
        out_dir: folder of the checkpoint.
        fabric: the processes of the run.
        optimizer: with its moments.
        ema: averaged weights.
        start: where the run began.
        skipped: steps in a row whose gradient was not finite.
        waited: seconds that the loop waited for batches since the start or resume.

    Attributes:
        step: steps taken, those before a resume included.
        elapsed: seconds of training at the last call of `goes_on`, those before a resume included.
    """

    stage: Stage
    config: TrainConfig
    out_dir: Path
    fabric: Fabric
    optimizer: torch.optim.Optimizer
    ema: ExponentialMovingAverage
    start: Start
    step: int = field(init=False)
    elapsed: float = field(init=False)
    skipped: int = 0
    waited: float = 0.0

    def __post_init__(self) -> None:
        self.step, self.elapsed = self.start.step, self.start.seconds
        self._began = self._saved_at = time.monotonic()

    @property
    def done(self) -> float:
        """Share of the run that is done, in [0, 1]."""
        return progress(self.config, self.step, self.elapsed)

    @property
    def checkpoint(self) -> Path:
        """The file of the run's checkpoint."""
        return self.out_dir / FILE_NAME

    @property
    def seconds_since_start(self) -> float:
        """Since this process began or resumed the run."""
        return time.monotonic() - self._began

    def goes_on(self, interrupt: Interrupt) -> bool:
        """Reads the clock; whether another step is to be taken.

        All processes go by the clock and the signals of process 0, so that they stop together.
        """
        self.elapsed = self.start.seconds + self.seconds_since_start
        if self.fabric.world_size > 1:
            self.elapsed, interrupt.signal = self.fabric.broadcast((self.elapsed, interrupt.signal))
        return interrupt.signal is None and self.done < 1

    def save(self) -> None:
        """Writes the checkpoint; process 0 alone, since the others hold the same state."""
        self._saved_at = time.monotonic()
        if self.fabric.global_rank != 0:
            return
        taken = self.step - self.start.step
        state = {
            "stage": self.stage.name,
            "step": self.step,
            "seconds": self.elapsed,
            "batches": self.start.batches + taken * self.fabric.world_size,
            "config": asdict(self.config),
            "model": self.stage.model.state_dict(),
            "ema": self.ema.average,
            "optimizer": self.optimizer.state_dict(),
        }
        save_checkpoint(self.checkpoint, state)

    def save_if_due(self) -> None:
        """Writes the checkpoint where `checkpoint_every` or `checkpoint_every_s` asks for it."""
        every = self.config.checkpoint_every
        by_step = every > 0 and self.step % every == 0
        if by_step or time.monotonic() - self._saved_at >= self.config.checkpoint_every_s:
            self.save()

    def save_after_loss_of_a_process(self) -> str:
        """Writes the checkpoint where another process has died, and returns what the user is told."""
        remedy = "give the same command again to go on from the last checkpoint"
        if self.fabric.global_rank != 0:
            return remedy
        self.save()
        return f"step {self.step} is saved; {remedy}"
