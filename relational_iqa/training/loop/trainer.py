"""The training loop of every stage, nothing hidden: data, loss, clipping, optimizer, averaging, checkpoint, log.

A run that is bound by `steps` and killed anywhere continues bit for bit on the CPU, with as many threads as before: the
checkpoint holds weights, averages, optimizer and step; batch n and every random number drawn at step n are functions of
(seed, n). (A GPU may sum in another order, and a run bound by `max_seconds` takes its learning rate from the clock:
there it merely continues.)
Distributed runs (torchrun, or `devices` > 1) are Lightning Fabric's: gradients are averaged by DDP, process 0 saves and
logs. They may be continued with another number of processes.
"""

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from distortion_engine.jobs.safe_files import remove_partials
from relational_iqa.training.data.prefetch import Prefetched
from relational_iqa.training.loop.checkpoint import FILE_NAME, find_checkpoint, load_checkpoint, save_checkpoint
from relational_iqa.training.loop.config import TrainConfig, learning_rate, progress
from relational_iqa.training.loop.distributed import check_same_start, gather_batch, lost_peers_named, make_fabric
from relational_iqa.training.loop.ema import ExponentialMovingAverage
from relational_iqa.training.loop.interrupt import Interrupt
from relational_iqa.training.loop.lars import Lars
from relational_iqa.training.loop.reporting import Reporter

MAX_SKIPPED_UPDATES = 10  # in a row; one overflow is bad luck, ten are a diverged run


class Stage(Protocol):
    """What the loop needs from a stage. Parameters of `model` without requires_grad stay as they are."""

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


