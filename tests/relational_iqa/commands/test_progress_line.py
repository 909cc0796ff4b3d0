"""Commands say on a terminal how far they are, and use as many threads as they may."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from relational_iqa.cli import COMMANDS
from relational_iqa.commands.options import options_of

IMAGES = Path(__file__).parents[2] / "images"
A, B = (str(IMAGES / f"photo_{number}.png") for number in (1, 2))
AT_ONCE = """
import sys
from distortion_engine.jobs import progress
progress.TERMINAL_AFTER_S, progress._REPAINT_S = 0.0, 0.01
from relational_iqa.cli import main
code = main(sys.argv[1:])
import cv2, torch
print(code, torch.get_num_threads(), cv2.getNumThreads(), file=sys.stdout)
"""


def riqa(*arguments: str) -> tuple[str, str]:
    """What goes to a terminal as stderr, and to a file as stdout."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", AT_ONCE, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}) as done:
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:
                break
            if not part:
                break
            said += part
        assert done.stdout is not None
        printed = done.stdout.read()
    os.close(ours)
    return said.decode(), printed.decode()


def test_compare_says_how_far_it_is_and_takes_no_more_threads_than_it_may() -> None:
    said, printed = riqa("compare", A, B, "--threads", "1")
    assert said.startswith("\rcomparing, 0 s") and said.endswith("\r\x1b[K") and "\n" not in said
    assert printed.endswith("0 1 1\n")


def test_score_counts_its_images_and_quiet_is_quiet() -> None:
    said, printed = riqa("score", A, A, "--reference", A)
    assert "\rimages: 0/2" in said and said.endswith("\r\x1b[K")
    quiet, same = riqa("score", A, A, "--reference", A, "--quiet")
    assert quiet == "" and same == printed


@pytest.mark.parametrize("command", ["compare", "rank", "score", "evaluate"])
def test_what_may_take_long_can_be_quiet(command: str) -> None:
    assert "quiet" in [option.name for option in options_of(COMMANDS[command].options)]
