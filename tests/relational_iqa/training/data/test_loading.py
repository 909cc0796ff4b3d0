"""Batches made ahead: the same, in the same order, by any number of workers, and nothing is left behind."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from distortion_engine.errors import UsageError
from relational_iqa.training.data.loading import AHEAD, BatchLoader


class Pair(NamedTuple):
    number: int
    drawn: Tensor


class Drawn(Dataset[Pair]):
    """Batch n: n and random numbers of (7, n). Touches a file named n in `folder`; raises errors[n] instead."""

    def __init__(self, folder: Path, errors: Mapping[int, Exception] | None = None) -> None:
        self.folder, self.errors = folder, errors or {}

    def __getitem__(self, number: int) -> Pair:
        (self.folder / str(number)).touch()
        if number in self.errors:
            raise self.errors[number]
        return Pair(number, torch.from_numpy(np.random.default_rng([7, number]).random(5)))

    def made(self) -> int:
        return len(list(self.folder.iterdir()))


class SlowToSend(Dataset[object]):
    """Batches that PyTorch works on while they are sent to the process that trains; touches a file when that begins."""

    def __init__(self, sending: Path) -> None:
        self.sending = sending

    def __getitem__(self, number: int) -> object:
        return self if number == 0 else number

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        if multiprocessing.parent_process() is not None:
            self.sending.touch()
            for _ in range(300):  # lets go of the interpreter, and asks for it again
                torch.rand(1_000_000)
        return SlowToSend, (self.sending,)


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_their_order_whoever_makes_them(workers: int, tmp_path: Path) -> None:
    state = torch.get_rng_state()
    with BatchLoader(Drawn(tmp_path), start=3, stride=2, workers=workers) as loader:
        batches = [next(loader) for _ in range(6)]
    assert [batch.number for batch in batches] == [3, 5, 7, 9, 11, 13]
    for batch in batches:
        assert torch.equal(batch.drawn, Drawn(tmp_path)[batch.number].drawn)
    assert torch.equal(torch.get_rng_state(), state)
    assert list(loader) == []


def test_next_batches_are_made_while_a_step_runs_but_only_a_few_and_closing_ends_the_worker(tmp_path: Path) -> None:
    before = set(multiprocessing.active_children())
    data = Drawn(tmp_path)
    with BatchLoader(data) as loader:
        assert next(loader).number == 0
        wait_until(lambda: data.made() == 1 + AHEAD)  # while nobody asks
        time.sleep(0.2)
        assert data.made() == 1 + AHEAD
        (worker,) = set(multiprocessing.active_children()) - before
    worker.join(30)
    assert worker.exitcode == 0


def test_a_worker_ends_quietly_while_it_sends_a_batch(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = set(multiprocessing.active_children())
    sending = tmp_path / "sending"
    with BatchLoader(SlowToSend(sending)):
        wait_until(sending.exists)
        (worker,) = set(multiprocessing.active_children()) - before
    worker.join(30)
    assert worker.exitcode == 0 and capfd.readouterr().err == ""


@pytest.mark.parametrize("workers", [0, 1])
def test_an_exception_comes_where_its_batch_would_have_come(workers: int, tmp_path: Path) -> None:
    with BatchLoader(
        Drawn(tmp_path, {1: OSError("disk"), 3: UsageError("3.png: is damaged")}), workers=workers
    ) as loader:
        assert next(loader).number == 0
        with pytest.raises(OSError, match="disk"):
            next(loader)
        assert next(loader).number == 2
        with pytest.raises(UsageError, match=r"^3\.png: is damaged$"):  # one line, no traceback of another process
            next(loader)


def test_a_worker_ignores_ctrl_c_and_its_death_is_named(tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    before = set(multiprocessing.active_children())
    with (
        pytest.raises(UsageError, match="process that makes batches has ended.*data_workers=0") as caught,
        BatchLoader(Drawn(tmp_path)) as loader,
    ):
        assert signal.getsignal(signal.SIGINT) is handler
        (worker,) = set(multiprocessing.active_children()) - before
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGINT)
        assert next(loader).number == 0
        os.kill(worker.pid, signal.SIGINT)
        assert [next(loader).number for _ in range(4)] == [1, 2, 3, 4]
        os.kill(worker.pid, signal.SIGKILL)
        for _ in range(2 + AHEAD):
            next(loader)
    # Another process that ends is not taken for the dead worker, also while the error is kept.
    other = multiprocessing.get_context("spawn").Process(target=int)
    other.start()
    other.join()
    time.sleep(0.1)
    assert caught.value.__cause__ is not None