def train(stage: Stage, config: TrainConfig, out_dir: str | Path, resume: str | Path = "auto") -> dict[str, Any]:
    """Train `stage.model`, leaving its averaged weights (buffers as they are) in it, in eval mode.

    `resume`: "auto" continues from `out_dir`/last.pt if it is there, "never" starts anew over it; or a file or folder.
    Returns stage, steps, seconds, ended_by ("steps" | "time"), losses (means of the last window), data_wait (share of
    the time, since the start or resume, that the loop waited for batches), resumed_from (step or None),
    trained_parameters, device, checkpoint. At Ctrl-C or SIGTERM the step is finished and saved, then
    KeyboardInterrupt or SystemExit(143) raised. UsageError for a checkpoint that cannot be used or a process of a
    distributed run that died, FloatingPointError for a run that diverges.
    """
    out_dir = Path(out_dir)
    fabric = make_fabric(config)
    rank, world = fabric.global_rank, fabric.world_size

    if rank == 0:
        remove_partials(out_dir)  # what a kill left of a checkpoint
    found = find_checkpoint(resume, out_dir)
    saved = load_checkpoint(found, stage.name) if found else None
    check_same_start(fabric, saved["step"] if saved else None, out_dir)
    first_step, seconds_before = (saved["step"], saved["seconds"]) if saved else (0, 0.0)
    used = saved.get("batches", first_step * world) if saved else 0  # by all processes, however many there were
    batches: Iterator[Any] = islice(stage.batches(used), rank, None, world)
    fabric.to_device(stage.model).train()
    if not saved:
        seed_step(config.seed, 0, rank)
        batch = next_batch(batches, stage.name, 0)
        with torch.no_grad():
            stage.calibrate(gather_batch(fabric, fabric.to_device(batch)))
        batches = chain([batch], batches)
    optimizer = make_optimizer(stage.model, config)
    ema = ExponentialMovingAverage(stage.model, config.ema_decay)
    if saved:
        try:
            stage.model.load_state_dict(saved["model"])
            optimizer.load_state_dict(saved["optimizer"])
            ema.load(saved["ema"])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UsageError(f"checkpoint {found} does not fit the model ({reason}); use resume='never'") from error
    model, fabric_optimizer = fabric.setup(stage.model, optimizer)  # every process has the weights of process 0 now
    if not saved:
        ema.restart()

    step, skipped, elapsed, rate, waited = first_step, 0, seconds_before, 0.0, 0.0
    started = saved_at = time.monotonic()

    def save() -> None:
        if rank == 0:  # the other processes hold the same state
            state = {"stage": stage.name, "step": step, "seconds": elapsed, "config": asdict(config)}
            state["batches"] = used + (step - first_step) * world
            tensors = {"model": stage.model.state_dict(), "ema": ema.average, "optimizer": optimizer.state_dict()}
            save_checkpoint(out_dir / FILE_NAME, state | tensors)

    def save_what_is_left() -> str:
        remedy = "give the same command again to go on from the last checkpoint"
        if rank:
            return remedy
        save()
        return f"step {step} is saved; {remedy}"

    def mean_of_processes(values: list[float]) -> list[float]:
        if world == 1:
            return values
        return cast(Tensor, fabric.all_reduce(torch.tensor(values, device=fabric.device))).tolist()

    done = progress(config, step, elapsed)
    with (
        closing(Prefetched(batches)) as ready,
        Interrupt() as interrupt,
        Reporter(out_dir, stage.name, config.steps, step, done, rank == 0, mean_of_processes) as reporter,
        lost_peers_named(fabric, stage.name, save_what_is_left),
    ):
        if saved:
            reporter.say(f"{stage.name}: resumed {found} at step {step}{_changes(saved['config'], asdict(config))}")
        while True:
            elapsed = seconds_before + time.monotonic() - started
            if world > 1:  # all processes go by the clock and the signals of process 0, so that they stop together
                elapsed, interrupt.signal = fabric.broadcast((elapsed, interrupt.signal))
            done = progress(config, step, elapsed)
            if interrupt.signal or done >= 1:
                break
            seed_step(config.seed, step, rank)
            asked = time.perf_counter()
            batch = next_batch(ready, stage.name, step)
            waited += reporter.waited(time.perf_counter() - asked)
            batch = fabric.to_device(batch)

            rate = learning_rate(config, step, elapsed)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss, parts = stage.loss(model, batch, step)
            fabric.backward(loss)
            clipped = fabric.clip_gradients(model, fabric_optimizer, None, config.clip_norm, error_if_nonfinite=False)
            norm = cast(Tensor, clipped)  # L2 norm of all gradients before they were clipped
            skipped = 0 if norm.isfinite() else skipped + 1
            if skipped:
                reporter.say(f"{stage.name}: step {step} skipped: loss {loss.item()}, gradient norm {norm.item()}")
                if skipped == MAX_SKIPPED_UPDATES:
                    raise FloatingPointError(f"{stage.name} diverged: no finite gradient in {skipped} steps to {step}")
            else:
                fabric_optimizer.step()
                ema.update(step)
                reporter.add({"loss": loss, **parts, "grad_norm": norm}, stage.items_per_batch * world)
            fabric_optimizer.zero_grad(set_to_none=True)
            step += 1
            done = progress(config, step, elapsed)
            reporter.advance(done)

            if step % config.log_every == 0:
                reporter.write(step, elapsed, rate, done)
            if rank == 0 and config.panel_every and step % config.panel_every == 0:
                stage.model.eval()
                with torch.no_grad():
                    reporter.panels(step, stage.panels(batch))
                stage.model.train()
            by_step = config.checkpoint_every and step % config.checkpoint_every == 0
            if by_step or time.monotonic() - saved_at >= config.checkpoint_every_s:
                save()
                saved_at = time.monotonic()
        save()
        if step > first_step and step % config.log_every:
            reporter.write(step, elapsed, rate, done)
    interrupt.reraise()
    ema.copy_to_model()
    stage.model.eval()
    return {
        "stage": stage.name,
        "steps": step,
        "seconds": elapsed,
        "ended_by": "steps" if step >= config.steps else "time",
        "losses": reporter.scalars,
        "data_wait": waited / max(time.monotonic() - started, 1e-9),
        "resumed_from": first_step if saved else None,
        "trained_parameters": sum(p.numel() for p in ema.average.values()),
        "device": str(fabric.device),
        "checkpoint": str(out_dir / FILE_NAME),
    }


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer that `config` names over the parameters with requires_grad; only those of two or more dimensions
    are decayed.

    AdamW: Loshchilov and Hutter, arXiv:1711.05101; SGD with momentum; LARS: see `lars.py`. UsageError if there is
    nothing to train.
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


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed Python's, numpy's and torch's global generators for one step: no generator state has to outlive it."""
    of_python, of_numpy, of_torch = (int(n) for n in np.random.SeedSequence((seed, step, rank)).generate_state(3))
    random.seed(of_python)
    np.random.seed(of_numpy)
    torch.manual_seed(of_torch)


def next_batch(batches: Iterator[Any], name: str, step: int) -> Any:
    """The next batch; UsageError where the stage has run out of them."""
    try:
        return next(batches)
    except StopIteration as error:
        raise UsageError(f"stage {name} has no batch for step {step}: its batches() must be endless") from error


def _changes(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The options that differ from those the checkpoint was trained with, in words."""
    changes = [f"{key} {before.get(key)} -> {now[key]}" for key in now if before.get(key) != now[key]]
    return f", with {', '.join(changes)}" if changes else ""
