"""Progress on stderr: nothing for what is quick, else lines with count, rate and time left, or a bar on a terminal."""

import sys

import pytest

from distortion_engine.jobs import progress as module
from distortion_engine.jobs.progress import eta, progress


class Clock:
    """One second a look."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now


def test_a_quick_job_says_nothing(capsys: pytest.CaptureFixture[str]):
    with progress(3, "sets") as tick:
        for _ in range(3):
            tick()
    assert capsys.readouterr().err == ""


def test_a_long_job_says_how_far_how_fast_and_how_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(module, "time", Clock())
    with progress(25, "sets") as tick:
        for _ in range(25):
            tick()
    assert capsys.readouterr().err.splitlines() == [
        "10/25 sets, 1.0/s, ETA 0:00:15",
        "20/25 sets, 1.0/s, ETA 0:00:05",
        "25/25 sets, 1.0/s, ETA 0:00:00",
    ]


@pytest.mark.parametrize("total", [0, 2])
def test_a_terminal_gets_a_bar_where_there_is_something_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], total: int
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress(total, "sets") as tick:
        for _ in range(total):
            tick()
    said = capsys.readouterr().err
    assert ("2/2" in said and "/s" in said) if total else said == ""


def test_the_time_left_is_that_of_the_rate_so_far():
    assert eta(30.0, 10, 20) == eta(30.0, 0.1, 0.2) == "0:01:00"
    assert eta(7.0, 0, 25) == eta(7.0, 25, 0) == "0:00:00"
