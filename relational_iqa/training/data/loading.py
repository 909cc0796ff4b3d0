"""Batches for the training loop: a `DataLoader` over the numbers of the batches.

Item n of a stage's dataset is the whole batch n, a function of (seed, n) alone. Resuming and sharing between several
processes are therefore nothing but other numbers, and no sampler or generator has a state that must be saved.

By default one process makes the next batches while a step runs, so that the loop does not wait for them. It is spawned:
the process that trains is full of threads (OpenMP, CUDA, logging), whose locks a fork would copy as they are. A spawned
process gets the dataset by pickle. Stored sets are small then, because they are paths and offsets, and the worker maps
the files itself. Its start takes some seconds, since it imports PyTorch; runs of a few steps do better with
0 workers, which makes every batch in this process when it is asked for.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import wait
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from distortion_engine.distortions.threads import one_thread
from distortion_engine.errors import UsageError

AHEAD = 2
"""Batches that one worker makes ahead; each of several workers makes one."""
_DEATH_S = 1.0
"""How long a worker may take to be gone after its pipe has closed."""


class BatchLoader(Iterator[Any]):
    """The batches `start`, `start` + `stride`, ... of a dataset, for ever, in this order.

    An exception in making a batch is raised where the batch would have come. As a context manager, the loader ends its
    workers; there are no batches afterwards.

    Args:
        batches: item n is batch n. It does not depend on global random state, and with workers it can be pickled.
        start: number of the first batch.
        stride: difference between the numbers of two batches.
        workers: processes that make batches ahead; 0: none, batches are made here.

    Raises:
        UsageError: a batch cannot be made from the data, or a worker has died.
    """

    def __init__(self, batches: Dataset[Any], start: int = 0, stride: int = 1, workers: int = 1) -> None:
        loader = DataLoader(
            _Guarded(batches),
            batch_size=None,
            sampler=_Numbers(start, stride),
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            worker_init_fn=_end_at_once,
            prefetch_factor=(AHEAD if workers == 1 else 1) if workers else None,
            generator=torch.Generator(),  # else it draws from the global one, which each step seeds
        )
        before = set(multiprocessing.active_children())
        with _signals_kept():
            self._ready: Iterator[Any] | None = iter(loader)
        self._workers = set(multiprocessing.active_children()) - before

    def __next__(self) -> Any:
        if self._ready is None:
            raise StopIteration
        try:
            batch = next(self._ready)
        except (RuntimeError, OSError, EOFError) as error:
            if self._workers and wait([worker.sentinel for worker in self._workers], timeout=_DEATH_S):
                raise UsageError(
                    f"a process that makes batches has ended ({_said(error)}): it "
                    "needs memory (also shared memory, /dev/shm) and, in a script of your own, a line "
                    '`if __name__ == "__main__":` around the training; data_workers=0 makes batches without it'
                ) from error
            raise
        if isinstance(batch, _Refusal):
            raise UsageError(batch.message)
        return batch

    def __enter__(self) -> BatchLoader:
        return self

    def __exit__(self, *_: object) -> None:
        # A DataLoader ends its workers, or kills those that do not end, when its iterator is deleted; but the traceback
        # of an error keeps the iterator alive.
        shut_down = getattr(self._ready, "_shutdown_workers", None)
        self._ready = None
        if shut_down is not None:
            shut_down()


def _end_at_once(_: int) -> None:
    """Makes this worker end without the end of its interpreter, which a thread that still sends a batch does not
    survive: it stops in the midst of PyTorch, and the process aborts with "terminate called without an active
    exception"."""
    atexit.register(os._exit, 0)


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True)
class _Refusal:
    """Stands for a batch that raised UsageError: the DataLoader would put a traceback into the message."""

    message: str


class _Guarded(Dataset[Any]):
    """Items of `batches` made on one thread, so that their bits do not depend on the process that makes them."""

    def __init__(self, batches: Dataset[Any]) -> None:
        self.batches = batches

    def __getitem__(self, number: int) -> Any:
        try:
            with one_thread():
                return self.batches[number]
        except UsageError as error:
            return _Refusal(str(error))


class _Numbers(Sampler[int]):
    """start, start + stride, ... for ever."""

    def __init__(self, start: int, stride: int) -> None:
        self.start, self.stride = start, stride

    def __iter__(self) -> Iterator[int]:
        return count(self.start, self.stride)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C for good: it reaches every process of a terminal, and the loop, which
    finishes its step first, still needs its batch.

    Afterwards the handlers of this process are those of before. PyTorch installs one that raises an error wherever the
    program is when a worker dies, also in the middle of saving a checkpoint; the DataLoader notices a death by itself
    when it is asked for a batch.
    """
    if threading.current_thread() is not threading.main_thread():  # where no handler can be set
        yield
        return
    interrupt, child = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL if child is None else child)
