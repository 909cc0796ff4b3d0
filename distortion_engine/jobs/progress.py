"""How far a long job is, on stderr: a bar with rate and ETA on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

PLAIN_LINE_EVERY_S = 10.0


def progress(total: int, unit: str) -> AbstractContextManager[Callable[[], None]]:
    """A block of work on `total` things; call what it gives once for each. unit: their name in the plural."""
    return (_bar if total and sys.stderr.isatty() else _lines)(total, unit)


@contextmanager
def _lines(total: int, unit: str) -> Iterator[Callable[[], None]]:
    begun = told = time.monotonic()
    done = 0

    def tick() -> None:
        nonlocal done, told
        done, now = done + 1, time.monotonic()
        if now - told >= PLAIN_LINE_EVERY_S or (done == total and told > begun):
            rate, told = done / (now - begun), now
            left = timedelta(seconds=round((total - done) / rate))
            print(f"{done}/{total} {unit}, {rate:.1f}/s, ETA {left}", file=sys.stderr, flush=True)

    yield tick


@contextmanager
def _bar(total: int, unit: str) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}")
    with Progress(*columns, TextColumn("ETA"), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task, begun, done = bar.add_task(unit, total=total, rate=""), time.monotonic(), 0

        def tick() -> None:
            nonlocal done
            done += 1
            bar.update(task, advance=1, rate=f"{done / (time.monotonic() - begun):.1f}/s")

        yield tick
