"""Who works: every task once, whoever does it; errors in one line; the dead are noticed. Ray is an imitation here."""

import importlib
import multiprocessing
import os
import random
import signal
import sys
import time
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.generation.generate import generate
from distortion_engine.generation.options import GenerateOptions
from distortion_engine.generation.workers import Tick, Workforce, run_local, run_ray

IMAGES = Path(__file__).parents[2] / "images"


def square(index: int, tick: Tick) -> int:
    tick()
    tick()
    return index * index


def threads(index: int, tick: Tick) -> int:
    return torch.get_num_threads()


def fails(index: int, tick: Tick) -> int:
    if index == 2:
        raise ImageError("photo.png: is cut short")
    if index == 3:
        raise PermissionError(13, "Permission denied", "photo.png")
    return index


def dies(index: int, tick: Tick) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return index


def is_wrong(index: int, tick: Tick) -> int:
    return 1 // 0


def sleeps(index: int, tick: Tick) -> int:
    if index:
        time.sleep(60)
    return index


class Reference:
    """Of a result that is yet to come."""

    def __init__(self, function: Any, arguments: tuple[Any, ...], written: Path | None) -> None:
        self.value = lambda: function(*arguments)
        if written is not None:
            lose_a_node(function, arguments, written)


def lose_a_node(function: Any, arguments: tuple[Any, ...], folder: Path) -> None:
    """Runs a task in a process that is killed as soon as it has begun a file in `folder`."""
    before = set(folder.iterdir())
    node = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    node.start()
    while set(folder.iterdir()) == before:
        assert node.is_alive()
        time.sleep(0.001)
    node.kill()
    node.join()


