"""Who works: this process, worker processes of this machine, or a Ray cluster. What is made is the same by all.

A task is a function (index, tick) -> result that writes what it has to write by itself and calls `tick` as it goes. A
result comes when it is ready, so in any order. A task that raises ImageError, UsageError or OSError ends the run with
UsageError, one line; the others are stopped at once.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.generation.choices import WORKER_KINDS, WORKERS

Tick = Callable[[], None]
Task = Callable[[int, Tick], Any]
Results = Generator[tuple[int, Any], None, None]

_WATCH_EVERY_S = 0.5
# Tasks handed to a cluster at a time: enough for one with hundreds of cores, few enough to be taken back quickly.
_IN_FLIGHT = 1000
# A cluster that did nothing for so long is looked at: all its nodes may be gone, or not have come yet.
_CLUSTER_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Workforce:
    """Who renders; no byte depends on it.

    Args:
        kind: "local" or "ray"; the option --engine.
        workers: processes, 0 for this one alone; with Ray: CPUs of a cluster that is started here.
        address: of a Ray cluster, see `run_ray`.

    Raises:
        UsageError: for values out of range, and where Ray is asked for and not installed.
    """

    kind: str = "local"
    workers: int = WORKERS
    address: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in WORKER_KINDS:
            raise UsageError(f"engine {self.kind!r}: expected one of {', '.join(WORKER_KINDS)}")
        workers: Any = self.workers  # may come from a configuration file
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
            raise UsageError(f"workers {self.workers!r}: expected a whole number of 0 or more")
        if self.address is not None and self.kind != "ray":
            raise UsageError(f"address {self.address}: needs engine ray; add --engine ray")
        if self.kind == "ray":
            load_ray()  # before any work

    def run(self, task: Task, indices: Sequence[int], tick: Tick) -> Results:
        """Yields (index, result) of every task, in any order."""
        if self.kind == "ray" and indices:
            return run_ray(task, indices, self.address, self.workers, tick)
        return run_local(task, indices, self.workers, tick)


def run_local(task: Task, indices: Sequence[int], workers: int, tick: Tick) -> Results:
    """Yields (index, result) of every task, done by `workers` processes; 0: by this one.

    Why not `concurrent.futures.ProcessPoolExecutor`: it cannot end tasks that run (before Python 3.14), so an error or
    Ctrl-C would wait for shards of minutes; its workers outlive a parent that was killed, since each of them holds both
    ends of the queue of calls; a worker that was killed is a `BrokenProcessPool` without the signal.
    """
    if workers == 0:
        yield from _run_here(task, indices, tick)
        return
    # A fork needs no second import of torch; elsewhere than on Linux system libraries do not survive it.
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    queue = deque(indices)
    staff: list[Any] = []
    busy: dict[Any, Any] = {}  # our end of its pipe -> worker
    try:
        for _ in range(min(workers, len(queue))):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_serve, args=(task, theirs, os.getpid()), daemon=True)
            worker.start()
            theirs.close()
            staff.append(worker)
            busy[ours] = worker
            ours.send(queue.popleft())
        while busy:
            ready: list[Any] = wait(list(busy))
            for pipe in ready:
                try:
                    message = pipe.recv()
                except (EOFError, ConnectionError):
                    raise _death(busy[pipe]) from None
                if message is None:
                    tick()
                    continue
                index, result, error = message
                if error:
                    raise UsageError(error)
                if queue:
                    pipe.send(queue.popleft())
                else:
                    pipe.send(None)
                    busy.pop(pipe).join()
                yield index, result
    finally:
        for worker in staff:
            worker.kill()
            worker.join()


def run_ray(task: Task, indices: Sequence[int], address: str | None, workers: int, tick: Tick) -> Results:
    """Yields (index, result) of every task, done by Ray, a CPU for each.

    Ray gives the tasks of a node that is lost to other nodes (three times, its default). Where no node is left, a line
    on stderr says so, and the run waits for one.

    Args:
        task: what is done for an index.
        indices: of the tasks.
        address: of a cluster; None for RAY_ADDRESS, or else for a cluster on this machine that ends with the run.
        workers: CPUs of a cluster on this machine; 0 for all there are.
        tick: called when a task is done, as often as the task called it.

    Raises:
        UsageError: where Ray is not installed, is not reached, or gives a task up.
    """
    ray = load_ray()
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    ours = not ray.is_initialized()
    if ours:
        _start_ray(ray, address, workers)
    running: dict[Any, int] = {}
    try:
        remote, shared, queue = ray.remote(_attempt_remotely), ray.put(task), deque(indices)
        while queue or running:
            while queue and len(running) < _IN_FLIGHT:
                index = queue.popleft()
                running[remote.remote(shared, index)] = index
            ready = ray.wait(list(running), num_returns=1, timeout=_CLUSTER_PATIENCE_S)[0]
            if not ready and not ray.cluster_resources().get("CPU"):
                print(f"ray at {address}: no node with a CPU; waiting for one", file=sys.stderr, flush=True)
            for reference in ready:
                result, problem, ticks = ray.get(reference)
                index = running.pop(reference)
                if problem:
                    raise UsageError(problem)
                for _ in range(ticks):
                    tick()
                yield index, result
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UsageError(f"ray at {address}: {lines[-1].strip()}; the same command goes on where it was") from error
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        if ours:
            ray.shutdown()


def load_ray() -> Any:
    """The module; UsageError where it is not installed."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UsageError('engine ray needs Ray, which is not installed: pip install "relational-iqa[ray]"') from error


