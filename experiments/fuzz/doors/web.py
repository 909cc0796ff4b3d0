"""Requests to the page of `riqa serve`: hostile heads, forms, file names and images, whole or cut off."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

from experiments.fuzz.door import Case, Door, refuse
from experiments.fuzz.doors.images import samples
from experiments.fuzz.doors.inputs import damaged_bytes, images
from experiments.fuzz.mutate import mutant

_PATIENCE_S = 60
_NAMES = (
    "a.png",
    "",
    "../../etc/passwd",
    "a\\b.png",
    'a".png',
    "\u202egnp",
    "x" * 5000,
    "<script>",
    "a\x00b",
    "\udcff",
    "%00",
    "CON",
    ".",
    "/",
)
_HEADERS = (
    "Content-Length: 0", "Content-Length: -1", "Content-Length: 99999999999999999999", "Content-Length: 5, 5",
    "Content-Length: \u0661", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Expect: 100-continue",
    "Expect: x", "Upgrade: websocket\r\nConnection: Upgrade", "Upgrade: h2c", "Connection: close",
    "Host: evil.example", "Host: 127.0.0.1", "Origin: null", "Origin: http://[", "Origin: \xff",
    "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin", "Accept: application/json", "Accept: \xff",
    "Cookie: " + "x" * 9000, "X: " + "y" * 70000, "X" * 3000 + ": y", "Range: bytes=0-", "Content-Encoding: gzip",
    "Content-Type: text/plain", "Content-Type: multipart/form-data", "Content-Type: multipart/form-data; boundary=",
    "Content-Type: multipart/form-data; boundary=" + "b" * 300,
    "Content-Type: multipart/form-data; boundary=x; charset=hex",
    "Content-Type: multipart/form-data; boundary=x; charset=idna", "Content-Type: multipart/form-data; boundary=\xff",
    " folded", ": no name", "Content-Type", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: evil",
)  # fmt: skip
_PATHS = (
    "/", "/compare", "/result/x", "/result/x/0-1", "/result/x/99999999999999999999-1", "/result//", "/%2e%2e/",
    "/%ff", "/\xff", "*", "//evil", "http://evil/", "/?" + "a" * 5000, "/" + "a" * 60000, "/result/%00",
    "/result/x/1-", "/compare?x=%s", "/favicon.ico", "", "/#a",
)  # fmt: skip
_METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "CONNECT", "TRACE", "get", "", "P" * 3000, "\xff")


def _form(
    files: Sequence[tuple[str, str, bytes]], fields: Sequence[tuple[str, str]] = (), end: bytes = b"--x--\r\n"
) -> bytes:
    out = b""
    for field, name, content in files:
        out += f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode(
            "utf-8", "surrogateescape"
        )
        out += content + b"\r\n"
    for field, value in fields:
        out += f'--x\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode(
            "utf-8", "surrogateescape"
        )
    return out + end


def _request(
    body: bytes, headers: Sequence[str] = (), method: str = "POST", path: str = "/compare", length: int | None = None
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: multipart/form-data; boundary=x",
             f"Content-Length: {len(body) if length is None else length}", *headers]  # fmt: skip
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


def _pair() -> bytes:
    return _form([("images", name, content) for name, content in images().items()], [("align", "resize")])


def _whole() -> Case:
    return Case("whole", {"request": _request(_pair())}, ["request"])


def _make(rng: random.Random) -> Case:
    return Case(*rng.choices((_images, _names, _head, _body, _raw), (3, 2, 4, 3, 2))[0](rng), ["request"])


def _images(rng: random.Random) -> tuple[str, dict[str, bytes]]:
    kinds, sample, data = mutant(rng, samples())
    files = [("images", "a.png", images()["a.png"]), ("images", "b", data), ("reference", "r", images()["b.png"])]
    rng.shuffle(files)
    return f"{sample.name}: {kinds}", {"request": _request(_form(files[: rng.choice((2, 3))], [("align", "crop")]))}


def _names(rng: random.Random) -> tuple[str, dict[str, bytes]]:
    fields = [
        (rng.choice(("align", "images", "reference", "", "x")), rng.choice(_NAMES)) for _ in range(rng.randrange(7))
    ]
    content = list(images().values())
    kinds = ("images", "images", "images", "reference", "align", "")
    number = rng.choice((0, 1, 2, 3, 16))
    files = [(rng.choice(kinds), rng.choice(_NAMES), rng.choice(content)) for _ in range(number)]
    return f"{[name[:20] for _, name, _ in files]}, {fields}"[:300], {"request": _request(_form(files, fields))}


def _head(rng: random.Random) -> tuple[str, dict[str, bytes]]:
    headers = rng.sample(_HEADERS, k=rng.choice((1, 1, 2, 3)))
    method = rng.choice(_METHODS) if rng.random() < 0.3 else rng.choice(("GET", "POST"))
    path = rng.choice(_PATHS) if rng.random() < 0.6 else "/compare"
    length = rng.choice((None, None, None, 0, 10, 10**9))
    return f"{method[:20]} {path[:20]} {[each[:40] for each in headers]} {length}", {
        "request": _request(_pair(), headers, method, path, length)
    }


def _body(rng: random.Random) -> tuple[str, dict[str, bytes]]:
    kind, body = damaged_bytes(rng, _pair())
    return f"body: {kind}", {"request": _request(body)}


def _raw(rng: random.Random) -> tuple[str, dict[str, bytes]]:
    kind, request = damaged_bytes(rng, _request(_pair()))
    return f"request: {kind}", {"request": request}


def ask(arguments: Sequence[str]) -> int:
    """Serves the page, sends the bytes of a file to it and leaves; then the page must still answer.

    Returns 0 for an answer, or none, to a request that never ended; 2 for a refusal. Raises RuntimeError for status 500
    and for a page that is not served any more.
    """
    import relational_iqa
    from relational_iqa.commands.serve import listen
    from relational_iqa.web.app import create_app
    from relational_iqa.web.connections import make_server

    listening = listen("127.0.0.1", 0)
    server = make_server(create_app(relational_iqa.load("riqa-small"), max_mb=1.0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    port = listening.getsockname()[1]
    status = _status(port, Path(arguments[0]).read_bytes())
    after = _status(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    server.should_exit = True
    thread.join(_PATIENCE_S)
    if status >= 500 and status != 503 or after != 200 or thread.is_alive():
        raise RuntimeError(f"status {status}, then {after}; {'does not end' if thread.is_alive() else 'ended'}")
    if os.fstat(2).st_size:
        raise RuntimeError("the server wrote to stderr")
    return 0 if status < 400 else refuse(ValueError(f"status {status}"))


def _status(port: int, request: bytes) -> int:
    """Status of the answer, 0 where there is none after the request was sent and its sending half was closed."""
    answer = b""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), _PATIENCE_S) as opened:
        opened.sendall(request)
        opened.shutdown(socket.SHUT_WR)
        while b"\r\n" not in answer and (part := opened.recv(1 << 12)):
            answer += part
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


DOOR = Door("web", _whole, _make, ask)
