"""The results that the web page still holds: for a while, and as far as there is room for all who use it."""

import time
from dataclasses import dataclass, field
from typing import Any

from distortion_engine.reading.file_facts import FileFacts
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.web.limits import KEEP_MB, KEEP_MINUTES


@dataclass
class Result:
    """What the links of one answer need.

    Args:
        client: address of who asked.
        names: of the images.
        images: all of one size; empty where every page is rendered.
        reference: of the size of the images; None without one.
        files: what is known of the files of images and, last, the reference.
        pages: UTF-8 HTML by what stands behind the token in its address: "" for the first page, "0-1" for a pair.
        born: `time.monotonic()` of its beginning.
        answer: what programs get, ready for JSON.
    """

    client: str
    names: list[str]
    images: list[StoredImage]
    reference: StoredImage | None
    files: list[FileFacts]
    pages: dict[str, bytes] = field(default_factory=dict)
    born: float = field(default_factory=lambda: time.monotonic())
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Of pages and images, as 8-bit samples, in memory or in temporary files."""
        images = [*self.images, *([] if self.reference is None else [self.reference])]
        return sum(map(len, self.pages.values())) + sum(3 * image.shape[1] * image.shape[2] for image in images)


class HeldResults:
    """Results by token, in the order in which they came. For one thread.

    Args:
        max_bytes: of all results together. Beyond it, the client who holds most gives up its oldest results, so that
            nobody's results go because somebody else sends many.
        minutes: how long a result is held.
    """

    def __init__(self, max_bytes: float = KEEP_MB * 1e6, minutes: float = KEEP_MINUTES) -> None:
        self._results: dict[str, Result] = {}
        self._max_bytes, self._seconds = max_bytes, 60 * minutes

    def add(self, token: str, result: Result) -> None:
        """Holds a result. It is held also where it alone is larger than the room."""
        self._results[token] = result
        self.make_room()

    def get(self, token: str) -> Result | None:
        """None for a token that is unknown, or no longer known."""
        self._forget_old()
        return self._results.get(token)

    def make_room(self) -> None:
        """Drops what is old and what there is no room for; the newest result stays."""
        self._forget_old()
        while len(self._results) > 1 and sum(result.nbytes for result in self._results.values()) > self._max_bytes:
            held: dict[str, int] = {}
            for result in self._results.values():
                held[result.client] = held.get(result.client, 0) + result.nbytes
            newest = next(reversed(self._results))
            others = [token for token in self._results if token != newest]
            del self._results[max(others, key=lambda token: held[self._results[token].client])]  # the first of several

    def _forget_old(self) -> None:
        old = time.monotonic() - self._seconds
        for token in [token for token, result in self._results.items() if result.born < old]:
            del self._results[token]
