"""The program `riqa`, as its console script calls it: Ctrl-C while modules are imported ends it in one line, too."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def run() -> int:
    """Imports the commands, which takes a tenth of a second, and runs one; returns the exit code."""
    try:
        import signal

        # Modules that are interrupted while they are imported may raise ImportError, or another error, instead.
        raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if raises:
            signal.signal(signal.SIGINT, _end)
        from relational_iqa.cli import main

        if raises:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return main()
    except KeyboardInterrupt:
        print("riqa: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _end(*_: object) -> None:
    """Handles Ctrl-C while nothing was done yet."""
    import os

    os.write(2, b"riqa: interrupted\n")
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    raise SystemExit(run())
