"""The program `riqa`, as its console script calls it: Ctrl-C while modules are imported ends it in one line, too."""

import sys


def run() -> int:
    """Imports the commands, which takes a tenth of a second, and runs one; returns the exit code."""
    try:
        from relational_iqa.cli import main
    except KeyboardInterrupt:
        print("riqa: interrupted", file=sys.stderr)
        return 130
    return main()


if __name__ == "__main__":
    raise SystemExit(run())
