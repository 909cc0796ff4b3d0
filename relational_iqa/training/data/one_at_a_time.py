"""A lock on a folder: processes that start together, as the ranks of torchrun do, must not render into one cache."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distortion_engine.jobs.safe_files import locked


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Makes `folder` and waits until no other process is in this block with it (see `locked`). Look again, inside, at
    what is done."""
    folder.mkdir(parents=True, exist_ok=True)
    told = False

    def busy() -> None:
        nonlocal told
        if not told:
            print(f"waiting for another process that renders {folder}", file=sys.stderr, flush=True)
            told = True

    with locked(folder, busy):
        yield
