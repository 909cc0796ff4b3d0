"""The training loop: learns, stops on time, skips what is not finite, and keeps its weights."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distortion_engine.errors import UsageError
from relational_iqa.training.loop.optimizers import make_optimizer
from relational_iqa.training.loop.trainer import MAX_SKIPPED_UPDATES, train
from tests.relational_iqa.training.loop.toy_stage import (
    CONFIG,
    ToyBatches,
    ToyStage,
    assert_same_bits,
    logged,
    state_of,
)


def test_training_learns_a_toy_regression(tmp_path: Path) -> None:
    stage = ToyStage()
    config = replace(CONFIG, steps=300, learning_rate=2e-2, log_every=50, ema_decay=0.9)
    summary = train(stage, config, tmp_path)
    x, y = stage.batches[10_000]
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


def test_time_budget_ends_the_run_at_the_lowest_rate_and_counts_over_resumes(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=10**9, max_seconds=0.5, log_every=10**6, panel_every=0)
    summary = train(ToyStage(), config, tmp_path)
    assert summary["ended_by"] == "time" and 0.5 <= summary["seconds"] < 5
    assert summary["losses"]["learning_rate"] < 0.2 * config.learning_rate
    again = train(ToyStage(), config, tmp_path)
    assert again["steps"] == summary["steps"] and again["resumed_from"] == summary["steps"]


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


def test_batches_made_by_another_process_train_the_same_and_its_errors_come_at_their_step(
    tmp_path: Path, finished: Path
) -> None:
    stage = ToyStage()
    stage.batches = ToyBatches(last=11)  # of the twelve steps; the batches that are made ahead are never asked for
    train(stage, replace(CONFIG, data_workers=1), tmp_path / "whole")
    assert_same_bits(state_of(tmp_path / "whole"), state_of(finished))
    stage = ToyStage()
    stage.batches = ToyBatches(last=2)
    with pytest.raises(UsageError, match="^photo 3 is damaged$"):
        train(stage, replace(CONFIG, data_workers=1, log_every=1), tmp_path / "damaged")
    assert [line["step"] for line in logged(tmp_path / "damaged")] == [1, 2, 3]


def test_bfloat16_training_keeps_float32_weights(tmp_path: Path) -> None:
    stage = ToyStage()
    summary = train(stage, replace(CONFIG, precision="bf16-mixed"), tmp_path)
    assert math.isfinite(summary["losses"]["loss"])
    assert all(p.dtype == torch.float32 for p in stage.model.parameters())


def test_an_accelerator_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("lightning_fabric.accelerators.cuda.num_cuda_devices", lambda: 0)
    with pytest.raises(UsageError, match="accelerator cuda with 1 devices: .*accelerator=cpu computes") as caught:
        train(ToyStage(), replace(CONFIG, accelerator="cuda"), tmp_path)
    assert "\n" not in str(caught.value)
