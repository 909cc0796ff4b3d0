"""A run that was stopped or killed resumes bit for bit."""

import signal
import subprocess
import sys
from dataclasses import replace
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from distortion_engine.errors import UsageError
from distortion_engine.jobs import safe_files
from distortion_engine.jobs.safe_files import sole_writer
from relational_iqa.training.loop.trainer import train
from tests.relational_iqa.training.loop.toy_stage import CONFIG, ToyStage, assert_same_bits, logged, state_of


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_run_stopped_by_a_signal_resumes_bit_for_bit(
    number: int, error: type[BaseException], tmp_path: Path, finished: Path
) -> None:
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(error):
        train(ToyStage(signal_at=(6, number)), CONFIG, tmp_path)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    assert state_of(tmp_path)["step"] == 7, "the step in progress is finished before saving"
    stage = ToyStage()
    with torch.no_grad():
        stage.first.weight.zero_()  # the checkpoint, not the fresh model, must count
    torch.manual_seed(99)
    summary = train(stage, CONFIG, tmp_path)
    assert summary["resumed_from"] == 7 and stage.calibrated == 0
    assert_same_bits(state_of(tmp_path), state_of(finished))


def test_run_killed_outright_resumes_bit_for_bit_and_logs_no_step_twice(tmp_path: Path, finished: Path) -> None:
    code = (
        "from dataclasses import replace\n"
        "from relational_iqa.training.loop.trainer import train\n"
        "from tests.relational_iqa.training.loop.toy_stage import CONFIG, ToyStage\n"
        f"train(ToyStage(signal_at=(8, 9)), replace(CONFIG, checkpoint_every=3, log_every=1), {str(tmp_path)!r})\n"
    )
    root = Path(__file__).parents[4]
    killed = subprocess.run([sys.executable, "-c", code], cwd=root, timeout=120, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert state_of(tmp_path)["step"] == 6
    train(ToyStage(), replace(CONFIG, log_every=1), tmp_path)
    assert_same_bits(state_of(tmp_path), state_of(finished))
    assert [line["step"] for line in logged(tmp_path)] == list(range(1, 13))


def test_finished_run_is_not_trained_again_but_yields_its_weights(finished: Path) -> None:
    stage = ToyStage()
    summary = train(stage, CONFIG, finished)
    assert summary["resumed_from"] == 12 and summary["steps"] == 12
    assert torch.equal(stage.last.weight, state_of(finished)["ema"]["3.weight"])


def test_a_finished_run_starts_no_process_that_makes_batches(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[SpawnProcess] = []
    monkeypatch.setattr(SpawnProcess, "start", started.append)
    assert train(ToyStage(), replace(CONFIG, data_workers=1), finished)["steps"] == 12 and started == []


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 4}, "seed 3, now 4"),
        ({"learning_rate": 2e-2, "momentum": 0.5}, "learning_rate 0.01, now 0.02; momentum 0.9, now 0.5"),
        ({"steps": 11}, "12 steps are taken, steps is 11"),
        ({"max_seconds": 1e-9}, "seconds are used, max_seconds is 1e-09"),
    ],
)
def test_a_run_is_not_repeated_with_other_options_and_the_weights_of_the_first(
    other: dict[str, Any], said: str, finished: Path
) -> None:
    with pytest.raises(UsageError, match=f"is of a run with other options .*{said}.*another folder"):
        train(ToyStage(), replace(CONFIG, **other), finished)


def test_a_run_may_become_longer_and_be_computed_and_reported_in_another_way(tmp_path: Path) -> None:
    train(ToyStage(), replace(CONFIG, steps=2), tmp_path)
    longer = replace(CONFIG, steps=3, threads=2, log_every=1, checkpoint_every=1)
    assert train(ToyStage(), longer, tmp_path)["resumed_from"] == 2


def test_a_second_run_in_the_folder_is_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_files, "_LOCK_PATIENCE_S", 0.0)
    with sole_writer(tmp_path), pytest.raises(UsageError, match="another run is writing here"):
        train(ToyStage(), CONFIG, tmp_path)


def test_never_starts_anew_and_a_folder_can_be_named(tmp_path: Path, finished: Path) -> None:
    assert train(ToyStage(), replace(CONFIG, steps=2), tmp_path)["steps"] == 2
    assert train(ToyStage(), replace(CONFIG, steps=3), tmp_path, resume="never")["resumed_from"] is None
    assert train(ToyStage(), replace(CONFIG, steps=14), tmp_path, resume=finished)["resumed_from"] == 12
    with pytest.raises(UsageError, match="no checkpoint at .*nowhere"):
        train(ToyStage(), CONFIG, tmp_path, resume=tmp_path / "nowhere")
