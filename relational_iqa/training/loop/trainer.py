"""The training loop of every stage, nothing hidden: data, loss, clipping, optimizer, averaging, checkpoint, log.

A run that is bound by `steps` and killed anywhere continues bit for bit on the CPU, with as many threads as before: the
checkpoint holds weights, averages, optimizer and step; batch n and every random number drawn at step n are functions of
(seed, n). (A GPU may sum in another order, and a run bound by `max_seconds` takes its learning rate from the clock:
there it merely continues.)
Distributed runs (torchrun, or `devices` > 1) are Lightning Fabric's: gradients are averaged by DDP, process 0 saves and
logs. They may be continued with another number of processes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from distortion_engine.jobs.safe_files import make_folder, sole_writer
from relational_iqa.training.data.loading import BatchLoader
from relational_iqa.training.loop.config import TrainConfig, learning_rate, progress
from relational_iqa.training.loop.distributed import gather_batch, lost_peers_named, make_fabric, mean_over_processes
from relational_iqa.training.loop.ema import ExponentialMovingAverage
from relational_iqa.training.loop.interrupt import Interrupt
from relational_iqa.training.loop.optimizers import make_optimizer
from relational_iqa.training.loop.reporting import Reporter
from relational_iqa.training.loop.run_state import RunState
from relational_iqa.training.loop.stage import Stage
from relational_iqa.training.loop.start import find_start

if TYPE_CHECKING:
    from lightning_fabric import Fabric

MAX_SKIPPED_UPDATES = 10  # in a row; one overflow is bad luck, ten are a diverged run


def train(stage: Stage, config: TrainConfig, out_dir: str | Path, resume: str | Path = "auto") -> dict[str, Any]:
    """Trains `stage.model` and leaves its averaged weights (buffers as they are) in it, in eval mode.

    At Ctrl-C or SIGTERM the step is finished and saved, then KeyboardInterrupt or SystemExit(143) is raised.

    Args:
        stage: what is trained, on what, with which loss.
        config: options of the run.
        out_dir: folder of the checkpoint and of the logs.
        resume: "auto" continues from `out_dir`/last.pt if it is there, "never" starts anew over it; or a file, or the
            folder of a run.

    Returns:
        A dictionary:
            stage: its name.
            steps: taken in all.
            seconds: of training in all.
            ended_by: "steps" or "time".
            losses: means over the last window that was logged.
            data_wait: share of the time since the start or resume that the loop waited for batches.
            resumed_from: the step of the checkpoint, or None.
            trained_parameters: their number.
            device: of this process.
            checkpoint: its file.

    Raises:
        UsageError: the checkpoint or the data cannot be used, the checkpoint is of a run with other options, another
            run is writing in `out_dir`, or another process of the run died.
        FloatingPointError: the run diverges.
    """
    fabric = make_fabric(config)
    folder = Path(out_dir)
    if fabric.global_rank != 0:  # it writes nothing
        return _train(fabric, stage, config, folder, resume)
    make_folder(folder)
    with sole_writer(folder):
        return _train(fabric, stage, config, folder, resume)


def _train(fabric: Fabric, stage: Stage, config: TrainConfig, out_dir: Path, resume: str | Path) -> dict[str, Any]:
    rank, world = fabric.global_rank, fabric.world_size
    start = find_start(fabric, stage.name, config, out_dir, resume)
    resumed = start.checkpoint is not None

    # Of a run that is over no batch is asked: its workers would be ended while they start, which takes seconds.
    workers = config.data_workers if progress(config, start.step, start.seconds) < 1 else 0
    loader = BatchLoader(stage.batches, start.batches + rank, world, workers)
    batches: Iterator[Any] = loader
    fabric.to_device(stage.model).train()
    if not resumed:
        batches = calibrate(fabric, stage, config.seed, loader)
    optimizer = make_optimizer(stage.model, config)
    ema = ExponentialMovingAverage(stage.model, config.ema_decay)
    if resumed:
        start.restore(stage.model, optimizer, ema)
    model, fabric_optimizer = fabric.setup(stage.model, optimizer)  # every process has the weights of process 0 now
    if not resumed:
        ema.restart()

    run = RunState(stage, config, out_dir, fabric, optimizer, ema, start)
    average = partial(mean_over_processes, fabric)
    with (
        loader,
        Interrupt() as interrupt,
        Reporter(run.out_dir, stage.name, config.steps, run.step, run.done, rank == 0, average) as reporter,
        lost_peers_named(fabric, stage.name, run.save_after_loss_of_a_process),
    ):
        if resumed:
            reporter.say(f"{stage.name}: {start.summary(asdict(config))}")
        while run.goes_on(interrupt):
            seed_step(config.seed, run.step, rank)
            asked = time.perf_counter()
            batch = next(batches)
            run.waited += reporter.waited(time.perf_counter() - asked)
            batch = fabric.to_device(batch)

            rate = learning_rate(config, run.step, run.elapsed)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss, parts = stage.loss(model, batch, run.step)
            fabric.backward(loss)
            clipped = fabric.clip_gradients(model, fabric_optimizer, None, config.clip_norm, error_if_nonfinite=False)
            norm = cast(Tensor, clipped)  # L2 norm of all gradients before they were clipped
            if norm.isfinite():
                fabric_optimizer.step()
                ema.update(run.step)
                reporter.add({"loss": loss, **parts, "grad_norm": norm}, stage.items_per_batch * world)
                run.skipped = 0
            else:
                run.skipped += 1
                reporter.say(f"{stage.name}: step {run.step} skipped: loss {loss.item()}, gradient norm {norm.item()}")
                check_convergence(run)
            fabric_optimizer.zero_grad(set_to_none=True)
            run.step += 1

            reporter.advance(run.done)
            if run.step % config.log_every == 0:
                reporter.write(run.step, run.elapsed, rate, run.done)
            if rank == 0 and config.panel_every and run.step % config.panel_every == 0:
                show_panels(stage, batch, run.step, reporter)
            run.save_if_due()
        run.save()
        if run.step > start.step and run.step % config.log_every:
            reporter.write(run.step, run.elapsed, rate, run.done)
    interrupt.reraise()
    ema.copy_to_model()
    stage.model.eval()
    return {
        "stage": stage.name,
        "steps": run.step,
        "seconds": run.elapsed,
        "ended_by": "steps" if run.step >= config.steps else "time",
        "losses": reporter.scalars,
        "data_wait": run.waited / max(run.seconds_since_start, 1e-9),
        "resumed_from": start.step if resumed else None,
        "trained_parameters": sum(p.numel() for p in ema.average.values()),
        "device": str(fabric.device),
        "checkpoint": str(run.checkpoint),
    }


def calibrate(fabric: Fabric, stage: Stage, seed: int, batches: Iterator[Any]) -> Iterator[Any]:
    """Calls `stage.calibrate` with the first batches of all processes together; returns all batches, the first
    included."""
    seed_step(seed, 0, fabric.global_rank)
    first = next(batches)
    with torch.no_grad():
        stage.calibrate(gather_batch(fabric, fabric.to_device(first)))
    return chain([first], batches)


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seeds the global generators of Python, numpy and torch for one step, so that no generator state has to be
    saved."""
    of_python, of_numpy, of_torch = (int(n) for n in np.random.SeedSequence((seed, step, rank)).generate_state(3))
    random.seed(of_python)
    np.random.seed(of_numpy)
    torch.manual_seed(of_torch)


def check_convergence(run: RunState) -> None:
    """FloatingPointError once too many steps in a row had no finite gradient."""
    if run.skipped == MAX_SKIPPED_UPDATES:
        raise FloatingPointError(f"{run.stage.name} diverged: no finite gradient in {run.skipped} steps to {run.step}")


def show_panels(stage: Stage, batch: Any, step: int, reporter: Reporter) -> None:
    """Shows images of the work of the model on a batch, in eval mode and without gradients."""
    stage.model.eval()
    with torch.no_grad():
        reporter.panels(step, stage.panels(batch))
    stage.model.train()
