"""The cache of ranked sets: what is drawn, what its key depends on, what is taken over, and who renders it."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.recipe import SET_KINDS
from distortion_engine.sampling import DEFAULT_SAMPLING
from relational_iqa.training.data import set_cache
from relational_iqa.training.data.one_at_a_time import one_at_a_time
from relational_iqa.training.data.set_cache import DataConfig, cached_sets


def no_judge(test: Tensor, reference: Tensor) -> Tensor:
    return torch.zeros(len(test), 1)


@pytest.fixture
def photos() -> list[Path]:
    return sorted((Path(__file__).parents[3] / "images").glob("photo_*.png"))[:2]


def small(folder: Path, **options: object) -> DataConfig:
    values = {"photos": "", "sets": 4, "size_px": 32, "min_scale": 0.9, "workers": 0, "cache_dir": str(folder)}
    return DataConfig(**{**values, **options})


def test_only_the_kinds_that_are_asked_for_are_drawn(tmp_path: Path, photos: list[Path]) -> None:
    sets = cached_sets(small(tmp_path, kinds={"extent": 0.5, "ladder": 0.0}), photos, no_judge, 1)
    assert {SET_KINDS[kind] for kind in sets.kinds} == {"extent"}
    assert small(tmp_path).sampling().kinds == DEFAULT_SAMPLING.kinds


def test_another_mixture_is_another_cache_and_the_number_of_workers_is_not(tmp_path: Path, photos: list[Path]) -> None:
    for options in ({}, {"workers": 1}, {"kinds": {"tie": 1.0}}, {"seed": 5}):
        cached_sets(small(tmp_path, **options), photos, no_judge, 1)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("kinds", [{"ladders": 1.0}, {"ladder": -0.1}, {"ladder": float("nan")}])
def test_unknown_kinds_and_negative_weights_are_refused(kinds: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="data.kinds"):
        DataConfig("photos", kinds=kinds).sampling()


# -- growing a cache ---------------------------------------------------------------------------------------------------


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the sets that were rendered, in this order."""
    seen: list[int] = []
    render = set_cache._Compact.__getitem__

    def watched(self: set_cache._Compact, index: int) -> dict[str, object]:
        seen.append(index)
        return render(self, index)

    monkeypatch.setattr(set_cache._Compact, "__getitem__", watched)
    return seen


def files_of(folder: Path) -> dict[int, dict[str, bytes]]:
    """By number of sets: the files of every cache in a folder."""
    caches = [{path.name: path.read_bytes() for path in cache.iterdir()} for cache in folder.iterdir()]
    return {json.loads(cache["complete"])["sets"]: cache for cache in caches}


def test_a_larger_cache_takes_the_sets_of_the_largest_smaller_one_and_renders_only_the_others(
    tmp_path: Path, photos: list[Path], rendered: list[int]
) -> None:
    for sets in (2, 3, 5):
        grown = cached_sets(small(tmp_path / "grown", sets=sets), photos, no_judge, 1)
    assert rendered == [0, 1, 2, 3, 4]
    smaller = cached_sets(small(tmp_path / "grown", sets=3), photos, no_judge, 1)
    for name in ("images", "fields", "validity", "ranks", "labels", "certainty", "kinds"):
        kept, copied = getattr(smaller, name), getattr(grown, name)[:3]
        assert (kept.dtype, kept.tobytes()) == (copied.dtype, copied.tobytes()) and kept.tobytes(), name
    cached_sets(small(tmp_path / "at_once", sets=5), photos, no_judge, 1)
    assert rendered[5:] == [0, 1, 2, 3, 4]  # another folder of caches: nothing to take
    assert files_of(tmp_path / "grown")[5] == files_of(tmp_path / "at_once")[5]


@pytest.mark.parametrize("other", [{"seed": 5}, {"mask_share": 0.1}, {"kinds": {"tie": 1.0}}, {"sets": 6}], ids=str)
def test_a_cache_of_another_seed_or_mixture_or_of_more_sets_is_not_taken(
    other: dict[str, object], tmp_path: Path, photos: list[Path], rendered: list[int]
) -> None:
    cached_sets(small(tmp_path, **{"sets": 2, **other}), photos, no_judge, 1)
    rendered.clear()
    cached_sets(small(tmp_path, sets=3), photos, no_judge, 1)
    assert rendered == [0, 1, 2]


def test_a_cache_that_is_not_complete_is_not_taken(tmp_path: Path, photos: list[Path], rendered: list[int]) -> None:
    cached_sets(small(tmp_path, sets=2), photos, no_judge, 1)
    (cache,) = tmp_path.iterdir()
    (cache / "complete").rename(cache / "progress.json")  # as if it had been killed at the very end
    rendered.clear()
    cached_sets(small(tmp_path, sets=3), photos, no_judge, 1)
    assert rendered == [0, 1, 2]


# -- one process renders -----------------------------------------------------------------------------------------------


def test_ranks_that_start_at_once_render_a_cache_once(
    tmp_path: Path, photos: list[Path], rendered: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    def start(_: int) -> bytes:
        return cached_sets(small(tmp_path), photos, no_judge, 1).images.tobytes()

    with ThreadPoolExecutor(3) as ranks:  # a lock belongs to an open folder, so threads wait as processes do
        images = list(ranks.map(start, range(3)))
    assert rendered == [0, 1, 2, 3] and images[0] == images[1] == images[2]
    assert capfd.readouterr().err.count("waiting for another process that renders") == 2


HOLDS = """
import sys, time
from pathlib import Path
from relational_iqa.training.data.one_at_a_time import one_at_a_time
with one_at_a_time(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


def test_a_process_that_dies_holds_nobody_up(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(folder)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"in\n"  # made the folder and is in

        def enter() -> float:
            with one_at_a_time(folder):
                return time.monotonic()

        with ThreadPoolExecutor(1) as waiting:
            entered = waiting.submit(enter)
            time.sleep(0.3)
            assert not entered.done()
            killed = time.monotonic()
            other.kill()
            assert entered.result(timeout=10) > killed
    assert f"waiting for another process that renders {folder}" in capfd.readouterr().err
