"""riqa serve: the comparison as a web page for people on this computer."""

import socket
from dataclasses import dataclass
from typing import Annotated

from distortion_engine.errors import UsageError
from relational_iqa.commands.common import load_system
from relational_iqa.commands.options import Metavar, NonNegativeInt, PositiveFloat
from relational_iqa.commands.shared_options import MaxPixelsOption, WeightsOption
from relational_iqa.web.limits import LOCAL_HOSTS, MAX_MB, MAX_WEB_PIXELS

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class ServeOptions(WeightsOption, MaxPixelsOption):
    """Options of `riqa serve`."""

    host: Annotated[str, Metavar("H")] = "127.0.0.1"
    """Address to listen on. The default lets this computer alone in; 0.0.0.0 lets others in, and there is no login."""
    port: Annotated[NonNegativeInt, Metavar("P")] = 8000
    """Port to listen on; 0 takes any free one."""
    max_mb: Annotated[PositiveFloat, Metavar("MB")] = MAX_MB
    """Largest upload in megabytes, all files together."""


def serve(options: ServeOptions) -> None:
    """A web page to drop images on; the answer is the report.

    Two images give the report of the pair, more a league table with a report for every pair. Nothing is kept on disk.
    Needs the extra [web].
    """
    try:
        from relational_iqa.web.app import create_app
        from relational_iqa.web.connections import run_server
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("uvicorn", "starlette", "python_multipart"):
            raise
        raise UsageError(
            f"riqa serve needs {error.name}: install the extra with pip install 'relational-iqa[web]'"
        ) from error

    host = options.host
    listening = listen(host, options.port)
    try:
        hosts = LOCAL_HOSTS if host in _LOOPBACK else ("*",)
        app = create_app(
            load_system("pixel_perfect", options.weights), options.max_mb, options.max_pixels or MAX_WEB_PIXELS, hosts
        )
        shown = f"[{host}]" if ":" in host else host
        print(f"serving on http://{shown}:{listening.getsockname()[1]} (Ctrl-C ends it)", flush=True)
        if host not in _LOOPBACK:
            print("anyone who reaches this computer can use it: there is no login", flush=True)
        run_server(app, listening)
    finally:
        listening.close()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageError for an unknown host, and for a port that is no port or is taken."""
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
