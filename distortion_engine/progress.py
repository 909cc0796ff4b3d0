"""How far a long job is, on stderr: a bar with rate and ETA on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TypeVar

PLAIN_LINE_EVERY_S = 10.0

Item = TypeVar("Item")


def progress(items: Iterable[Item], total: int, unit: str) -> Iterator[Item]:
    """Passes `items`, `total` of them, on. unit: their name in the plural."""
    return (_with_bar if sys.stderr.isatty() else _with_lines)(items, total, unit)


def _with_lines(items: Iterable[Item], total: int, unit: str) -> Iterator[Item]:
    begun = told = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - told >= PLAIN_LINE_EVERY_S or (done == total and told > begun):
            rate, told = done / (now - begun), now
            left = timedelta(seconds=round((total - done) / rate))
            print(f"{done}/{total} {unit}, {rate:.1f}/s, ETA {left}", file=sys.stderr, flush=True)


def _with_bar(items: Iterable[Item], total: int, unit: str) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}")
    with Progress(*columns, TextColumn("ETA"), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task, begun = bar.add_task(unit, total=total, rate=""), time.monotonic()
        for done, item in enumerate(items, 1):
            yield item
            bar.update(task, advance=1, rate=f"{done / (time.monotonic() - begun):.1f}/s")
