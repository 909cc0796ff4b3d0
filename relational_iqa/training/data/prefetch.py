"""The next batches made in the background while a step runs, so that the loop does not wait for them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

DEPTH = 2  # batches that lie ready
_POLL_S = 0.2


class Prefetched(Iterator[Any]):
    """The items of `source` in their order, up to `DEPTH` of them made ahead by one thread.

    `source` must not depend on global random state (batch n is a function of n alone) and is not used by anybody else
    from then on. An exception in it is raised where its item would have come. `close` ends the thread.
    """

    def __init__(self, source: Iterator[Any]) -> None:
        self._queue: queue.Queue[tuple[bool, Any]] = queue.Queue(DEPTH)
        self._closed = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._fill, args=(source,), daemon=True, name="batches")
        self._thread.start()

    def __next__(self) -> Any:
        if self._failure is not None:
            raise self._failure
        fine, item = self._queue.get()
        if not fine:
            self._failure = item
            raise item
        return item

    def close(self) -> None:
        """Ends the thread once the batch that it is making is done."""
        self._closed.set()
        self._thread.join()

    def _fill(self, source: Iterator[Any]) -> None:
        try:
            for item in source:
                if not self._put((True, item)):
                    return
            self._put((False, StopIteration()))
        except BaseException as error:  # noqa: BLE001 - handed to the loop, which raises it
            self._put((False, error))

    def _put(self, entry: tuple[bool, Any]) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(entry, timeout=_POLL_S)
                return True
            except queue.Full:
                continue
        return False
