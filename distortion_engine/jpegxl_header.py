"""Size and animation flag of a JPEG XL file from its first bytes (ISO/IEC 18181-1, SizeHeader and ImageMetadata).

imagecodecs decodes JPEG XL but cannot be asked for its size first, and Pillow does not read it.
"""

from dataclasses import dataclass

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
    box = 0 if data[:2] == b"\xff\x0a" else max(data.find(b"jxlc"), data.find(b"jxlp"))
    if box < 0:
        raise ValueError("no JPEG XL codestream in the container")
    start = data.index(b"\xff\x0a", box) + 2
    bits = _Bits(data[start : start + _HEADER_BYTES])
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
