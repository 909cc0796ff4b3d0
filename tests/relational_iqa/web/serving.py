"""The web page on a real port, and requests byte by byte."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from relational_iqa.commands import serve
from relational_iqa.web.connections import Connection, make_server


@contextmanager
def served(app: Any, protocol: type[Connection] = Connection) -> Iterator[int]:
    """The port at which a thread serves `app`."""
    listening = serve.listen("127.0.0.1", 0)
    server = make_server(app, protocol)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
        assert not thread.is_alive()


def form(files: Sequence[tuple[str, bytes]]) -> bytes:
    """A whole request that sends images from the page."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="images"; filename="{name}"\r\n\r\n'.encode() + content
        for name, content in files
    ]
    body = b"\r\n".join([*parts, b"--x--\r\n"])
    return head(len(body)) + body


def head(length: int) -> bytes:
    """The beginning of a request with a body of this length."""
    kind = "multipart/form-data; boundary=x"
    return (
        f"POST /compare HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nAccept: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


@contextmanager
def connected(port: int, request: bytes = b"", timeout_s: float = 20.0) -> Iterator[socket.socket]:
    """A connection on which `request` was sent."""
    with socket.create_connection(("127.0.0.1", port), timeout_s) as opened:
        opened.sendall(request)
        yield opened


def answer(opened: socket.socket) -> bytes:
    """The next answer on a connection, whole."""
    taken = b""
    while b"\r\n\r\n" not in taken:
        taken += _more(opened)
    start, _, body = taken.partition(b"\r\n\r\n")
    (length,) = (int(line.split(b":")[1]) for line in start.split(b"\r\n") if line.startswith(b"content-length"))
    while len(body) < length:
        body += _more(opened)
    return start + b"\r\n\r\n" + body


def _more(opened: socket.socket) -> bytes:
    part = opened.recv(1 << 16)
    assert part, "the connection was closed"
    return part


def get(port: int, path: str = "/") -> bytes:
    """The whole answer to a request for a page."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    with connected(port, request) as opened:
        return rest(opened)


def rest(opened: socket.socket) -> bytes:
    """What comes until the other side closes the connection; b"" where it does so without a word."""
    taken = b""
    try:
        while part := opened.recv(1 << 16):
            taken += part
    except ConnectionResetError:
        pass
    return taken
