"""Tests run as on other processors: one row a variation, and a test that fails in one of them is named."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments.processors import run

THREADS_TEST = """
import os


def test_threads():
    assert os.environ["OMP_NUM_THREADS"] == "1"
"""


def test_variations_have_names_of_their_own_and_only_the_first_changes_nothing() -> None:
    known = run.variations()
    assert len({variation.name for variation in known}) == len(known) >= 10
    assert [bool(variation.environment) for variation in known] == [False] + [True] * (len(known) - 1)
    assert all(value for variation in known for value in variation.environment.values())


def test_libraries_take_the_kernels_that_they_are_told_to() -> None:
    code = "import torch, numpy, cv2; print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())"
    (oldest,) = (variation for variation in run.variations() if variation.name == "oldest-two-threads")
    done = subprocess.run([sys.executable, "-c", code], env=oldest.environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", ["DEFAULT", "2"])


def test_a_test_that_fails_in_one_variation_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "test_threads.py"
    path.write_text(THREADS_TEST)
    assert run.main(["--only", "plain,two-threads", str(path)]) == 1
    said = capsys.readouterr().out
    assert said.count("test_threads.py::test_threads") == 1 and "two-threads: " in said
    assert run.main(["--only", "plain", str(path)]) == 0


def test_an_unknown_variation_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["--only", "quantum"])
    assert "'quantum'" in capsys.readouterr().err
    assert run.main(["--list", "--only", "oldest"]) == 0
    assert "ATEN_CPU_CAPABILITY=default" in capsys.readouterr().out
