"""The web page of `riqa serve` as an ASGI application: a form, and the same report (or a league table) as the answer.

Nothing stays on disk: uploads are held in memory and lie in a temporary folder only while they are decoded; results
stay a while, a few of them, in memory and, large images, in temporary files that have no name. Needs the extra `[web]`
(starlette, python-multipart).
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from distortion_engine.errors import ImageError, UsageError
from relational_iqa.report.html import render_page, render_report
from relational_iqa.report.league import render_league
from relational_iqa.results.league import play
from relational_iqa.tiling.stored_image import StoredImage
from relational_iqa.web.limits import KEEP_MINUTES, KEEP_RESULTS, LOCAL_HOSTS, MAX_IMAGES, MAX_MB, MAX_WEB_PIXELS
from relational_iqa.web.uploads import Refused, Upload, decode, read_upload

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_FORM_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass
class _Result:
    """What the links of one answer need: images of one size, names, pages already rendered."""

    images: list[StoredImage]
    names: list[str]
    reference: StoredImage | None
    born: float = field(default_factory=time.monotonic)
    pages: dict[str, str] = field(default_factory=dict)


@dataclass
class _Site:
    """Model, limits and the results still held. One comparison at a time: the model takes all cores anyway."""

    model: Any
    max_mb: float
    max_pixels: int
    results: "OrderedDict[str, _Result]" = field(default_factory=OrderedDict)
    work: threading.Lock = field(default_factory=threading.Lock)

    @property
    def max_bytes(self) -> int:
        return round(self.max_mb * 1e6)

    def form(self, error: str = "", align: str = "", status: int = 200) -> Response:
        page = render_page(
            "upload.html.j2", error=error, align=align, max_mb=self.max_mb, max_bytes=self.max_bytes,
            max_images=MAX_IMAGES, keep_minutes=KEEP_MINUTES, keep_results=KEEP_RESULTS,
        )  # fmt: skip
        return HTMLResponse(page, status, {**_HEADERS, "Content-Security-Policy": _FORM_POLICY})

    async def start(self, request: Request) -> Response:
        return self.form()

    async def compare(self, request: Request) -> Response:
        wants_json = "application/json" in request.headers.get("accept", "")
        align = ""
        try:
            upload = await read_upload(request, self.max_bytes)
            align = upload.align or ""
            token = await run_in_threadpool(self._answer, upload)
        except Refused as error:
            if wants_json:
                return JSONResponse({"error": str(error)}, error.status, _HEADERS)
            return self.form(str(error), align, error.status)
        address = f"/result/{token}"
        return JSONResponse({"address": address}) if wants_json else RedirectResponse(address, 303)

    def _answer(self, upload: Upload) -> str:
        """Decode, compare, render; returns the token of the result. Raises Refused."""
        with self.work:
            try:
                token, result = secrets.token_urlsafe(12), self._compared(upload)
                result.pages[""] = self._first_page(result, token)
            except (ImageError, UsageError) as error:
                raise Refused(422, " ".join(str(error).split())) from error
            except MemoryError as error:
                raise Refused(413, "These images need more memory than there is; choose smaller ones.") from error
            self._forget()
            self.results[token] = result
            while len(self.results) > KEEP_RESULTS:
                self.results.popitem(last=False)
            return token

    def _compared(self, upload: Upload) -> _Result:
        images, count = decode(upload, self.max_pixels), len(upload.images)
        names = [name for name, _ in upload.images]
        if len(set(names)) < count:
            names = [f"{number}. {name}" for number, name in enumerate(names, start=1)]
        return _Result(images[:count], names, None if upload.reference is None else images[count])

    def _first_page(self, result: _Result, token: str) -> str:
        count = len(result.images)
        if count == 2:
            return self._pair_page(result, 0, 1, "/")
        league = play(self.model, result.images, result.names, result.reference)
        links = {(i, j): f"/result/{token}/{i}-{j}" for i in range(count) for j in range(count) if i != j}
        return render_league(league, links, back="/")

    def _pair_page(self, result: _Result, i: int, j: int, back: str) -> str:
        a, b = result.images[i], result.images[j]
        compared = self.model.compare(a, b, reference=result.reference, names=(result.names[i], result.names[j]))
        return render_report(compared, a, b, result.reference, command="riqa serve", back=back)

    def _forget(self) -> None:
        old = time.monotonic() - 60 * KEEP_MINUTES
        for token in [token for token, result in self.results.items() if result.born < old]:
            del self.results[token]

    async def result(self, request: Request) -> Response:
        return await run_in_threadpool(self._page, request.path_params["token"], None)

    async def pair(self, request: Request) -> Response:
        indices = (request.path_params["i"], request.path_params["j"])
        return await run_in_threadpool(self._page, request.path_params["token"], indices)

    def _page(self, token: str, indices: tuple[int, int] | None) -> Response:
        with self.work:
            self._forget()
            result = self.results.get(token)
            if result is None:
                return self.form("This result is no longer held; send the images again.", status=404)
            if indices is None:
                return HTMLResponse(result.pages[""], 200, _HEADERS)
            i, j = indices
            if i == j or max(i, j) >= len(result.images):
                return self.form("There is no such pair in this result.", status=404)
            key = f"{i}-{j}"
            if key not in result.pages:
                result.pages[key] = self._pair_page(result, i, j, f"/result/{token}")
            return HTMLResponse(result.pages[key], 200, _HEADERS)

    async def unknown(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        what = "There is no such page." if status == 404 else "This is not how the page is used."
        return self.form(f"{what} Choose images here.", status=status)


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
        Route("/compare", site.compare, methods=["POST"]),
        Route("/result/{token}", site.result),
        Route("/result/{token}/{i:int}-{j:int}", site.pair),
    ]
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    return Starlette(routes=routes, middleware=[guard], exception_handlers={HTTPException: site.unknown})
