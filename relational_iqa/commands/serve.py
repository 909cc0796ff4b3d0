"""riqa serve: the comparison as a web page for people on this computer."""

import socket
from typing import Any

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import load_model

DEFAULT_HOST, DEFAULT_PORT, DEFAULT_MAX_MB = "127.0.0.1", 8000, 64.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    max_mb: float = DEFAULT_MAX_MB,
    weights: str | None = None,
    max_pixels: int | None = None,
) -> None:
    """A web page to drop images on; the answer is the report.

    Two images give the report of the pair, more a league table with a report for every pair. Nothing is kept on disk.
    Needs the extra [web].
    """
    try:
        import uvicorn

        from relational_iqa.web.app import LOCAL_HOSTS, MAX_WEB_PIXELS, create_app
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("uvicorn", "starlette", "python_multipart"):
            raise
        raise UsageError(
            f"riqa serve needs {error.name}: install the extra with pip install 'relational-iqa[web]'"
        ) from error

    listening = _listen(host, port)
    try:
        hosts = LOCAL_HOSTS if host in _LOOPBACK else ("*",)
        app = create_app(load_model(weights), max_mb, max_pixels or MAX_WEB_PIXELS, hosts)
        shown = f"[{host}]" if ":" in host else host
        print(f"serving on http://{shown}:{listening.getsockname()[1]} (Ctrl-C ends it)", flush=True)
        if host not in _LOOPBACK:
            print("anyone who reaches this computer can use it: there is no login", flush=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()


def _listen(host: str, port: int) -> Any:
    """A listening socket, or one line that says why there is none."""
    if port > 65535:
        raise UsageError(f"port {port}: expected 0 (any free one) to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"host {host!r} is not known ({error.strerror or error}); use 127.0.0.1") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        raise UsageError(
            f"port {port} of {host} cannot be used ({error.strerror or error}); choose another with --port"
        ) from error
    return listening


def add_options(parser: ArgumentParser) -> None:
    """The options of `serve`."""
    parser.add_argument(
        "--host", type=str, default=DEFAULT_HOST, metavar="H", help="address to listen on; 0.0.0.0 lets others in"
    )
    parser.add_argument("--port", type=NonNegativeInt, default=DEFAULT_PORT, metavar="P", help="0: any free one")
    parser.add_argument(
        "--max-mb", type=PositiveFloat, default=DEFAULT_MAX_MB, metavar="MB", help="largest upload, all files together"
    )
    parser.add_argument("--weights", type=str, metavar="W", help="other weights than the shipped ones")
    parser.add_argument("--max-pixels", type=PositiveInt, metavar="N", help="largest width x height to decode")
