"""What a run reports: scalars, panels, and the time spent waiting for data."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from relational_iqa.training.loop.trainer import train
from tests.relational_iqa.training.loop.toy_stage import CONFIG, ToyBatches, ToyStage, logged


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


@pytest.mark.parametrize(
    "odd", [b'{"step": 5, "lo', b"null", b"[]", b'{"step": null}', b"{}", b"\xff\xfe", b"[" * 100_000]
)
def test_lines_that_are_none_of_a_log_are_left_out_when_a_run_goes_on(odd: bytes, tmp_path: Path) -> None:
    train(ToyStage(), replace(CONFIG, steps=5), tmp_path)
    log = tmp_path / "scalars.jsonl"
    log.write_bytes(log.read_bytes() + odd + b"\n")
    train(ToyStage(), CONFIG, tmp_path)
    assert [line["step"] for line in logged(tmp_path)] == [5, 10, 12]


def test_time_spent_waiting_for_data_is_measured(tmp_path: Path) -> None:
    ready = train(ToyStage(), CONFIG, tmp_path / "ready")
    assert all(0 <= line["data_wait"] <= 1 for line in logged(tmp_path / "ready"))
    stage = ToyStage()
    stage.batches = ToyBatches(delay_s=0.2)  # a step takes milliseconds, on a busy machine some dozens
    slow = train(stage, replace(CONFIG, panel_every=0), tmp_path / "slow")
    assert slow["data_wait"] > 0.5 and slow["losses"]["data_wait"] > 0.5
    assert 0 < ready["data_wait"] < slow["data_wait"]
