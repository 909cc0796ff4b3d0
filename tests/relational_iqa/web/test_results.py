"""Which results of the web page are held, for how long and for whom."""

from typing import Any

import pytest
from torch import zeros

from relational_iqa.tiling.stored_image import open_image
from relational_iqa.web import results
from relational_iqa.web.results import HeldResults, Result


def result(client: str, megabytes: int = 1) -> Result:
    return Result(client, [], [], None, [], {"": bytes(1_000_000 * megabytes)})


def test_pages_and_images_count() -> None:
    image = open_image(zeros(3, 20, 30))
    assert Result("a", [], [image, image], image, [], {"": bytes(7), "0-1": bytes(5)}).nbytes == 3 * 3 * 600 + 12


def test_whoever_holds_most_gives_up_the_oldest_and_others_keep_theirs() -> None:
    held = HeldResults(max_bytes=4e6)
    for token, client in (("a1", "a"), ("b1", "b"), ("b2", "b"), ("b3", "b"), ("b4", "b"), ("c1", "c")):
        held.add(token, result(client))
    assert [token for token in ("a1", "b1", "b2", "b3", "b4", "c1") if held.get(token)] == ["a1", "b3", "b4", "c1"]


def test_the_newest_is_held_where_it_alone_is_larger_than_the_room() -> None:
    held = HeldResults(max_bytes=2e6)
    held.add("small", result("a"))
    held.add("large", result("b", 3))
    assert held.get("large") and not held.get("small")


def test_pages_that_come_later_make_room_too() -> None:
    held = HeldResults(max_bytes=3e6)
    first, second = result("a"), result("a")
    held.add("first", first)
    held.add("second", second)
    second.pages["0-1"] = bytes(2_000_000)
    held.make_room()
    assert held.get("second") and not held.get("first")


def test_old_results_go(monkeypatch: pytest.MonkeyPatch) -> None:
    held = HeldResults(minutes=1)
    now: Any = 1000.0
    monkeypatch.setattr(results.time, "monotonic", lambda: now)
    held.add("token", result("a"))
    now += 59
    assert held.get("token")
    now += 2
    assert held.get("token") is None
