"""Several processes, one run: how they are started, and what is said when one of them is lost.

Either torchrun has started them (on as many machines as it likes) or Fabric starts `devices` of them on this machine.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import torch

from distortion_engine.errors import UsageError
from relational_iqa.training.loop.config import TrainConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PEER_TIMEOUT_S = 600.0
"""How long a process waits for a silent peer. One that died is noticed at once: the system closes its connections."""

_LOST = ("gloo", "nccl", "connection closed", "connection reset", "connection refused", "timed out", "broken pipe")


def make_fabric(config: TrainConfig) -> Fabric:
    """Lightning Fabric over the processes of this run, launched. UsageError where `devices` contradicts them, and for
    an accelerator that is not there."""
    from lightning_fabric import Fabric  # slow to import
    from lightning_fabric.strategies import DDPStrategy

    devices, nodes = config.devices, 1
    if "TORCHELASTIC_RUN_ID" in os.environ or torch.distributed.is_initialized():  # by torchrun, or an earlier stage
        world = int(os.environ["WORLD_SIZE"])
        local = int(os.environ.get("LOCAL_WORLD_SIZE", world))
        if devices not in (1, local):
            raise UsageError(f"devices is {devices}, but {local} processes are running here; leave devices out")
        devices, nodes = local, world // local
    strategy: Any = DDPStrategy(timeout=timedelta(seconds=PEER_TIMEOUT_S)) if devices * nodes > 1 else "auto"
    try:
        fabric = Fabric(
            accelerator=config.accelerator, devices=devices, num_nodes=nodes, strategy=strategy,
            precision=config.precision,
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:  # an accelerator that is not there, or a number of devices
        raise UsageError(
            f"accelerator {config.accelerator} with {devices} devices: {' '.join(str(error).split())}; "
            "accelerator=cpu computes everywhere"
        ) from error
    fabric.launch()
    if fabric.world_size > 1:
        _leave_at_exit()
    if config.threads:
        torch.set_num_threads(config.threads)  # launching has its own opinion
    return fabric


@cache
def _leave_at_exit() -> None:
    """Leaves the group of processes before the interpreter ends, as Fabric does for NCCL alone.

    Threads of Gloo may hold tensors, whose end needs the interpreter: without it, a process that is done sometimes ends
    with SIGABRT (pytorch/pytorch#179291).
    """
    atexit.register(_leave)


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def is_first_process() -> bool:
    """Whether this process writes the files of the run; without a run of several, it does."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not distributed or torch.distributed.get_rank() == 0


def launched_rank() -> int:
    """Number of this process in a run of several, also before it has joined them; 0 in a run of one."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))


def check_same_start(fabric: Fabric, step: int | None, out_dir: object) -> None:
    """UsageError unless all processes found a checkpoint of the same step (None: no checkpoint)."""
    if fabric.world_size == 1:
        return
    found = [int(n) for n in _gathered(fabric, torch.tensor([-1 if step is None else step], device=fabric.device))]
    if len(set(found)) > 1:
        said = ", ".join("none" if n < 0 else f"step {n}" for n in found)
        raise UsageError(
            f"{out_dir}: the processes found different checkpoints ({said}); the folder must be on storage that all "
            "machines share"
        )


def gather_batch(fabric: Fabric, batch: Any) -> Any:
    """The batches of all processes as one, along dimension 0, tensor by tensor; nothing else is touched."""
    from lightning_utilities.core.apply_func import apply_to_collection

    return batch if fabric.world_size == 1 else apply_to_collection(batch, torch.Tensor, lambda t: _gathered(fabric, t))


def mean_over_processes(fabric: Fabric, values: list[float]) -> list[float]:
    """The mean of each value over all processes, which must all call this together."""
    if fabric.world_size == 1:
        return values
    means: list[float] = cast(torch.Tensor, fabric.all_reduce(torch.tensor(values, device=fabric.device))).tolist()
    return means


def _gathered(fabric: Fabric, tensor: torch.Tensor) -> torch.Tensor:
    parts = [torch.empty_like(tensor) for _ in range(fabric.world_size)]
    torch.distributed.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


@contextmanager
def lost_peers_named(fabric: Fabric, stage: str, save: Callable[[], str]) -> Iterator[None]:
    """Turns the failure of a collective operation into a UsageError of one line, after `save`, whose words it ends in.

    Gradients are exchanged before weights change, so what `save` writes is whole.
    """
    try:
        yield
    except RuntimeError as error:
        said = " ".join(str(error).split())
        lost = isinstance(error, torch.distributed.DistError) or any(sign in said.lower() for sign in _LOST)
        if fabric.world_size == 1 or not lost:
            raise
        raise UsageError(
            f"{stage}: process {fabric.global_rank} lost another of the {fabric.world_size} processes of this run "
            f"({said[:120]}); {save()}"
        ) from error
