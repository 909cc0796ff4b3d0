"""The training loop: learns, stops on time, survives every kind of kill, and reports what it does."""

import json
import math
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distortion_engine.errors import UsageError
from relational_iqa.training.loop.checkpoint import load_checkpoint, save_checkpoint
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.optimizers import make_optimizer
from relational_iqa.training.loop.trainer import MAX_SKIPPED_UPDATES, train

CONFIG = TrainConfig(
    steps=12, batch_size=8, learning_rate=1e-2, warmup_steps=4, log_every=5, panel_every=10, accelerator="cpu", seed=3,
    threads=1,  # sums of several threads are rounded otherwise
)  # fmt: skip


class ToyStage:
    """Linear regression by a small network with dropout and a buffer; draws on all three global generators."""

    name = "toy"
    items_per_batch = 8

    def __init__(self, signal_at: tuple[int, int] | None = None, scale_loss: float = 1.0, frozen: bool = False) -> None:
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(3, 16).requires_grad_(not frozen), nn.Linear(16, 1)
        self.model = nn.Sequential(self.first, nn.BatchNorm1d(16), nn.Dropout(0.1), self.last)
        self.signal_at, self.scale_loss, self.calibrated, self.started_at = signal_at, scale_loss, 0, -1

    def batches(self, start_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        self.started_at = start_step
        n = start_step
        while True:
            x = torch.randn(8, 3, generator=torch.Generator().manual_seed(n))
            yield x, x.sum(1, keepdim=True)
            n += 1

    def calibrate(self, batch: tuple[Tensor, Tensor]) -> None:
        self.calibrated += 1

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor], step: int) -> tuple[Tensor, dict[str, Any]]:
        if self.signal_at and step == self.signal_at[0]:
            os.kill(os.getpid(), self.signal_at[1])
        x, y = batch
        jitter = 1e-3 * (random.random() + float(np.random.rand()))
        error = (model(x + jitter) - y).square().mean()
        return error * self.scale_loss, {"jitter": jitter, "error": error}

    def panels(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        assert not self.model.training and not torch.is_grad_enabled()
        return {"input": batch[0].T[:, :, None].expand(3, 8, 8)}


def state_of(folder: Path) -> dict[str, Any]:
    """Everything in the last checkpoint but the clock."""
    state = torch.load(folder / "last.pt", weights_only=True)
    del state["seconds"], state["config"]
    return state


def assert_same_bits(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same_bits(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same_bits(one, other)
    else:
        assert a == b


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of CONFIG."""
    folder = tmp_path_factory.mktemp("finished")
    train(ToyStage(), CONFIG, folder)
    return folder


def test_training_learns_a_toy_regression(tmp_path: Path) -> None:
    stage = ToyStage()
    config = replace(CONFIG, steps=300, learning_rate=2e-2, log_every=50, ema_decay=0.9)
    summary = train(stage, config, tmp_path)
    x, y = next(stage.batches(10_000))
    assert (stage.model(x) - y).square().mean() < 0.1 * y.square().mean()
    assert summary["steps"] == 300 and summary["ended_by"] == "steps" and summary["resumed_from"] is None
    assert summary["losses"]["loss"] < 0.5 and summary["losses"]["items_per_s"] > 0
    assert stage.calibrated == 1


def test_trained_model_carries_the_averaged_weights_and_its_own_buffers(tmp_path: Path) -> None:
    stage = ToyStage(frozen=True)
    first_layer = stage.first.weight.clone()
    train(stage, CONFIG, tmp_path)
    state = state_of(tmp_path)
    final = stage.model.state_dict()
    assert "0.weight" not in state["ema"] and torch.equal(final["0.weight"], first_layer)
    for name, value in final.items():
        assert torch.equal(value, state["ema"].get(name, state["model"][name]))
    assert not torch.equal(final["3.weight"], state["model"]["3.weight"])
    assert not stage.model.training


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
    assert summary["resumed_from"] == 7 and stage.started_at == 7 and stage.calibrated == 0
    assert_same_bits(state_of(tmp_path), state_of(finished))


def test_run_killed_outright_resumes_bit_for_bit_and_logs_no_step_twice(tmp_path: Path, finished: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_trainer import CONFIG, ToyStage, replace, train\n"
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


def test_never_starts_anew_and_a_folder_can_be_named(tmp_path: Path, finished: Path) -> None:
    assert train(ToyStage(), replace(CONFIG, steps=2), tmp_path)["steps"] == 2
    assert train(ToyStage(), replace(CONFIG, steps=3), tmp_path, resume="never")["resumed_from"] is None
    assert train(ToyStage(), replace(CONFIG, steps=14), tmp_path, resume=finished)["resumed_from"] == 12
    with pytest.raises(UsageError, match="no checkpoint at .*nowhere"):
        train(ToyStage(), CONFIG, tmp_path, resume=tmp_path / "nowhere")


def test_time_budget_ends_the_run_at_the_lowest_rate_and_counts_over_resumes(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=10**9, max_seconds=0.5, log_every=10**6, panel_every=0)
    summary = train(ToyStage(), config, tmp_path)
    assert summary["ended_by"] == "time" and 0.5 <= summary["seconds"] < 5
    assert summary["losses"]["learning_rate"] < 0.2 * config.learning_rate
    again = train(ToyStage(), config, tmp_path)
    assert again["steps"] == summary["steps"] and again["resumed_from"] == summary["steps"]


def test_scalars_and_panels_are_logged(finished: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    lines = logged(finished)
    assert [line["step"] for line in lines] == [5, 10, 12]
    assert {"seconds", "loss", "error", "jitter", "grad_norm", "learning_rate", "items_per_s"} <= lines[0].keys()
    events = EventAccumulator(str(finished / "tensorboard")).Reload()
    assert [e.step for e in events.Scalars("loss")] == [5, 10, 12]
    assert events.Scalars("loss")[-1].value == pytest.approx(lines[-1]["loss"])
    assert [e.step for e in events.Images("input")] == [10]
    train(ToyStage(), CONFIG, tmp_path)
    err = capsys.readouterr().err
    assert re.search(r"toy  step 5/12  loss .* items/s  data_wait \d+\.\d%  ETA 0:00:0", err)


def test_time_spent_waiting_for_data_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = train(ToyStage(), CONFIG, tmp_path / "ready")
    assert all(0 <= line["data_wait"] <= 1 for line in logged(tmp_path / "ready"))
    stage = ToyStage()
    batches = stage.batches

    def late(start_step: int) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in batches(start_step):
            time.sleep(0.2)  # a step takes milliseconds, on a busy machine some dozens
            yield batch

    monkeypatch.setattr(stage, "batches", late)
    slow = train(stage, replace(CONFIG, panel_every=0), tmp_path / "slow")
    assert slow["data_wait"] > 0.5 and slow["losses"]["data_wait"] > 0.5
    assert 0 < ready["data_wait"] < slow["data_wait"]


def test_only_matrices_are_decayed_and_frozen_weights_are_left_out() -> None:
    stage = ToyStage(frozen=True)
    decayed, kept = make_optimizer(stage.model, CONFIG).param_groups
    assert [p.shape for p in decayed["params"]] == [(1, 16)] and decayed["weight_decay"] == CONFIG.weight_decay
    assert [p.ndim for p in kept["params"]] == [1, 1, 1] and kept["weight_decay"] == 0
    stage.model.requires_grad_(False)
    with pytest.raises(UsageError, match="no parameter to train"):
        make_optimizer(stage.model, CONFIG)


def test_gradients_are_clipped_to_the_norm_that_was_asked_for(tmp_path: Path) -> None:
    # AdamW's first moment after one step is (1 - beta1) times the gradient it was given.
    for scale, expected in ((1e6, 5.0), (1e-6, None)):
        folder = tmp_path / str(scale)
        summary = train(ToyStage(scale_loss=scale), replace(CONFIG, steps=1), folder)
        moments = [state["exp_avg"] for state in state_of(folder)["optimizer"]["state"].values()]
        norm = float(torch.cat([m.flatten() for m in moments]).norm()) / (1 - CONFIG.betas[0])
        assert norm == pytest.approx(expected or summary["losses"]["grad_norm"], rel=1e-3)


def test_diverged_run_is_ended_and_leaves_its_weights_alone(tmp_path: Path) -> None:
    stage = ToyStage(scale_loss=math.nan)
    before = stage.first.weight.clone()
    with pytest.raises(FloatingPointError, match=f"{MAX_SKIPPED_UPDATES} steps"):
        train(stage, CONFIG, tmp_path)
    assert torch.equal(stage.first.weight, before)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "other"])
def test_damaged_checkpoint_is_named(damage: str, tmp_path: Path, finished: Path) -> None:
    path = tmp_path / "last.pt"
    data = bytearray((finished / "last.pt").read_bytes())
    if damage == "flipped":
        weight = state_of(finished)["ema"]["0.weight"].numpy().tobytes()
        data[data.index(weight) + 5] ^= 1
    content = {"cut": bytes(data[: len(data) // 2]), "flipped": bytes(data), "empty": b"", "text": b"no checkpoint"}
    if damage == "other":
        torch.save({"weight": torch.ones(1)}, path)
    else:
        path.write_bytes(content[damage])
    with pytest.raises(UsageError, match=r"last\.pt.*resume='never'"):
        train(ToyStage(), CONFIG, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x80\x00\x00\x00\x00\x00\x00\x00{}", r"is a safetensors file \(weights\), no training checkpoint"),
        (b"\x89PNG\r\n\x1a\n", r"is another kind of file \(it starts with b'.x89PNG"),
        (pickle.dumps({"step": 1}), "is a pickle of another program"),
    ],
)  # fmt: skip
def test_foreign_file_in_place_of_a_checkpoint_is_named_for_what_it_is(
    content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(UsageError, match=rf"last\.pt {said}.*resume='never'"):
        train(ToyStage(), CONFIG, tmp_path)


def test_code_or_a_bomb_in_a_checkpoint_is_refused_and_never_run(tmp_path: Path, finished: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save(Hostile(), tmp_path / "last.pt")
    with pytest.raises(UsageError, match=r"last\.pt cannot be read"):
        load_checkpoint(tmp_path / "last.pt", "toy")
    assert not (tmp_path / "ran").exists()
    with zipfile.ZipFile(finished / "last.pt") as stored, zipfile.ZipFile(tmp_path / "small.pt", "w") as squeezed:
        for entry in stored.infolist():
            squeezed.writestr(entry.filename, stored.read(entry), zipfile.ZIP_DEFLATED)
    with pytest.raises(UsageError, match=r"small\.pt cannot be read \(compressed"):
        load_checkpoint(tmp_path / "small.pt", "toy")


def test_checkpoint_of_another_stage_or_model_is_refused(tmp_path: Path, finished: Path) -> None:
    other = ToyStage()
    other.name = "other"
    with pytest.raises(UsageError, match="is of stage 'toy', this run is 'other'"):
        train(other, CONFIG, tmp_path, resume=finished)
    wider = ToyStage()
    wider.model = nn.Sequential(nn.Linear(3, 17), nn.BatchNorm1d(17), nn.Dropout(0.1), nn.Linear(17, 1))
    for stage in (wider, ToyStage(frozen=True)):
        with pytest.raises(UsageError, match="does not fit the model"):
            train(stage, CONFIG, tmp_path, resume=finished)


def test_failed_write_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", {"step": 1})
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(tmp_path / "last.pt", {"step": lambda: 2})
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 1


def test_stage_that_runs_out_of_batches_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = ToyStage()
    three = [next(stage.batches(n)) for n in range(3)]
    monkeypatch.setattr(stage, "batches", lambda start_step: iter(three[start_step:]))
    with pytest.raises(UsageError, match="toy has no batch for step 3"):
        train(stage, CONFIG, tmp_path)


def test_bfloat16_training_keeps_float32_weights(tmp_path: Path) -> None:
    stage = ToyStage()
    summary = train(stage, replace(CONFIG, precision="bf16-mixed"), tmp_path)
    assert math.isfinite(summary["losses"]["loss"])
    assert all(p.dtype == torch.float32 for p in stage.model.parameters())


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "scalars.jsonl").read_text().splitlines()]
