"""What people send to `riqa serve`: read from the form within limits, decoded, and refused in one friendly line."""

import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from distortion_engine.errors import ImageError
from relational_iqa.tiling.aligned_images import align_images
from relational_iqa.tiling.stored_image import StoredImage, open_image
from relational_iqa.viewing.alignment import ALIGNMENTS
from relational_iqa.web.limits import MAX_IMAGES

FIELDS = ("images", "reference", "align")
"""Of the form."""
_BORDERS_BYTES = 100_000  # of the form itself: names and the lines between its parts


class Refused(Exception):
    """An upload that is not compared: HTTP status and one line for the person who sent it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Upload:
    """Files as (name, content), and what to do with sizes that differ."""

    images: list[tuple[str, bytes]]
    reference: tuple[str, bytes] | None
    align: str | None

    @property
    def files(self) -> list[tuple[str, bytes]]:
        """The images and, where there is one, the reference."""
        return [*self.images, *([] if self.reference is None else [self.reference])]


class InFlight:
    """Bytes of all requests that arrive or wait for their turn.

    Args:
        max_bytes: of all together.
    """

    def __init__(self, max_bytes: int) -> None:
        self.nbytes, self._max_bytes = 0, max_bytes

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """The share of one request, given back at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self.nbytes -= share.nbytes

    def fits(self, nbytes: int) -> bool:
        """Whether there is room for so many more."""
        return self.nbytes + nbytes <= self._max_bytes


class Share:
    """What one request holds of the bytes in flight."""

    def __init__(self, whole: InFlight) -> None:
        self.nbytes, self._whole = 0, whole

    def take(self, nbytes: int) -> bool:
        """Takes so many more bytes, if there is room for them."""
        if not self._whole.fits(nbytes):
            return False
        self.nbytes += nbytes
        self._whole.nbytes += nbytes
        return True


class _MemoryParser(MultiPartParser):
    """Keeps uploads in memory: the size of the whole request is limited, so no part needs to spill to disk."""

    spool_max_size = 1 << 62
    ended = False
    """Whether the last line of the form was there."""

    def on_end(self) -> None:
        self.ended = True

    def close(self) -> None:
        """Closes all files, also of parts that broke off."""
        for file in self._files_to_close_on_error:
            file.close()


async def read_upload(request: Request, max_bytes: int, share: Share) -> Upload:
    """What the form brought, at most `max_bytes`, taken from the share of the bytes in flight. Raises Refused, and
    ClientDisconnect where the sender leaves."""
    if not _is_own_page(request):
        raise Refused(403, "Another site tried to send images here; open this page itself and send them from it.")
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise Refused(411, "The request does not say how long it is; send it from the page or with Content-Length.")
    if int(length) > max_bytes + _BORDERS_BYTES:
        await _drain(request, 4 * max_bytes)
        raise Refused(
            413,
            f"These files are {int(length) / 1e6:.1f} MB together, over the limit of {max_bytes / 1e6:g} MB; "
            "choose fewer or smaller ones, or start riqa serve with a larger --max-mb.",
        )
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refused(415, "Images are expected as a form (multipart/form-data); send them from the page.")
    parser = _MemoryParser(request.headers, _within(share, request), max_files=MAX_IMAGES + 2, max_fields=4)
    try:
        form = await parser.parse()
        if not parser.ended:
            raise Refused(400, "The form breaks off before its end; send the images again.")
        _check_fields(form)
        images = [part for part in form.getlist("images") if isinstance(part, UploadFile) and part.filename]
        files = [(_shown(part, f"image {n}"), await part.read()) for n, part in enumerate(images, start=1)]
        given = form.get("reference")
        reference = None
        if isinstance(given, UploadFile) and given.filename:
            reference = (_shown(given, "the reference"), await given.read())
        align = str(form.get("align") or "")
    except MultiPartException as error:
        raise Refused(400, f"The form cannot be read ({error.message}); choose at most {MAX_IMAGES} images.") from error
    finally:
        parser.close()
    if not 2 <= len(files) <= MAX_IMAGES:
        raise Refused(400, f"Choose two to {MAX_IMAGES} images of one scene; this is {len(files)}.")
    if align not in ("", *ALIGNMENTS):
        raise Refused(400, f"“If sizes differ” (align) is {align!r}; choose register (auto), resize or crop.")
    return Upload(files, reference, align or None)


def _check_fields(form: FormData) -> None:
    """Raises Refused for a field of another name, and for text where a file is expected: an answer without what was
    meant as the reference would be another one."""
    for name, value in form.multi_items():
        if name not in FIELDS:
            raise Refused(
                400, f"{_printable(name)}: no such field; a form has {', '.join(FIELDS[:-1])} and {FIELDS[-1]}."
            )
        if name != "align" and isinstance(value, str) and value:
            raise Refused(400, f"{name} is text; send a file with its name, as by curl -F {name}=@FILE.")


def decode(upload: Upload, max_pixels: int) -> list[StoredImage]:
    """The images and, last, the reference, all of one size, as they are stored. Raises ImageError that speaks of the
    page."""
    align = upload.align
    images = []
    for name, content in upload.files:
        # A folder of its own for each, removed at once: decoders want a file, and its name chooses nothing.
        with tempfile.TemporaryDirectory(prefix="riqa-serve-") as folder:
            path = Path(folder) / "upload"
            path.write_bytes(content)
            try:
                images.append((name, open_image(path, max_pixels=max_pixels)))
            except ImageError as error:
                raise ImageError(str(error).replace(str(path), name)) from error
    sizes = [image.shape[-2:] for _, image in images]
    other = next((index for index, size in enumerate(sizes) if size != sizes[0]), None)
    if other is not None and align is None:
        (height, width), (high, wide) = sizes[0], sizes[other]
        raise ImageError(
            f"{images[0][0]} is {width} x {height} px but {images[other][0]} is {wide} x {high} px; "
            "under “If sizes differ” choose register, resize or crop (align: auto, resize, crop), and compare again"
        )
    return align_images(images, align, upload.reference is not None)


def _is_own_page(request: Request) -> bool:
    """Whether the browser says that the form was this page's; programs that are no browsers say nothing."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    except ValueError:
        return False


async def _within(share: Share, request: Request) -> AsyncGenerator[bytes, None]:
    """The body, part by part, as far as there is room for it. Raises Refused."""
    parts = request.stream()
    async for part in parts:
        if not share.take(len(part)):
            async for _ in parts:  # a browser reads the answer only after it has sent its files
                pass
            raise Refused(503, "Too many images are on their way at the same time; try again in a minute.")
        yield part


async def _drain(request: Request, most: int) -> None:
    """Drop what is sent, up to `most` bytes: a browser reads the answer only after it has sent its files."""
    taken = 0
    async for part in request.stream():
        taken += len(part)
        if taken > most:
            return


def _shown(part: UploadFile, otherwise: str) -> str:
    """The name of an upload without folders and control characters."""
    return _printable(PurePosixPath((part.filename or "").replace("\\", "/")).name) or otherwise


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:120]
