"""How far a long job is, on stderr: a bar with rate and ETA on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_LINE_EVERY_S = 10.0


def progress(total: int, unit: str) -> AbstractContextManager[Callable[[], None]]:
    """Reports on a block of work.

    Args:
        total: how many things are worked on.
        unit: their name in the plural.

    Returns:
        A context manager, which gives a function to call once for each thing that is done.
    """
    return (_bar if total and sys.stderr.isatty() else _lines)(total, unit)


def eta(spent_s: float, done: float, left: float) -> str:
    """The time that the amount `left` takes where the amount `done` took `spent_s` seconds, as "0:01:30"; "0:00:00"
    where nothing is done yet."""
    return str(timedelta(seconds=round(spent_s * left / done if done > 0 else 0.0)))


def terminal_bar(name: str, total: float, *, counted: bool) -> "Progress":
    """A bar on stderr for a terminal, not started yet, with one task and a text beside it (the field `text`).

    Args:
        name: stands before the bar.
        total: the amount of work.
        counted: whether "done/total" is shown, or a percentage.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

    amount = MofNCompleteColumn() if counted else TaskProgressColumn()
    columns = TextColumn("{task.description}"), BarColumn(), amount, TextColumn("{task.fields[text]}")
    bar = Progress(*columns, console=Console(stderr=True))
    bar.add_task(name, total=total, text="")
    return bar


@contextmanager
def _lines(total: int, unit: str) -> Iterator[Callable[[], None]]:
    begun = told = time.monotonic()
    done = 0

    def tick() -> None:
        nonlocal done, told
        done, now = done + 1, time.monotonic()
        if now - told >= PLAIN_LINE_EVERY_S or (done == total and told > begun):
            told = now
            print(f"{done}/{total} {unit}, {_rate(now - begun, done, total)}", file=sys.stderr, flush=True)

    yield tick


@contextmanager
def _bar(total: int, unit: str) -> Iterator[Callable[[], None]]:
    with terminal_bar(unit, total, counted=True) as bar:
        begun, done = time.monotonic(), 0

        def tick() -> None:
            nonlocal done
            done += 1
            bar.update(bar.task_ids[0], advance=1, text=_rate(time.monotonic() - begun, done, total))

        yield tick


def _rate(spent_s: float, done: int, total: int) -> str:
    return f"{done / max(spent_s, 1e-9):.1f}/s, ETA {eta(spent_s, done, total - done)}"
