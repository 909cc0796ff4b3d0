"""Where a run begins: at step 0, or at the checkpoint of an earlier one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import remove_partials
from relational_iqa.training.loop.checkpoint import find_checkpoint, load_checkpoint
from relational_iqa.training.loop.config import CHANGEABLE, TrainConfig
from relational_iqa.training.loop.distributed import check_same_start
from relational_iqa.training.loop.ema import ExponentialMovingAverage

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Start:
    """Where a run begins.

    Args:
        checkpoint: file that the run goes on from, None for a new run.
        state: what the checkpoint holds, empty for a new run.
        step: steps that were taken before.
        seconds: training time that was used before.
        batches: batches that were used before by all processes, however many those were.
    """

    checkpoint: Path | None
    state: dict[str, Any]
    step: int = 0
    seconds: float = 0.0
    batches: int = 0

    def restore(self, model: nn.Module, optimizer: torch.optim.Optimizer, ema: ExponentialMovingAverage) -> None:
        """Overwrites weights, optimizer and average by those of the checkpoint. UsageError where they do not fit."""
        try:
            model.load_state_dict(self.state["model"])
            optimizer.load_state_dict(self.state["optimizer"])
            ema.load(self.state["ema"])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UsageError(
                f"checkpoint {self.checkpoint} does not fit the model ({reason}); use resume='never'"
            ) from error

    def summary(self, options: dict[str, Any]) -> str:
        """One line: the checkpoint, and which options differ from those it was trained with."""
        before = self.state["config"]
        changes = [f"{key} {before.get(key)} -> {options[key]}" for key in options if before.get(key) != options[key]]
        return f"resumed {self.checkpoint} at step {self.step}" + (f", with {', '.join(changes)}" if changes else "")


def find_start(fabric: Fabric, stage: str, config: TrainConfig, out_dir: Path, resume: str | Path) -> Start:
    """The point from which a run starts, the same in all processes.

    Args:
        fabric: processes and devices of the run.
        stage: name of the stage; checkpoints of another one are refused.
        config: options of the run. With `resume` "auto", a checkpoint of other options is refused.
        out_dir: folder of the run.
        resume: see `find_checkpoint`.

    Raises:
        UsageError: for a checkpoint that cannot be used, and where the processes see different ones.
    """
    if fabric.global_rank == 0:
        remove_partials(out_dir)  # a checkpoint that a killed run was writing
    checkpoint = find_checkpoint(resume, out_dir)
    state = load_checkpoint(checkpoint, stage) if checkpoint else {}
    if checkpoint and resume == "auto":
        check_same_options(checkpoint, state, config)
    check_same_start(fabric, state.get("step"), out_dir)
    if not state:
        return Start(None, {})
    step = state["step"]
    return Start(checkpoint, state, step, state["seconds"], state.get("batches", step * fabric.world_size))


def check_same_options(checkpoint: Path, state: Mapping[str, Any], config: TrainConfig) -> None:
    """Raises UsageError, with the differences named, where a checkpoint is of a run that `config` does not describe:
    its weights would get a card with options that they were not trained with."""
    before, now = state["config"], asdict(config)
    odd = [name for name in now if name not in CHANGEABLE and name in before and before[name] != now[name]]
    said = [f"{name} {before[name]!r}, now {now[name]!r}" for name in odd]
    if state["step"] > config.steps:
        said.append(f"{state['step']} steps are taken, steps is {config.steps}")
    limit = config.max_seconds
    if limit is not None and limit < (before.get("max_seconds") or math.inf) and state["seconds"] > limit:
        said.append(f"{state['seconds']:.0f} seconds are used, max_seconds is {limit:g}")
    if said:
        raise UsageError(
            f"checkpoint {checkpoint} is of a run with other options ({'; '.join(said)}): give those again, another "
            "folder, or resume='never' to start anew over it"
        )
