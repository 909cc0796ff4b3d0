"""Several processes are one run: same losses, one writer, and the death of one of them is survived."""

import atexit
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import relational_iqa
from distortion_engine.errors import UsageError
from relational_iqa.training.data.loading import BatchLoader
from relational_iqa.training.loop import trainer
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.trainer import train
from relational_iqa.training.pixel_perfect.pretrain import PretrainConfig, parse_config, pretrain

ROOT = Path(__file__).parents[4]
CONFIG = TrainConfig(
    steps=12, batch_size=4, learning_rate=1e-2, warmup_steps=4, log_every=1, panel_every=0, accelerator="cpu",
    threads=1, data_workers=0,
)  # fmt: skip


class Drawn(Dataset[Tensor]):
    def __init__(self, join: int) -> None:
        self.join = join

    def __getitem__(self, number: int) -> Tensor:
        numbers = range(number * self.join, (number + 1) * self.join)
        return torch.cat([torch.randn(4, 3, generator=torch.Generator().manual_seed(n)) for n in numbers])


class Joined(Dataset[Any]):
    """Two batches of `batches` as one."""

    def __init__(self, batches: Dataset[Any]) -> None:
        self.batches = batches

    def __getitem__(self, number: int) -> Any:
        one, other = self.batches[2 * number], self.batches[2 * number + 1]
        return type(one)(*(torch.cat(pair) for pair in zip(one, other, strict=True)))


class Shifted(Dataset[Any]):
    """Item n is item n - `by` of `batches`."""

    def __init__(self, batches: Dataset[Any], by: int) -> None:
        self.batches, self.by = batches, by

    def __getitem__(self, number: int) -> Any:
        return self.batches[number - self.by]


class Regression:
    """Linear regression; its scale is data-dependent. join: how many batches make one here."""

    name = "regression"
    items_per_batch = 4

    def __init__(self, join: int = 1, die_at: int = -1) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
        self.model.register_buffer("scale", torch.ones(1))
        self.batches: Dataset[Tensor] = Drawn(join)
        self.die_at = die_at

    def calibrate(self, batch: Tensor) -> None:
        self.model.scale.fill_(float(batch.std()))

    def loss(self, model: nn.Module, batch: Tensor, step: int) -> tuple[Tensor, dict[str, Any]]:
        if step == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return (model(batch / self.model.scale) - batch.sum(1, keepdim=True)).square().mean(), {}

    def panels(self, batch: Tensor) -> dict[str, Tensor]:
        return {}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def run_as(rank: int, world: int, port: int, function: Callable[[int], Any], said: Path) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
    os.environ |= {"GROUP_RANK": "0", "ROLE_RANK": str(rank), "GROUP_WORLD_SIZE": "1", "ROLE_WORLD_SIZE": str(world)}
    try:
        function(rank)
    except UsageError as error:
        said.write_text(str(error))
        os._exit(2)
    os._exit(0)


def together(
    folder: Path, function: Callable[[int], Any], world: int = 2, limit_s: float = 60.0
) -> list[tuple[int, str]]:
    """Exit code and UsageError of every process, each a fork (which has torch imported) with torchrun's environment."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    said = [folder / f"said-{rank}" for rank in range(world)]
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=run_as, args=(rank, world, port, function, said[rank])) for rank in range(world)
    ]
    for process in processes:
        process.start()
    ends = time.monotonic() + limit_s
    for process in processes:
        process.join(max(0.0, ends - time.monotonic()))
        assert process.exitcode is not None, f"still running after {limit_s} s"
    return [
        (p.exitcode or 0, path.read_text() if path.exists() else "") for p, path in zip(processes, said, strict=True)
    ]


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "scalars.jsonl").read_text().splitlines()]


def averages(folder: Path) -> dict[str, Tensor]:
    return torch.load(folder / "last.pt", weights_only=True)["ema"]


def assert_same_run(one: Path, other: Path, tolerance: float) -> None:
    curves = [[line["loss"] for line in logged(folder)] for folder in (one, other)]
    assert len(curves[0]) == CONFIG.steps and curves[0] == pytest.approx(curves[1], rel=tolerance)
    for name, value in averages(one).items():
        torch.testing.assert_close(value, averages(other)[name], rtol=tolerance, atol=tolerance, msg=name)


@pytest.fixture(scope="module")
def twice_the_batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one process, whose batches are two of those of `Regression`."""
    folder = tmp_path_factory.mktemp("one")
    train(Regression(join=2), CONFIG, folder)
    return folder


