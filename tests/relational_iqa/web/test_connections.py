"""riqa serve on a real port: who waits, who is too slow, who leaves."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from torch import Tensor

from distortion_engine.reading.image_io import encode_lossless, to_uint8
from relational_iqa.web import app as web
from relational_iqa.web.connections import Connection
from relational_iqa.web.limits import PATIENCE_S
from tests.relational_iqa.web.serving import answer, connected, form, get, head, rest, served

PART = head(250_000) + b'--x\r\nContent-Disposition: form-data; name="images"; filename="one.png"\r\n\r\n'
"""The beginning of a request."""


class Impatient(Connection):
    """Six connections, which may be slow for half a second. `lost` is set once one has ended."""

    most, patience_s = 6, 0.5
    lost = threading.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.set()


@pytest.fixture
def pair(versions: list[Tensor]) -> bytes:
    """A request that compares two images."""
    names = ("one.png", "two.png")
    return form([(name, encode_lossless(to_uint8(v), ".png")) for name, v in zip(names, versions[:2], strict=True)])


class Gate:
    """A model that compares only while its gate is open."""

    def __init__(self, model: Any) -> None:
        self.model, self.open, self.asked = model, threading.Event(), 0
        self.open.set()

    def compare(self, *images: Any, **options: Any) -> Any:
        self.asked += 1
        assert self.open.wait(20)
        return self.model.compare(*images, **options)


@pytest.fixture
def gate(random_model: Any) -> Iterator[Gate]:
    gate = Gate(random_model)
    yield gate
    gate.open.set()


def address_in(answer: bytes) -> str:
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["address"])


def until(done: Any) -> None:
    limit = time.monotonic() + 20
    while not done():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_finished_result_opens_while_many_others_wait_for_theirs(gate: Gate, pair: bytes) -> None:
    with served(web.create_app(gate)) as port, ExitStack() as waiting:
        with connected(port, pair) as opened:
            finished = address_in(answer(opened))
        gate.open.clear()
        others = [waiting.enter_context(connected(port, pair)) for _ in range(50)]  # more than a pool has threads
        until(lambda: gate.asked == 2)
        assert b" 200 OK" in get(port, finished) and b" 200 OK" in get(port)
        gate.open.set()
        assert b" 200 OK" in get(port, address_in(answer(others[0])))


def test_a_request_whose_sender_left_is_not_computed_and_leaves_no_trace(
    gate: Gate, pair: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(web.create_app(gate)) as port:
        gate.open.clear()
        with connected(port, pair):
            until(lambda: gate.asked == 1)
        for cut in (pair[:20], pair[:-10], pair):  # within the head, within an image, before its turn
            with connected(port, cut):
                pass
        until(lambda: b" 200 OK" in get(port))
        gate.open.set()
        with connected(port, pair) as opened:
            address_in(answer(opened))
        assert gate.asked == 2
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_does_not_wait_for_who_still_sends(random_model: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with served(web.create_app(random_model)) as port, connected(port, head(1000)) as opened:
        get(port)
        opened.settimeout(0.1)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            opened.recv(1)
    assert time.monotonic() - begun < PATIENCE_S / 2 and capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", head(1000), head(1000) + b"--x\r\n"])
def test_a_request_that_does_not_go_on_is_closed(random_model: Any, sent: bytes) -> None:
    with served(web.create_app(random_model), Impatient) as port, connected(port, sent) as opened:
        assert rest(opened) == b""


def test_a_byte_now_and_then_is_too_slow(random_model: Any) -> None:
    with served(web.create_app(random_model), Impatient) as port, connected(port, PART) as opened:
        opened.settimeout(0.05)
        for _ in range(100):
            try:
                opened.sendall(b"-")
                if opened.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            raise AssertionError("the connection is still open after 5 s")


def test_an_answer_that_nobody_takes_is_dropped() -> None:
    sent = threading.Event()

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(50_000_000)})
        sent.set()

    Impatient.lost.clear()
    with served(large, Impatient) as port, connected(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") as opened:
        assert sent.wait(20) and Impatient.lost.wait(20)  # nothing is read here
        assert len(rest(opened)) < 50_000_000


def test_who_waits_for_a_comparison_is_not_too_slow(gate: Gate, pair: bytes) -> None:
    gate.open.clear()
    with served(web.create_app(gate), Impatient) as port, connected(port, pair) as opened:
        time.sleep(1.5)
        gate.open.set()
        assert address_in(answer(opened))


def test_stalled_connections_give_their_places_to_new_ones(random_model: Any) -> None:
    class Patient(Connection):
        most = 6

    with served(web.create_app(random_model), Patient) as port, ExitStack() as stalled:
        for number in range(6):
            stalled.enter_context(connected(port, (b"GET / HT", head(1000))[number % 2]))
        time.sleep(1.2)  # from one second on, who sends nothing lags
        assert [b" 200 OK" in get(port) for _ in range(3)] == [True] * 3


def test_beyond_so_many_connections_that_wait_for_an_answer_new_ones_are_told(gate: Gate, pair: bytes) -> None:
    gate.open.clear()
    with served(web.create_app(gate), Impatient) as port, ExitStack() as waiting:
        others = [waiting.enter_context(connected(port, pair)) for _ in range(6)]
        until(lambda: gate.asked == 1)
        until(lambda: b" 503 " in get(port))  # once all six have arrived
        gate.open.set()
        assert [b" 200 OK" in answer(other) for other in others] == [True] * 6


def test_bytes_on_their_way_are_bounded_all_together(gate: Gate, pair: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "IN_FLIGHT_REQUESTS", 1)
    gate.open.clear()
    with served(web.create_app(gate, max_mb=1.5 * len(pair) / 1e6)) as port, connected(port, pair) as first:
        until(lambda: gate.asked == 1)
        with connected(port, pair) as second:
            assert b" 503 " in (told := answer(second)) and b"Too many images are on their way" in told
        gate.open.set()
        assert address_in(answer(first))
        with connected(port, pair) as third:
            assert address_in(answer(third))


def test_a_form_without_its_end_is_no_form_of_fewer_images(random_model: Any, pair: bytes) -> None:
    body = pair.partition(b"\r\n\r\n")[2]
    cut = body.removesuffix(b"--\r\n") + body[3:-20]  # four images, of which the last breaks off
    with served(web.create_app(random_model)) as port, connected(port, head(len(cut)) + cut) as opened:
        assert b"breaks off" in answer(opened)
