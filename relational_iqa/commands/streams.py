"""stdin, stdout and stderr of the program: open, able to show any name, and named where they cannot be written."""

import os
import sys
from typing import Any

from distortion_engine.errors import UsageError


def open_streams() -> None:
    """Makes the three streams fit for use.

    Characters without a place in the encoding of the terminal are shown as escapes. Where stdin or stderr is closed,
    /dev/null takes its place: the next file that is opened would get its number, and what a library writes to stderr
    would land in there.

    Raises:
        UsageError: where stdout is closed.
    """
    closed = [number for number in range(3) if not _is_open(number)]
    for number in closed:
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)
    if sys.stderr is None:  # print(..., file=None) would write to stdout
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    if 1 in closed:
        raise UsageError("standard output is closed; where its lines are not wanted, send them to /dev/null")
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def flush_output() -> None:
    """Writes what was printed. UsageError where that is not possible; BrokenPipeError where nobody reads it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_output()
        raise UsageError(f"standard output cannot be written ({error.strerror or error})") from error


def drop_output() -> None:
    """Sends stdout and stderr, where they cannot be written, to /dev/null, so that Python's last flush says nothing."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
