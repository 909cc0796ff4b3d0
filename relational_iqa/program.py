"""The program `riqa`, as its console script calls it: Ctrl-C while modules are imported ends it in one line, too."""

from __future__ import annotations

import sys

_INTERRUPTED = 130
SPINS = "3000"
"""Rounds for which a thread of OpenMP waits awake, about a tenth of a millisecond. By default it is 300,000, 10 ms of a
processor after every parallel operation."""
_SHORT = ("check", "compare", "rank", "score")  # they answer a question and leave nothing behind that has to be ended


def run() -> int:
    """Imports the commands, which takes a tenth of a second, and runs one; returns the exit code.

    Commands that answer a question end the process here: what an interpreter tears down at its end is a third of the
    processor time of a small comparison.
    """
    try:
        import signal

        # Modules that are interrupted while they are imported may raise ImportError, or another error, instead.
        raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if raises:
            signal.signal(signal.SIGINT, _end)
        import os

        if "OMP_WAIT_POLICY" not in os.environ:
            os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read when torch is imported
        short = sys.argv[1:2] != [] and sys.argv[1] in _SHORT
        if short:
            from relational_iqa.commands.quick_start import defer_modules

            defer_modules()
        from relational_iqa.cli import main

        if raises:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = main()
    except KeyboardInterrupt:
        print("riqa: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except SystemExit as error:
        if not short or not isinstance(error.code, int):
            raise
        code = error.code
    if short:
        from relational_iqa.commands.quick_start import end_process

        end_process(code)
    return code


def _end(*_: object) -> None:
    """Handles Ctrl-C while nothing was done yet."""
    import os

    os.write(2, b"riqa: interrupted\n")
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    raise SystemExit(run())