class FakeRay(ModuleType):
    """The part of Ray that is used: tasks run at once, results come in any order."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.started: dict[str, Any] = {}
        self.open = False
        self.cancelled = 0
        self.exceptions = SimpleNamespace(RayError=type("RayError", (Exception,), {}))
        self.order = random.Random(1)
        self.idle_for = 0  # looks at the tasks in which none is ready
        self.has_cpus = True
        self.loses_nodes_in: Path | None = None  # every task is killed once while it writes there, and done again

    def is_initialized(self) -> bool:
        return self.open

    def init(self, **options: Any) -> None:
        if options["address"] == "nowhere:1":
            raise ConnectionError("no cluster\nat all")
        self.started, self.open = options, True

    def shutdown(self) -> None:
        self.open = False

    def put(self, value: Any) -> Any:
        return value

    def remote(self, function: Any) -> Any:
        return SimpleNamespace(remote=lambda *arguments: Reference(function, arguments, self.loses_nodes_in))

    def wait(self, running: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        if self.idle_for:
            self.idle_for -= 1
            return [], running
        return [self.order.choice(running)], []

    def cluster_resources(self) -> dict[str, float]:
        return {"memory": 1e9, **({"CPU": 2.0} if self.has_cpus else {})}

    def get(self, reference: Any) -> Any:
        return reference.value()

    def cancel(self, reference: Any, force: bool) -> None:
        self.cancelled += 1


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return fake


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_task_is_done_once_and_every_tick_arrives(workers: int):
    ticks: list[None] = []
    results = list(run_local(square, [4, 1, 7, 2, 9], workers, lambda: ticks.append(None)))
    assert sorted(results) == [(1, 1), (2, 4), (4, 16), (7, 49), (9, 81)] and len(ticks) == 10
    assert list(run_local(square, [], workers, lambda: None)) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_task_has_one_thread_and_the_caller_keeps_its_own(workers: int):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert dict(run_local(threads, [0, 1], workers, lambda: None)) == {0: 1, 1: 1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("index", "said"), [(2, "photo.png: is cut short"), (3, "photo.png: Permission denied")])
def test_what_is_wrong_in_a_task_ends_the_run_in_one_line(workers: int, index: int, said: str):
    with pytest.raises(UsageError) as caught:
        list(run_local(fails, [index], workers, lambda: None))
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


def test_a_worker_that_is_killed_is_noticed_and_named():
    with pytest.raises(UsageError, match="a worker was killed .SIGKILL.*fewer --workers"):
        list(run_local(dies, range(4), 2, lambda: None))


def test_a_fault_of_the_program_is_not_taken_for_one_of_the_user():
    with pytest.raises(RuntimeError, match="exit code 1"):
        list(run_local(is_wrong, range(4), 2, lambda: None))


def test_workers_end_at_once_when_nobody_wants_their_results():
    begun = time.monotonic()
    with closing(run_local(sleeps, [0, 1, 2], 2, lambda: None)) as results:
        assert next(results) == (0, 0)
    assert time.monotonic() - begun < 20


def test_ray_does_every_task_once_and_ends_the_cluster_that_it_started(ray: FakeRay):
    ticks: list[None] = []
    results = list(run_ray(square, range(5), None, 3, lambda: ticks.append(None)))
    assert sorted(results) == [(i, i * i) for i in range(5)] and len(ticks) == 10
    assert ray.started["address"] == "local" and ray.started["num_cpus"] == 3 and not ray.open


def test_ray_joins_a_cluster_by_option_or_environment_and_keeps_one_that_runs(
    ray: FakeRay, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    list(run_ray(square, [1], None, 2, lambda: None))
    assert ray.started["address"] == "10.0.0.1:6379" and "num_cpus" not in ray.started
    list(run_ray(square, [1], "10.0.0.2:6379", 2, lambda: None))
    assert ray.started["address"] == "10.0.0.2:6379"
    ray.started, ray.open = {}, True
    list(run_ray(square, [1], None, 2, lambda: None))
    assert ray.started == {} and ray.open


def test_what_is_wrong_in_a_ray_task_ends_the_run_in_one_line_and_takes_the_others_back(ray: FakeRay):
    with pytest.raises(UsageError, match="^photo.png: is cut short$"):
        list(run_ray(fails, [2, 2, 2], None, 2, lambda: None))
    assert ray.cancelled == 2 and not ray.open


@pytest.mark.parametrize("has_cpus", [True, False])
def test_a_cluster_without_nodes_is_waited_for_and_that_is_said(
    ray: FakeRay, capsys: pytest.CaptureFixture[str], has_cpus: bool
):
    ray.idle_for, ray.has_cpus = 2, has_cpus
    assert list(run_ray(square, [3], "10.0.0.1:6379", 2, lambda: None)) == [(3, 9)]
    said = capsys.readouterr().err.splitlines()
    assert said == ([] if has_cpus else ["ray at 10.0.0.1:6379: no node with a CPU; waiting for one"] * 2)


def test_a_cluster_that_fails_or_is_not_there_is_one_line(ray: FakeRay, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UsageError, match="ray at nowhere:1 cannot be reached .no cluster.; check --address"):
        list(run_ray(square, [1], "nowhere:1", 2, lambda: None))

    def lost(reference: Any) -> Any:
        raise ray.exceptions.RayError("Traceback\n  node died")

    monkeypatch.setattr(ray, "get", lost)
    with pytest.raises(UsageError, match="ray at local: node died; the same command goes on"):
        list(run_ray(square, [1, 2], None, 2, lambda: None))
    assert not ray.open


def test_where_ray_is_not_installed_the_extra_is_named_before_any_work(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "ray", raising=False)

    def absent(name: str, *rest: Any, found=importlib.import_module) -> ModuleType:
        if name == "ray":
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(UsageError, match=r"pip install .relational-iqa\[ray\]"):
        Workforce(kind="ray")


@pytest.mark.parametrize("nodes_are_lost", [False, True])
def test_a_dataset_has_the_same_bytes_by_ray_as_by_this_process(ray: FakeRay, tmp_path: Path, nodes_are_lost: bool):
    options = GenerateOptions(sets=4, seed=1, size_px=32, sets_per_shard=2)
    generate(IMAGES, tmp_path / "here", options, workforce=Workforce(workers=0))
    shards = tmp_path / "ray" / "shards"
    shards.mkdir(parents=True)
    (tmp_path / "ray/manifest.jsonl").write_bytes((tmp_path / "here/manifest.jsonl").read_bytes())
    halves: list[int] = []
    if nodes_are_lost:
        ray.loses_nodes_in = shards
        shut = ray.shutdown
        ray.shutdown = lambda: halves.append(len(list(shards.glob(".*.partial")))) or shut()
    generate(IMAGES, tmp_path / "ray", options, workforce=Workforce("ray"))
    here, by_ray = (
        {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
        for out in (tmp_path / "here", tmp_path / "ray")
    )
    assert len(here) == 4 and here == by_ray
    assert halves == ([2] if nodes_are_lost else [])  # each shard was lost once while it was written
