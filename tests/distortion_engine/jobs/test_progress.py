"""Progress on stderr: nothing for what is quick, else lines with count, rate and time left; one line on a terminal."""

import os
import subprocess
import sys
import threading

import pytest

from distortion_engine.jobs import progress as module
from distortion_engine.jobs.progress import eta, progress, steps


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


def test_a_quiet_job_says_nothing_however_long(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(module, "time", Clock())
    with progress(25, "sets", quiet=True) as tick:
        for _ in range(25):
            tick()
    assert capsys.readouterr().err == ""


def test_steps_inside_a_step_are_parts_of_it():
    line = module._Line("comparing")
    begun = line._begun
    with line.level(4) as done:
        assert line.text(begun + 3) == "comparing: 0/4, 3 s"
        done()
        with line.level(2) as inner:
            inner()
            assert line.text(begun + 30) == "comparing: 1/4, 38%, ETA 0:00:50"
            inner()
        assert line.text(begun + 30) == "comparing: 1/4, 50%, ETA 0:00:30"
        done()
        assert line.text(begun + 30) == "comparing: 2/4, 50%, ETA 0:00:30"
        with line.level(1) as inner:
            inner()
        done(), done(), done()
    assert line.text(begun + 40) == "comparing: 4/4, 100%, ETA 0:00:00"


def test_one_step_is_not_counted_and_its_parts_are():
    line = module._Line("comparing")
    with line.level(1), line.level(8) as inner:
        inner()
        assert line.text(line._begun + 2) == "comparing, 12%, ETA 0:00:14"


def test_parts_of_a_step_have_shares_and_steps_of_their_own():
    line = module._Line("comparing")
    token = module._current.set(line)
    reached: list[float] = []
    try:
        with module.part(0.5), module.steps_of_part(3) as nobody:  # there is nothing yet of which it could be a part
            nobody()
        assert line._levels == [] and line._reached == 0
        with steps(2) as done:
            with module.steps_of_part(5) as nobody:
                nobody()
            for share in (0.25, 0.75):
                with module.part(share):
                    with module.part(0.5), module.steps_of_part(2) as inner:
                        inner()
                        reached.append(line._reached)
                    reached.append(line._reached)
                reached.append(line._reached)
            done()
            reached.append(line._reached)
            done()
            reached.append(line._reached)
    finally:
        module._current.reset(token)
    assert reached == pytest.approx([1 / 32, 1 / 16, 1 / 8, 7 / 32, 5 / 16, 1 / 2, 1 / 2, 1])


def test_steps_of_other_threads_and_without_a_line_are_nobodys():
    with steps(3) as done:
        done()
    seen = []
    line = module._Line("x")
    token = module._current.set(line)
    try:
        with steps(2):
            other = threading.Thread(target=lambda: seen.append(module._current.get()))
            other.start()
            other.join()
            assert [(level.done, level.total) for level in line._levels] == [(0, 2)]
    finally:
        module._current.reset(token)
    assert seen == [None]


CODE = """
import sys, time
from distortion_engine.jobs import progress as module
module.TERMINAL_AFTER_S, module._REPAINT_S = float(sys.argv[1]), 0.05
with module.progress(4, "sets", quiet=sys.argv[2] == "quiet") as tick:
    for _ in range(4):
        with module.steps(2) as done:
            time.sleep(0.15)
            done()
            done()
        tick()
print("done")
"""


def on_terminal(*arguments: str, term: str = "xterm") -> str:
    """What a program writes to a terminal of 80 columns, as bytes are sent."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", CODE, *arguments]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": term}) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # Linux: nobody has the other end any more
                break
            if not part:
                break
            said += part
    os.close(ours)
    assert process.returncode == 0
    return said.decode()


def test_a_terminal_gets_one_line_that_is_gone_at_the_end():
    painted, *rest = on_terminal("0.01", "loud").split("done")
    assert rest == ["\r\n"] and "\n" not in painted and painted.endswith("\r\x1b[K")
    lines = [part.removesuffix("\x1b[K") for part in painted.split("\r")[1:-1]]
    assert lines[0] == "sets: 0/4, 0 s" and any("ETA 0:00:0" in line for line in lines)
    shares = [int(line.split(", ")[1].rstrip("%")) for line in lines if "%" in line]
    assert shares == sorted(shares) and any(0 < share < 100 for share in shares)


@pytest.mark.parametrize(
    ("after", "how", "term"), [("60", "loud", "xterm"), ("0", "quiet", "xterm"), ("0", "x", "dumb")]
)
def test_a_terminal_gets_no_line_of_what_is_quick_or_quiet_or_where_none_can_be_erased(after: str, how: str, term: str):
    assert on_terminal(after, how, term=term) == "done\r\n"


def test_the_time_left_is_that_of_the_rate_so_far():
    assert eta(30.0, 10, 20) == eta(30.0, 0.1, 0.2) == "0:01:00"
    assert eta(7.0, 0, 25) == eta(7.0, 25, 0) == "0:00:00"
