"""The web page of `riqa serve` as an ASGI application: a form, and the same report (or a league table) as the answer.

Nothing stays on disk: uploads are held in memory and lie in a temporary folder only while they are decoded; results
stay a while, in memory and, large images, in temporary files that have no name. Needs the extra `[web]`
(starlette, python-multipart).
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.reading.file_facts import file_facts
from relational_iqa.report.html import render_page, render_report
from relational_iqa.report.league import render_league
from relational_iqa.report.link import NEW_COMPARISON, Link
from relational_iqa.results.league import play
from relational_iqa.version import __version__
from relational_iqa.web.limits import (
    IN_FLIGHT_REQUESTS,
    KEEP_MINUTES,
    LOCAL_HOSTS,
    MAX_IMAGES,
    MAX_MB,
    MAX_WEB_PIXELS,
)
from relational_iqa.web.openapi import openapi
from relational_iqa.web.results import HeldResults, Result
from relational_iqa.web.uploads import InFlight, Refused, Upload, decode, read_upload

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_FORM_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass
class _Site:
    """Model, limits, bytes in flight and the results still held. One comparison at a time: the model takes all cores
    anyway. Whoever waits for its turn takes no thread, so that what is finished can be opened."""

    model: Any
    max_mb: float
    max_pixels: int
    results: HeldResults = field(default_factory=HeldResults)
    work: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.in_flight = InFlight(IN_FLIGHT_REQUESTS * self.max_bytes)

    @property
    def max_bytes(self) -> int:
        return round(self.max_mb * 1e6)

    def form(self, error: str = "", align: str = "", status: int = 200) -> Response:
        page = render_page(
            "upload.html.j2", error=error, align=align, max_mb=self.max_mb, max_bytes=self.max_bytes,
            max_images=MAX_IMAGES, keep_minutes=KEEP_MINUTES,
        )  # fmt: skip
        return HTMLResponse(page, status, {**_HEADERS, "Content-Security-Policy": _FORM_POLICY})

    async def start(self, request: Request) -> Response:
        return self.form()

    async def health(self, request: Request) -> Response:
        """That the program answers, with the weights that it has loaded; for the health check of a container."""
        meta = self.model.meta
        facts = {"version": __version__, "weights": meta.get("name"), "weights_sha256": meta.get("sha256")}
        return JSONResponse({"status": "ok", **facts}, 200, _HEADERS)

    async def compare(self, request: Request) -> Response:
        wants_json, align = _wants_json(request), ""
        try:
            if request.query_params.get("format", "json") not in ("json", "html"):
                raise Refused(400, f"?format={request.query_params['format']}: this page gives json or html.")
            with self.in_flight.share() as share:
                upload = await read_upload(request, self.max_bytes, share)
                align = upload.align or ""
                token = await self._answer(request, upload)
        except ClientDisconnect:  # a closed tab: nobody reads this
            return Response(status_code=400)
        except Refused as error:
            if wants_json:
                return JSONResponse({"error": str(error)}, error.status, _HEADERS)
            return self.form(str(error), align, error.status)
        address = f"/result/{token}"
        if not wants_json:
            return RedirectResponse(address, 303)
        held = self.results.get(token)
        return JSONResponse({"address": address, **({} if held is None else held.answer)}, headers=_HEADERS)

    async def _answer(self, request: Request, upload: Upload) -> str:
        """Waits for its turn and compares; returns the token of the result. Raises Refused, ClientDisconnect."""
        token, client = secrets.token_urlsafe(12), request.client.host if request.client else ""
        async with self.work:
            if await request.is_disconnected():
                raise ClientDisconnect
            self.results.add(token, await run_in_threadpool(self._compared, upload, token, client))
        return token

    def _compared(self, upload: Upload, token: str, client: str) -> Result:
        """Decodes, compares, renders the first page. Raises Refused."""
        try:
            images, count = decode(upload, self.max_pixels), len(upload.images)
            facts = [file_facts(name, content) for name, content in upload.files]
            names = [name for name, _ in upload.images]
            if len(set(names)) < count:
                names = [f"{number}. {name}" for number, name in enumerate(names, start=1)]
            result = Result(client, names, images[:count], None if upload.reference is None else images[count], facts)
            result.pages[""] = self._first_page(result, token).encode()
        except (ImageError, UsageError) as error:
            raise Refused(422, " ".join(str(error).split())) from error
        except MemoryError as error:
            raise Refused(413, "These images need more memory than there is; choose smaller ones.") from error
        if count == 2:
            result.images, result.reference = [], None
        return result

    def _first_page(self, result: Result, token: str) -> str:
        count = len(result.images)
        if count == 2:
            return self._pair_page(result, 0, 1, NEW_COMPARISON, keep=True)
        league = play(self.model, result.images, result.names, result.reference)
        result.answer = {"ranking": league.to_json()}
        links = {(i, j): f"/result/{token}/{i}-{j}" for i in range(count) for j in range(count) if i != j}
        files = result.files[:count]
        reference_file = result.files[count] if len(result.files) > count else None
        return render_league(
            league, result.images, result.reference, files=files, reference_file=reference_file, links=links,
            back=NEW_COMPARISON, command="riqa serve",
        )  # fmt: skip

    def _pair_page(self, result: Result, i: int, j: int, back: Link, keep: bool = False) -> str:
        a, b = result.images[i], result.images[j]
        compared = self.model.compare(a, b, reference=result.reference, names=(result.names[i], result.names[j]))
        if keep:
            result.answer = {"comparison": compared.to_json()}
        files = [result.files[i], result.files[j], *result.files[len(result.names) :]]
        return render_report(compared, a, b, result.reference, command="riqa serve", back=back, files=files)

    async def result(self, request: Request) -> Response:
        held = self.results.get(request.path_params["token"])
        return self._gone() if held is None else HTMLResponse(held.pages[""], 200, _HEADERS)

    async def pair(self, request: Request) -> Response:
        """The report of a pair, rendered when it is asked for first, in its turn."""
        token, i, j = (request.path_params[name] for name in ("token", "i", "j"))
        held = self.results.get(token)
        if held is None:
            return self._gone()
        if i == j or max(i, j) >= len(held.images):
            return self.form("There is no such pair in this result.", status=404)
        key = f"{i}-{j}"
        if key not in held.pages:
            async with self.work:
                if await request.is_disconnected():
                    return Response(status_code=400)
                if key not in held.pages:
                    league = Link(f"/result/{token}", "Back to the league table")
                    page = await run_in_threadpool(self._pair_page, held, i, j, league)
                    held.pages[key] = page.encode()
                    self.results.make_room()
        return HTMLResponse(held.pages[key], 200, _HEADERS)

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(openapi(self.max_mb, self.max_pixels), headers=_HEADERS)

    def _gone(self) -> Response:
        return self.form("This result is no longer held; send the images again.", status=404)

    async def unknown(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        what = "There is no such page." if status == 404 else "This is not how the page is used."
        if _wants_json(request):
            answer: Response = JSONResponse({"error": what}, status, _HEADERS)
        else:
            answer = self.form(f"{what} Choose images here.", status=status)
        answer.headers.update((isinstance(error, HTTPException) and error.headers) or {})  # Allow, of 405
        return answer


def _wants_json(request: Request) -> bool:
    """Whether a program asks, not a person."""
    asked = request.query_params.get("format", "")
    return asked == "json" or (asked != "html" and "application/json" in request.headers.get("accept", ""))


def create_app(
    model: Any, max_mb: float = MAX_MB, max_pixels: int = MAX_WEB_PIXELS, hosts: Sequence[str] = LOCAL_HOSTS
) -> Starlette:
    """The web application.

    Args:
        model: a RelationalIQA.
        max_mb: largest size of a request, MB.
        max_pixels: largest width x height of an image.
        hosts: host names that are answered, "*" for any. They keep other sites from reading results by pointing a name
            of their own to this machine.
    """
    site = _Site(model, max_mb, max_pixels)
    routes = [
        Route("/", site.start),
        Route("/health", site.health),
        Route("/compare", site.compare, methods=["POST"]),
        Route("/openapi.json", site.openapi),
        Route("/result/{token}", site.result),
        Route("/result/{token}/{i:int}-{j:int}", site.pair),
    ]
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    return Starlette(routes=routes, middleware=[guard], exception_handlers={HTTPException: site.unknown})
