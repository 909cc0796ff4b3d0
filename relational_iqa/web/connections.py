"""Connections of the web page: so many at once, and none that keeps the page waiting.

Someone who opens connections and sends a byte now and then ("slow loris"), or never takes the answer, would otherwise
hold memory and connections for ever.
"""

import asyncio
import logging
import socket
from typing import Any, Literal

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from relational_iqa.web.limits import MAX_CONNECTIONS, PATIENCE_S, SLOWEST_BYTES_S

_LOOKS = 4  # within the time of patience
_FULL = b"The page has no free connection; try again in a minute.\n"
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 60\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_FULL), _FULL)
)


class Connection(H11Protocol):
    """One connection, closed where the other side is slower than `slowest_bytes_s` for `patience_s` while a request or
    an answer is under way. Time in which the page computes does not count.

    Beyond `most` connections a new one takes the place of the one that has lagged longest with its request; where none
    lags, the new one is answered with status 503.
    """

    most = MAX_CONNECTIONS
    patience_s = PATIENCE_S
    slowest_bytes_s = SLOWEST_BYTES_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        full = len(self.connections) >= self.most and not self._take_a_place()
        super().connection_made(transport)
        self._received = 0
        self._start_window()
        self._next_look = self.loop.call_later(self.patience_s / _LOOKS, self._look)
        if full:
            transport.write(_REFUSAL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._next_look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._start_window()

    def send_400_response(self, msg: str) -> None:
        """The rest of a request is no HTTP: its connection ends, and nothing more is sent on it."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:  # its answer is under way already
            self.transport.abort()

    def shutdown(self) -> None:
        """Ctrl-C: whoever waits for an answer is left alone, since the result would not be held any more."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            super().shutdown()
        else:
            self.transport.abort()

    def _take_a_place(self) -> bool:
        places = [other for other in self.connections if isinstance(other, Connection) and other._lags()]
        if places:
            oldest = min(places, key=lambda other: other._since)
            self.connections.discard(oldest)
            oldest.transport.abort()
        return bool(places)

    def _lags(self) -> bool:
        """Whether its request is not there yet and comes slower than it must, if not for long."""
        elapsed = self.loop.time() - self._since
        waits = self._waits_for() == self._phase == "request"
        return waits and elapsed > 1 and self._progress() < elapsed * self.slowest_bytes_s

    def _waits_for(self) -> Literal["request", "answer taken", ""]:
        if self.transport.get_write_buffer_size():
            return "answer taken"
        return "request" if self.conn.their_state in (h11.IDLE, h11.SEND_BODY) else ""

    def _amount(self) -> int:
        return self._received if self._phase == "request" else -self.transport.get_write_buffer_size()

    def _progress(self) -> int:
        """Bytes since the window began."""
        return self._amount() - self._begun_at

    def _start_window(self) -> None:
        self._phase, self._since = self._waits_for(), self.loop.time()
        self._begun_at = self._amount()

    def _look(self) -> None:
        if self._waits_for() != self._phase or not self._phase:
            self._start_window()
        elif self._progress() >= self.patience_s * self.slowest_bytes_s:
            self._start_window()
        elif self.loop.time() - self._since >= self.patience_s:
            self.transport.abort()
            return
        self._next_look = self.loop.call_later(self.patience_s / _LOOKS, self._look)


def make_server(app: ASGIApp, protocol: type[Connection] = Connection) -> uvicorn.Server:
    """A server of the page on connections with limits; it prints nothing but faults of its own."""
    logging.getLogger("python_multipart").addHandler(logging.NullHandler())  # else it tells of every odd byte of a form
    options: dict[str, Any] = {"access_log": False, "server_header": False, "ws": "none", "lifespan": "off"}

    async def until_cancelled(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:  # the second Ctrl-C, after which nobody waits for an answer
            return

    return uvicorn.Server(uvicorn.Config(until_cancelled, http=protocol, log_level="error", **options))


def run_server(app: ASGIApp, listening: socket.socket) -> None:
    """Serves until Ctrl-C."""
    make_server(app).run(sockets=[listening])
