"""Batches made ahead: the same, in the same order, and never more than a few."""

import time
from collections.abc import Iterator

import pytest

from relational_iqa.training.data.prefetch import DEPTH, Prefetched


def test_items_come_in_their_order_and_the_end_is_the_end() -> None:
    items = Prefetched(iter(range(20)))
    assert list(items) == list(range(20))
    with pytest.raises(StopIteration):
        next(items)
    items.close()


def test_an_exception_comes_where_its_item_would_have_come() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("disk")

    items = Prefetched(source())
    assert [next(items), next(items)] == [1, 2]
    for _ in range(2):
        with pytest.raises(OSError, match="disk"):
            next(items)
    items.close()


def test_only_a_few_are_made_ahead_and_closing_ends_the_thread() -> None:
    made = []

    def source() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    items = Prefetched(source())
    assert next(items) == 0
    time.sleep(0.2)
    assert len(made) <= DEPTH + 3
    items.close()
    assert not items._thread.is_alive()


def test_a_loop_does_not_wait_for_batches_that_are_made_while_it_works() -> None:
    def source() -> Iterator[int]:
        for number in range(8):
            time.sleep(0.03)
            yield number

    items, waited = Prefetched(source()), 0.0
    next(items)
    for _ in range(7):
        time.sleep(0.06)
        start = time.perf_counter()
        next(items)
        waited += time.perf_counter() - start
    assert waited < 0.05
    items.close()
