"""MATLAB files from outside: read by a process of its own, whose end is one line."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers import matlab, matlab_child
from relational_iqa.benchmarks.readers.matlab import variable


@pytest.fixture
def file(tmp_path: Path) -> Path:
    names = np.array(["a.bmp", "b.bmp"], dtype=object)[None]
    savemat(tmp_path / "x.mat", {"dmos": np.arange(5.0)[None], "orgs": np.zeros((1, 5)), "refnames_all": names})
    return tmp_path / "x.mat"


def refused(file: Path, said: str) -> None:
    with pytest.raises(UsageError, match=rf"x\.mat: .*{said}") as caught:
        variable(file, "dmos")
    assert "\n" not in str(caught.value)


def test_numbers_and_cells_of_names_are_flat_lists(file: Path) -> None:
    assert variable(file, "none", "dmos") == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert variable(file, "refnames_all") == ["a.bmp", "b.bmp"]
    with pytest.raises(UsageError, match="no variable x or y; found dmos, orgs, refnames_all"):
        variable(file, "x", "y")


@pytest.mark.parametrize("place", [272, 474])
def test_bytes_that_end_scipy_in_a_segmentation_fault_are_one_line(file: Path, place: int) -> None:
    """SciPy 1.17 dies of the first with SIGSEGV while it reads the variable after `dmos`."""
    content = bytearray(file.read_bytes())
    content[place] = 127 if place == 272 else 1
    file.write_bytes(content)
    refused(file, "not readable as a MATLAB file")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "reading it ends in SIGSEGV"),
        ("raise SystemExit('no\\nroom')", "room"),
        ("import time; time.sleep(60)", "takes more than 1 s"),
    ],
)
def test_every_end_of_the_reading_process_is_said(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    (tmp_path / "child.py").write_text(program)
    monkeypatch.setattr(matlab_child, "__file__", str(tmp_path / "child.py"))
    monkeypatch.setattr(matlab, "_PATIENCE_S", 1.0)
    refused(file, said)


def test_a_file_without_end_is_not_read(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(20_000_000_000)
    refused(file, "more than 100,000,000 bytes")


@pytest.mark.parametrize("content", [b"", b"text", b"\x00" * 128, b"MATLAB 7.3 MAT-file" + b"\x00" * 200])
def test_what_is_no_matlab_file_is_one_line(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    refused(file, "not readable as a MATLAB file")
