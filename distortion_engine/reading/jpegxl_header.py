"""Size and animation flag of a JPEG XL file from its first bytes (ISO/IEC 18181-1, SizeHeader and ImageMetadata).

imagecodecs decodes JPEG XL but cannot be asked for its size first, and Pillow does not read it. The codestream is found
by walking the boxes (ISO/IEC 18181-2), as the decoder does: its bytes may also stand in a box that means nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_START = b"\xff\x0a"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width : height for ratio codes 1 to 7
_HEADER_BYTES = 32  # more than the fields read here can take


@dataclass(frozen=True)
class JpegxlHeader:
    """Stored size in pixels, before orientation; `animated` is False where a preview hides the flag."""

    width: int
    height: int
    animated: bool


class _Bits:
    """Little-endian bit reader."""

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        return value


def read_jpegxl_header(data: bytes) -> JpegxlHeader:
    """The header of a bare codestream or of a container. Raises ValueError where there is no codestream."""
    codestream = data[:_HEADER_BYTES] if data.startswith(_START) else _boxed_codestream(data)
    if not codestream.startswith(_START):
        raise ValueError("no JPEG XL codestream in the container")
    bits = _Bits(codestream[len(_START) :])
    width, height = _read_size(bits)
    if bits.take(1):  # ImageMetadata.all_default
        return JpegxlHeader(width, height, False)
    animated = False
    if bits.take(1):  # extra_fields
        bits.take(3)  # orientation
        if bits.take(1):  # have_intr_size
            _read_size(bits)
        animated = not bits.take(1) and bool(bits.take(1))  # have_preview, have_animation
    return JpegxlHeader(width, height, animated)


def _boxed_codestream(data: bytes) -> bytes:
    """The first bytes of the codestream: of box jxlc, or of the boxes jxlp, whose number comes first, together."""
    found = b""
    for kind, start, end in _boxes(data):
        if kind == b"jxlc":
            return data[start : min(end, start + _HEADER_BYTES)]
        if kind == b"jxlp":
            found += data[start + 4 : min(end, start + 4 + _HEADER_BYTES)]
            if len(found) >= _HEADER_BYTES:
                break
    return found


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of the content of each box; the last one may be cut short."""
    at = 0
    while at + 8 <= len(data):
        length, kind, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if length == 1:  # 64 bit length after the type
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = len(data) if length == 0 else at + length  # 0: to the end of the file
        if end < start:
            raise ValueError(f"box at {at} is shorter than its head")
        yield kind, start, end
        at = end


def _read_size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if small else 1 + bits.take((9, 13, 18, 30)[bits.take(2)])

    height = side()
    ratio = bits.take(3)
    if ratio == 0:
        return side(), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height