def _start_ray(ray: Any, address: str, workers: int) -> None:
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "WARNING"}
    if address == "local":
        options.update(include_dashboard=False, num_cpus=workers or None)
    try:
        ray.init(**options)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"ray at {address} cannot be reached ({reason}); check --address, or start a cluster with: ray start --head"
        ) from error


def _attempt(task: Task, index: int, tick: Tick) -> tuple[Any, str]:
    """(result, ""), or (None, one line that says what was wrong)."""
    try:
        return task(index, tick), ""
    except (ImageError, UsageError) as error:
        return None, str(error)
    except OSError as error:
        return None, f"{error.filename or 'input or output'}: {error.strerror or error}; check path and permissions"


def _attempt_remotely(task: Task, index: int) -> tuple[Any, str, int]:
    torch.set_num_threads(1)
    ticks: list[None] = []
    return *_attempt(task, index, lambda: ticks.append(None)), len(ticks)


def _run_here(task: Task, indices: Sequence[int], tick: Tick) -> Results:
    # One thread here as in the workers: sums over pixels may depend on the number of threads.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for index in indices:
            result, error = _attempt(task, index, tick)
            if error:
                raise UsageError(error)
            yield index, result
    finally:
        torch.set_num_threads(threads)


def _serve(task: Task, pipe: Connection, parent: int) -> None:
    """A worker process: indices in; ticks (None) and (index, result, error) out; None in is the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its workers
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(1)
    for index in iter(pipe.recv, None):
        pipe.send((index, *_attempt(task, index, lambda: pipe.send(None))))


def _end_with(parent: int) -> None:
    """Ends this worker when its parent was killed: siblings hold copies of the pipe, so that it would not close."""
    while os.getppid() == parent:
        time.sleep(_WATCH_EVERY_S)
    os._exit(1)


def _death(worker: Any) -> Exception:
    worker.join()
    if worker.exitcode < 0:
        name = signal.Signals(-worker.exitcode).name
        return UsageError(
            f"a worker was killed ({name}), perhaps for want of memory; "
            "give the same command again with fewer --workers, it goes on where it was"
        )
    return RuntimeError(f"a worker ended with exit code {worker.exitcode}; its traceback is above")