def test_two_processes_train_like_one_with_twice_the_batch(tmp_path: Path, twice_the_batch: Path) -> None:
    assert together(tmp_path, lambda rank: train(Regression(), CONFIG, tmp_path / f"of-{rank}")) == [(0, "")] * 2
    assert_same_run(tmp_path / "of-0", twice_the_batch, 1e-5)
    assert not (tmp_path / "of-1").exists(), "only the first process writes"


def test_a_run_goes_on_with_another_number_of_processes(tmp_path: Path, twice_the_batch: Path) -> None:
    half = replace(CONFIG, checkpoint_every=1)

    def first_half(rank: int) -> None:
        train(Regression(die_at=6), half, tmp_path / "run")

    assert [code for code, _ in together(tmp_path, first_half)] == [-signal.SIGKILL] * 2
    stage = Regression(join=2)
    stage.batches = Shifted(stage.batches, 6)  # two processes have used twelve batches of half the size
    assert train(stage, CONFIG, tmp_path / "run")["resumed_from"] == 6
    assert_same_run(tmp_path / "run", twice_the_batch, 1e-5)


@pytest.mark.parametrize("dies", [0, 1])
def test_a_dead_process_ends_the_run_with_one_line_and_a_usable_checkpoint(dies: int, tmp_path: Path) -> None:
    begun = time.monotonic()
    config = replace(CONFIG, checkpoint_every=4)
    ends = together(
        tmp_path, lambda rank: train(Regression(die_at=6 if rank == dies else -1), config, tmp_path / "run")
    )
    assert time.monotonic() - begun < 30
    code, said = ends[1 - dies]
    assert ends[dies] == (-signal.SIGKILL, "") and code == 2
    assert f"process {1 - dies} lost another of the 2 processes" in said and "give the same command again" in said
    assert ("step 6 is saved" in said) == (dies == 1) and "\n" not in said
    summary = train(Regression(), CONFIG, tmp_path / "run")
    assert summary["resumed_from"] == (6 if dies else 4) and summary["steps"] == CONFIG.steps


def test_processes_that_do_not_share_their_storage_are_told_so(tmp_path: Path) -> None:
    train(Regression(), replace(CONFIG, steps=2), tmp_path / "of-0")
    ends = together(tmp_path, lambda rank: train(Regression(), CONFIG, tmp_path / f"of-{rank}"))
    for rank, (code, said) in enumerate(ends):
        assert code == 2 and f"of-{rank}: the processes found different checkpoints (step 2, none)" in said


def test_processes_leave_their_group_before_the_interpreter_ends(tmp_path: Path) -> None:
    """Else threads of Gloo hold tensors until it has ended, and abort the process now and then."""

    def run(rank: int) -> None:
        at_exit: list[Callable[[], None]] = []
        atexit.register = at_exit.append  # of this process, a fork
        train(Regression(), replace(CONFIG, steps=2), tmp_path / "run")
        for leave in at_exit:
            leave()
        if torch.distributed.is_initialized():
            raise UsageError("is in the group still")

    assert together(tmp_path, run) == [(0, ""), (0, "")]


def test_devices_that_contradict_torchrun_are_named(tmp_path: Path) -> None:
    ends = together(tmp_path, lambda rank: train(Regression(), replace(CONFIG, devices=3), tmp_path / "run"))
    assert ends == [(2, "devices is 3, but 2 processes are running here; leave devices out")] * 2


# -- riqa pretrain -----------------------------------------------------------------------------------------------------


