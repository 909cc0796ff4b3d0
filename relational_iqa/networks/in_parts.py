"""A large image in parts: steps of a network, each on blocks of its grids, on as many threads as torch may use.

What is in work at a time then fits the processor's cache, large tensors exist only where one step hands them to the
next, and every block runs on a thread of its own: torch's threads within one operation gain little, because most
operations wait for memory. A step is local, so a block with a margin of what the step reaches gives the numbers of the
whole image.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor

from distortion_engine.jobs.progress import steps_of_part

CELL_PX = 16
"""Blocks and margins are counted in cells of so many pixels, in which every grid has a whole number of values."""
BLOCK_CELLS = 48
"""Side of a block, by default."""
_STRIP_VALUES = 1 << 20
_LOOK_FIRST = 8  # every eighth value of the first row
_CHANNELS_LAST_FROM = 24  # channels of what goes on to 1x1 convolutions, which want them last in memory

Item = TypeVar("Item")
Found = TypeVar("Found")


def can_be_parted(x: Tensor) -> bool:
    """Whether steps may run on parts of `x`: on a CPU, where no gradient is wanted and nothing is traced."""
    if x.device.type != "cpu" or torch.is_grad_enabled():
        return False
    return not (torch.jit.is_tracing() or torch.compiler.is_compiling())


def in_parts(
    step: Callable[..., tuple[Tensor, ...]],
    inputs: Sequence[Tensor],
    per_cell: int,
    margin: int,
    side: int = BLOCK_CELLS,
    after: int | None = None,
) -> tuple[Tensor, ...]:
    """Applies a local step to one block of images after the other.

    Args:
        step: takes as many tensors as there are inputs and returns tensors on any of the grids. Beyond the border of a
            block it may make up what it likes, as far as the margin is wide.
        inputs: (b, c, _, _), on grids that have a whole number of values in a cell of 16 px.
        per_cell: values of the first input along the side of a cell.
        margin: how far the step reaches, in cells.
        side: of a block, in cells.
        after: how far the step reaches to the right and down; None for as far as to the left and up.

    Returns:
        What the step gives for the whole images.
    """
    if not can_be_parted(inputs[0]):
        return step(*inputs)
    rows, columns = (length // per_cell for length in inputs[0].shape[-2:])
    blocks = [
        Block(top, left, bottom, right, rows, columns, margin, margin if after is None else after)
        for top, bottom in _spans(rows, side)
        for left, right in _spans(columns, side)
    ]
    if len(blocks) == 1:
        return step(*inputs)
    whole: list[Tensor] = []
    lock = threading.Lock()

    def one(block: Block) -> None:
        found = step(*(block.outer_of(x) for x in inputs))
        with lock:
            if not whole:
                whole.extend(block.room_for(x) for x in found)
        for x, room in zip(found, whole, strict=True):
            block.put(x, room)

    for_each(one, blocks)
    return tuple(whole)


def each_once(function: Callable[[Tensor], Found], inputs: Sequence[Tensor]) -> list[Found]:
    """What a function gives for each of several tensors of one size; of equal ones the same object, computed once.
    What may not be parted is computed for each: finding out would take a device time, and leave a mark in a trace."""
    found: list[Found] = []
    for number, x in enumerate(inputs):
        same = next((k for k in range(number) if can_be_parted(x) and are_equal(inputs[k], x)), None)
        found.append(function(x) if same is None else found[same])
    return found


def are_equal(x: Tensor, y: Tensor) -> bool:
    """Whether tensors of one size hold the same, which is found out quickly where they do not."""
    if x is y:
        return True
    first = (..., slice(0, 1), slice(0, None, _LOOK_FIRST))
    return torch.equal(x[first], y[first]) and torch.equal(x, y)


def summed(function: Callable[..., tuple[Tensor, ...]], inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Sums over places, strip by strip: what is summed never exists as a whole.

    Args:
        function: takes as many tensors as there are inputs and returns sums over their places, (b, c) each.
        inputs: (_, c, h, w) on one grid.
    """
    rows = max(1, _STRIP_VALUES // (sum(x.shape[1] for x in inputs) * inputs[0].shape[-1]))
    height = inputs[0].shape[-2]
    if not can_be_parted(inputs[0]) or rows >= height:
        return function(*inputs)
    tops = range(0, height, rows)
    strips: dict[int, tuple[Tensor, ...]] = {}

    def one(top: int) -> None:
        strips[top] = function(*(x[..., top : top + rows, :] for x in inputs))

    for_each(one, tops)
    return tuple(torch.stack(parts).sum(0) for parts in zip(*(strips[top] for top in tops), strict=True))


@dataclass(frozen=True)
class Block:
    """A block of a grid of `rows` x `columns` cells, and the margin with which it is seen, cut at the borders: `before`
    to the left and above, `after` to the right and below."""

    top: int
    left: int
    bottom: int
    right: int
    rows: int
    columns: int
    before: int
    after: int

    def outer_of(self, x: Tensor) -> Tensor:
        """The values of the block with its margin."""
        per_cell = x.shape[-2] // self.rows
        top, left, bottom, right = (edge * per_cell for edge in self._outer())
        return x[..., top:bottom, left:right]

    def room_for(self, x: Tensor) -> Tensor:
        """Of what the step gives for the block with its margin: a tensor for the whole."""
        top, _, bottom, _ = self._outer()
        per_cell = x.shape[-2] // (bottom - top)
        size = (*x.shape[:-2], self.rows * per_cell, self.columns * per_cell)
        last = x.shape[1] >= _CHANNELS_LAST_FROM
        layout = torch.channels_last if last else torch.contiguous_format
        return torch.empty(size, dtype=x.dtype, device=x.device, memory_format=layout)

    def put(self, x: Tensor, whole: Tensor) -> None:
        """Puts what the step gives for the block with its margin to its place, without the margin."""
        per_cell = whole.shape[-2] // self.rows
        first, start, _, _ = self._outer()
        top, left, bottom, right = (edge * per_cell for edge in (self.top, self.left, self.bottom, self.right))
        y, x_start = first * per_cell, start * per_cell
        whole[..., top:bottom, left:right] = x[..., top - y : bottom - y, left - x_start : right - x_start]

    def _outer(self) -> tuple[int, int, int, int]:
        return (
            max(0, self.top - self.before),
            max(0, self.left - self.before),
            min(self.rows, self.bottom + self.after),
            min(self.columns, self.right + self.after),
        )


def _spans(length: int, side: int) -> Iterator[tuple[int, int]]:
    """Nearly equal spans of about `side`."""
    count = max(1, round(length / side))
    edges = [length * i // count for i in range(count + 1)]
    return zip(edges[:-1], edges[1:], strict=True)


def for_each(function: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Calls the function with every item, on as many threads as torch may use; in each, torch uses one.

    The first error is raised after what had begun has ended.
    """
    items = list(items)
    threads = torch.get_num_threads()
    if threads == 1 or len(items) == 1 or getattr(_here, "inside", False):
        with steps_of_part(len(items)) as done:
            for item in items:
                function(item)
                done()
        return
    state = _State.now()

    def on_worker(item: Item) -> None:
        with state.again():
            function(item)

    with steps_of_part(len(items)) as done:
        for _ in _workers(threads).map(on_worker, items):
            done()


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """What functions without arguments give, each called on a thread of its own, as `for_each` has them."""
    found: list[Any] = [None] * len(functions)

    def call(number: int) -> None:
        found[number] = functions[number]()

    for_each(call, range(len(functions)))
    return found


def begun(function: Callable[[], Found]) -> Callable[[], Found]:
    """Begins to call a function on one of the threads of `for_each`, and gives a function that waits for what it gives
    or raises. Where torch may use one thread only, it is called when it is asked for, at most once."""
    threads = torch.get_num_threads()
    if threads == 1 or getattr(_here, "inside", False):
        return cache(function)
    state = _State.now()

    def on_worker() -> Found:
        with state.again():
            return function()

    return _workers(threads).submit(on_worker).result


@dataclass(frozen=True)
class _State:
    """What torch keeps for each thread."""

    inference: bool
    grad: bool
    autocast: bool
    dtype: torch.dtype

    @staticmethod
    def now() -> _State:
        return _State(
            torch.is_inference_mode_enabled(),
            torch.is_grad_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.get_autocast_dtype("cpu"),
        )

    @contextmanager
    def again(self) -> Iterator[None]:
        """The same on another thread."""
        with (
            torch.inference_mode(self.inference),  # first: it changes whether gradients are wanted
            torch.set_grad_enabled(self.grad and not self.inference),
            torch.autocast("cpu", dtype=self.dtype, enabled=self.autocast),
        ):
            yield


_here = threading.local()
_pools: dict[int, ThreadPoolExecutor] = {}
_pools_lock = threading.Lock()


def _workers(threads: int) -> ThreadPoolExecutor:
    with _pools_lock:
        if threads not in _pools:
            _pools[threads] = _started(threads)
        return _pools[threads]


def _started(threads: int) -> ThreadPoolExecutor:
    """Threads on each of which torch uses one thread."""
    pool = ThreadPoolExecutor(threads, "riqa-part")
    all_there = threading.Barrier(threads)

    def begin(_: int) -> None:
        _here.inside = True
        torch.get_num_threads()  # what a thread begins with is set when this is first asked for, over what was set
        torch.set_num_threads(1)
        all_there.wait()

    for _ in pool.map(begin, range(threads)):
        pass
    torch.set_num_threads(threads)  # what threads that begin later get: it was changed for them as well
    return pool


def _forget() -> None:
    """A child process has none of its parent's threads."""
    global _pools_lock
    _pools.clear()
    _pools_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
