"""Keeping freed memory, and giving large blocks back: done where the C library can, harmless elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from relational_iqa.tiling.memory import keep_freed_memory, use_huge_pages

ROOT = Path(__file__).parents[3]


def test_it_says_whether_it_could_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keep_freed_memory() in (True, False)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert keep_freed_memory() is False


STARTED = """
import os, sys
from relational_iqa.cli import main
assert "torch" not in sys.modules and main(["compare", "none.png", "none.png"]) == 2 and "torch" in sys.modules
print(os.environ["THP_MEM_ALLOC_ENABLE"])
"""


@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("0", "0")])
def test_commands_ask_for_huge_pages_before_torch_starts_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str | None, used: str
) -> None:
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    if given is not None:
        monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", given)
    done = subprocess.run([sys.executable, "-c", STARTED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [used]


def test_once_torch_is_there_the_environment_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    monkeypatch.setitem(sys.modules, "torch", sys)
    use_huge_pages()
    assert "THP_MEM_ALLOC_ENABLE" not in os.environ


MAPPED = """
import sys
import numpy as np
from contextlib import nullcontext
from relational_iqa.tiling.memory import give_back_freed_memory, keep_freed_memory, large_blocks_apart

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def held_by_a_small_block_above():
    large, above = np.ones(30 << 20, np.uint8), [np.ones(1000, np.uint8) for _ in range(100)]
    before = resident()
    del large
    return before - resident(), above

assert keep_freed_memory()
with large_blocks_apart() if sys.argv[1] == "apart" else nullcontext():
    gone, above = held_by_a_small_block_above()
trimmed = resident()
give_back_freed_memory()
print(gone, trimmed - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone has these switches")
@pytest.mark.parametrize("how", ["apart", "heap"])
def test_large_blocks_go_back_at_once_only_while_they_are_kept_apart(how: str) -> None:
    done = subprocess.run([sys.executable, "-c", MAPPED, how], cwd=ROOT, capture_output=True, text=True, check=True)
    gone, trimmed = map(int, done.stdout.split())
    if how == "apart":
        assert gone > 29 << 20
    else:  # it lies in the heap below the small ones until that is trimmed
        assert gone < 1 << 20 and trimmed > 29 << 20
