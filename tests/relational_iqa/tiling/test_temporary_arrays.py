"""Temporary files in place of memory: the same values, nothing left behind, and memory where no file can be made."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relational_iqa.tiling import temporary_arrays
from relational_iqa.tiling.temporary_arrays import give_back, in_file, temporary_array


def test_only_large_arrays_lie_in_files_and_all_begin_as_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary_arrays, "IN_FILE_FROM_BYTES", 4000)
    sizes = (((10, 99), np.float32, False), ((10, 100), np.float32, True), ((4000,), np.uint8, True))
    for shape, dtype, where in sizes:
        array = temporary_array(shape, dtype)
        assert in_file(array) == in_file(array[1:, ...]) == where
        assert array.shape == shape and array.dtype == dtype and not array.any()


def test_values_stay_when_their_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary_arrays, "IN_FILE_FROM_BYTES", 1)
    array = temporary_array((64, 1000), np.float32)
    values = np.random.default_rng(0).random(array.shape, np.float32)
    array[:] = values
    for _ in range(2):
        give_back(array)
        assert np.array_equal(array, values)
    array[3, 5] = 7
    give_back(array[3:])
    assert array[3, 5] == 7
    ordinary = np.ones(5)
    give_back(ordinary)
    assert ordinary.all() and not in_file(ordinary)


def test_without_a_place_for_files_the_array_is_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(temporary_arrays, "IN_FILE_FROM_BYTES", 1)
    assert in_file(temporary_array((100,), np.uint8))

    def full(descriptor: int, size: int) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(temporary_arrays, "_reserve", full)
    array = temporary_array((100,), np.uint8)
    assert not in_file(array) and not array.any()


SIZE = 200_000_000
PROGRAM = f"""
import numpy as np
from relational_iqa.tiling.temporary_arrays import give_back, temporary_array

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

before = resident()
array = temporary_array(({SIZE},), np.uint8)
array[:] = 1
full = resident() - before
give_back(array)
print(full, resident() - before, int(array[::4096].sum()))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_goes_down_and_no_file_is_left(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[3], env={"PATH": "", "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    full, after, pages = map(int, done.stdout.split())
    assert full >= SIZE and after < 0.1 * SIZE and pages == -(-SIZE // 4096)
    assert not list(tmp_path.iterdir())
