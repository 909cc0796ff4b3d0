"""How far a job is, on stderr: a line with ETA on a terminal, a plain line now and then elsewhere.

with progress(len(images), "images", quiet=options.quiet) as tick:
    for image in images:
        with steps(4) as done:  # anywhere below, also in functions that know nothing of the line
            ...
            done()
        tick()
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_LINE_EVERY_S = 10.0
TERMINAL_AFTER_S = 2.0
"""What takes less says nothing on a terminal."""
_REPAINT_S = 0.5
_ERASED = "\r\x1b[K"


def progress(total: int, unit: str, quiet: bool = False) -> AbstractContextManager[Callable[[], None]]:
    """Reports on a block of work.

    Args:
        total: how many things are worked on.
        unit: their name in the plural.
        quiet: reports nothing.

    Returns:
        A context manager, which gives a function to call once for each thing that is done.
    """
    if quiet:
        return steps(total)
    return (_counted_line if is_terminal() else _lines)(total, unit)


@contextmanager
def progress_line(name: str, quiet: bool = False) -> Iterator[None]:
    """Says on a terminal, while a block runs that takes more than TERMINAL_AFTER_S, how much of it is done and how long
    the rest takes, by the `steps` inside. The line is erased at the end.

    Args:
        name: what is done, as "comparing".
        quiet: says nothing.
    """
    if quiet or not is_terminal() or _current.get() is not None:
        yield
        return
    line = _Line(name)
    token = _current.set(line)
    try:
        with line:
            yield
    finally:
        _current.reset(token)


@contextmanager
def steps(total: int) -> Iterator[Callable[[], None]]:
    """Says that what is at work now has so many steps, and gives a function to call after each. Steps inside a step are
    parts of it. Without a line, and in other threads than that of the line, it does nothing.

    Args:
        total: the number of steps.
    """
    line = _current.get()
    if line is None or not total:
        yield _nothing
        return
    with line.level(total) as done:
        yield done


@contextmanager
def part(share: float) -> Iterator[None]:
    """Says that what is done inside is about this share of the step that is at work, or of the part around it.

    Args:
        share: above 0, at most 1; those of one step should add to 1.
    """
    line = _current.get()
    if line is None:
        yield
        return
    with line.part(share):
        yield


@contextmanager
def steps_of_part(total: int) -> Iterator[Callable[[], None]]:
    """As `steps`, of a `part` that is at work; outside of any it does nothing."""
    line = _current.get()
    if line is None or not line.in_part:
        yield _nothing
        return
    with line.level(total) as done:
        yield done


def is_terminal() -> bool:
    """Whether a line on stderr can be written anew."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def eta(spent_s: float, done: float, left: float) -> str:
    """The time that the amount `left` takes where the amount `done` took `spent_s` seconds, as "0:01:30"; "0:00:00"
    where nothing is done yet."""
    return str(timedelta(seconds=round(spent_s * left / done if done > 0 else 0.0)))


def terminal_bar(name: str, total: float, *, counted: bool) -> Progress:
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
def _counted_line(total: int, unit: str) -> Iterator[Callable[[], None]]:
    with progress_line(unit), steps(total) as tick:
        yield tick


def _rate(spent_s: float, done: int, total: int) -> str:
    return f"{done / max(spent_s, 1e-9):.1f}/s, ETA {eta(spent_s, done, total - done)}"


def _nothing() -> None:
    """A step of which nobody is told."""


@dataclass
class _Level:
    """Steps of a step.

    Args:
        total: how many there are.
        scale: how much of the step around them they are.
        done: how many are done.
        begun: how much of the next one is done, by its parts.
    """

    total: int
    scale: float
    done: int = 0
    begun: float = 0.0


class _Line:
    """One line on a terminal, painted by a thread of its own, which sleeps in between.

    Args:
        name: of the job.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._levels: list[_Level] = []  # outermost first
        self._scale = 1.0  # of the part that is at work, in steps of the last level
        self.in_part = False
        self._reached = 0.0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._begun = time.monotonic()
        self._painter = threading.Thread(target=self._paint, name="riqa-progress", daemon=True)

    def __enter__(self) -> None:
        self._painter.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._painter.join()

    @contextmanager
    def level(self, total: int) -> Iterator[Callable[[], None]]:
        """Steps of the step that is at work."""
        own, before = _Level(total, self._scale), (self._scale, self.in_part)

        def done() -> None:
            with self._lock:
                own.done, own.begun = min(own.done + 1, total), 0.0
                self._reached = max(self._reached, self._share())

        with self._lock:
            self._levels.append(own)
            self._scale, self.in_part = 1.0, False
        try:
            yield done
        finally:
            with self._lock:
                self._scale, self.in_part = before
                if len(self._levels) > 1:  # what the whole was counted in stays to be seen
                    self._levels.pop()

    @contextmanager
    def part(self, share: float) -> Iterator[None]:
        """A share of the step that is at work."""
        if not self._levels:
            yield
            return
        own, before = self._levels[-1], (self._scale, self.in_part)
        end = own.begun + share * self._scale
        self._scale, self.in_part = share * self._scale, True
        try:
            yield
        finally:
            with self._lock:
                self._scale, self.in_part = before
                own.begun = end
                self._reached = max(self._reached, self._share())

    def text(self, now: float) -> str:
        """What the line says at a time of `time.monotonic`."""
        with self._lock:
            whole = self._levels[0] if self._levels else _Level(1, 1.0)
            counted = f": {whole.done}/{whole.total}" if whole.total > 1 else ""
            reached = self._reached
        spent = now - self._begun
        if not reached:
            return f"{self._name}{counted}, {spent:.0f} s"
        return f"{self._name}{counted}, {reached:.0%}, ETA {eta(spent, reached, 1 - reached)}"

    def _share(self) -> float:
        """Share of the whole that is done, 0 to 1."""
        share, part = 0.0, 1.0
        for level in self._levels:
            part *= level.scale
            share += part * min(level.done + level.begun, level.total) / level.total
            part /= level.total
        return min(share, 1.0)

    def _paint(self) -> None:
        if self._ended.wait(TERMINAL_AFTER_S):
            return
        try:
            while True:
                _write("\r" + self.text(time.monotonic())[: _columns() - 1] + "\x1b[K")
                if self._ended.wait(_REPAINT_S):
                    break
            _write(_ERASED)
        except (OSError, ValueError):  # a terminal that is gone; the job goes on
            pass


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


_current: ContextVar[_Line | None] = ContextVar("riqa_progress", default=None)