def tiny_config(folder: Path) -> dict[str, Any]:
    """The smoke config, smaller still, at one thread a process; with a seed of sets for which both processes have about
    as many valid cells."""
    steps = {"panel_every": 0, "log_every": 1, "threads": 1, "accelerator": "cpu", "warmup_steps": 2, "ema_decay": 0.9}
    steps |= {"data_workers": 0}
    return {
        "name": "tiny",
        "out": str(folder / "run"),
        "data": {"photos": str(ROOT / "tests/images"), "sets": 6, "size_px": 32, "min_scale": 0.9, "seed": 2,
                 "workers": 0, "cache_dir": str(folder / "cache")},
        "architecture": {"width": 16, "encoder_channels": 8},
        "distortion": {"steps": 4, "batch_size": 6, "learning_rate": 3e-3, **steps},
        "scoring": {"steps": 3, "batch_size": 8, "learning_rate": 2e-3, **steps},
    }  # fmt: skip


def pretrain_command(folder: Path, starter: list[str], **values: Any) -> subprocess.CompletedProcess[str]:
    config = folder / "config.yaml"
    config.write_text(json.dumps(tiny_config(folder)))  # JSON is YAML
    options = ["pretrain", "--config", str(config), *(f"{key}={value}" for key, value in values.items())]
    command = [sys.executable, *starter, "-m", "relational_iqa.cli", *options]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def by_torchrun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder and stderr of `torchrun --nproc-per-node 2 -m relational_iqa.cli pretrain`."""
    folder = tmp_path_factory.mktemp("torchrun")
    port = str(free_port())  # the usual one may be taken by other tests on the machine
    starter = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", port]
    done = pretrain_command(folder, starter)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def test_torchrun_has_the_loss_curve_of_one_process_with_twice_the_batch(
    by_torchrun: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = by_torchrun
    config: PretrainConfig = parse_config(tiny_config(folder) | {"out": str(folder / "one")})
    monkeypatch.setattr(trainer, "BatchLoader", lambda batches, *options: BatchLoader(Joined(batches), *options))
    pretrain(config)
    # Means over valid cells and over pairs that the metrics agree on are taken in each process, then averaged.
    for stage, steps, tolerance in (("distortion", 4, 0.02), ("scoring", 3, 0.03)):
        two, one = ([line["loss"] for line in logged(folder / name / stage)] for name in ("run", "one"))
        assert len(two) == steps and two == pytest.approx(one, rel=tolerance)


def test_only_the_first_process_renders_logs_and_writes(by_torchrun: tuple[Path, str]) -> None:
    folder, said = by_torchrun
    assert said.count("generating 6 ranked sets in") == 1 and said.count("distortion  step 4/4") == 1
    for stage in ("distortion", "scoring"):
        assert len(list((folder / "run" / stage / "tensorboard").iterdir())) == 1
        assert sorted(p.name for p in (folder / "run" / stage).iterdir()) == ["last.pt", "scalars.jsonl", "tensorboard"]
    assert json.loads((folder / "run" / "tiny.json").read_text())["stages"][0]["data_wait"] < 1
    assert relational_iqa.load(folder / "run" / "tiny.safetensors")


def test_devices_in_the_config_start_the_processes_and_go_on_where_torchrun_ended(
    by_torchrun: tuple[Path, str],
) -> None:
    folder, _ = by_torchrun
    devices = {"distortion.devices": 2, "scoring.devices": 2}
    done = pretrain_command(folder, [], **devices, **{"distortion.steps": 6, "scoring.steps": 4})
    assert done.returncode == 0, done.stderr
    assert "distortion: resumed" in done.stderr and done.stderr.count("distortion  step 6/6") == 1
    assert [line["step"] for line in logged(folder / "run" / "scoring")] == [1, 2, 3, 4]


def test_stages_with_different_numbers_of_devices_are_refused(tmp_path: Path) -> None:
    config = parse_config(tiny_config(tmp_path))
    with pytest.raises(UsageError, match="distortion.devices and scoring.devices are 2 and 1"):
        pretrain(replace(config, distortion=replace(config.distortion, devices=2)))
