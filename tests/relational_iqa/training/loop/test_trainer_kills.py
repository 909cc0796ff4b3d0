"""A killed run: what it has saved is whole, and what it ends with is what it would have ended with."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from distortion_engine.jobs.safe_files import is_partial, remove_partials
from experiments.fuzz.kill_train import PLACES
from relational_iqa.training.data import training_sets
from relational_iqa.training.data.training_sets import DataConfig
from relational_iqa.training.loop import checkpoint
from relational_iqa.training.loop.checkpoint import load_checkpoint, save_checkpoint

ROOT = Path(__file__).parents[4]
PHOTOS = str(ROOT / "tests" / "images")
STATE: dict[str, Any] = {"stage": "x", "seconds": 1.0, "config": {}, "model": {}, "ema": {}, "optimizer": {}}


def forked(function: Any, *args: Any) -> int:
    """Exit code of `function` in a process of its own."""
    process = multiprocessing.get_context("fork").Process(target=function, args=args)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def test_weights_of_a_run_killed_twice_are_those_of_an_undisturbed_one() -> None:
    """In a process of its own: the harness forks, and what other tests have left of threads and locks would be forked
    along."""
    command = [sys.executable, "-m", "experiments.fuzz.kill_train", "--kills", "2", "--seed", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    kills = [line for line in done.stdout.splitlines() if line.endswith("resumed: same weights")]
    assert len(kills) == 2 and kills[0].startswith("run 0, kill 1:") and kills[1].startswith("run 0, kill 2:")
    assert any(f": {place};" in kills[1] for place in PLACES[1:]), "the second kill waits for a checkpoint's first byte"


def test_a_kill_while_a_checkpoint_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {**STATE, "step": 1})

    def killed_while_writing(state: Any, file: Any) -> None:
        file.write(b"PK half a checkpoint")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    def write() -> None:
        checkpoint.torch.save = killed_while_writing
        save_checkpoint(path, {**STATE, "step": 2})

    assert forked(write) == -signal.SIGKILL
    assert any(is_partial(file) for file in tmp_path.iterdir()) and load_checkpoint(path, "x")["step"] == 1
    remove_partials(tmp_path)  # as the trainer does when a run begins
    save_checkpoint(path, {**STATE, "step": 3})
    assert load_checkpoint(path, "x")["step"] == 3 and [p.name for p in tmp_path.iterdir()] == ["last.pt"]


# -- the folder of sets ------------------------------------------------------------------------------------------------


def render(folder: Path, die_at: int = -1) -> int:
    """Generates seven sets in `folder`, killed at the judging of set `die_at`; returns how many were judged."""
    judged = 0

    def judge(test: Tensor, reference: Tensor) -> Tensor:
        nonlocal judged
        if judged == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        judged += 1
        return torch.zeros(len(test), 1)

    training_sets.training_sets(DataConfig(PHOTOS, 7, 32, 0.9, workers=0, cache_dir=str(folder)), judge)
    return judged


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_killed_rendering_continues_after_its_last_whole_shard_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_sets, "SETS_PER_SHARD", 3)
    assert render(tmp_path / "whole") >= 7
    for die_at, shards in ((2, 0), (5, 1), (3, 2)):  # in the first shard, in the second, in the third
        assert forked(render, tmp_path / "killed", die_at) == -signal.SIGKILL
        assert len(list((tmp_path / "killed").rglob("ranked-*.tar"))) == shards
    assert render(tmp_path / "killed") < 4
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert render(tmp_path / "killed") == 0


def test_processes_that_start_together_render_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    start = multiprocessing.get_context("fork").Barrier(3)

    def one() -> None:
        start.wait()
        render(tmp_path)

    processes = [multiprocessing.get_context("fork").Process(target=one) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert capfd.readouterr().err.count("generating 7 ranked sets in") == 1
