"""What a JPEG XL file says of itself in its first bytes (ISO/IEC 18181-1, SizeHeader and ImageMetadata).

imagecodecs decodes JPEG XL but cannot be asked for its size first, and Pillow does not read it. The codestream is found
by walking the boxes (ISO/IEC 18181-2), as the decoder does: its bytes may also stand in a box that means nothing.
"""

from dataclasses import dataclass

from distortion_engine.reading.boxes import read_boxes

_START = b"\xff\x0a"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width : height for ratio codes 1 to 7
_SHIFTS = ((0, 0), (3, 0), (4, 0), (1, 3))  # dim_shift of an extra channel
_HEADER_BYTES = 96  # more than the fields read here take, without long names of channels


@dataclass(frozen=True)
class JpegxlHeader:
    """The fields that are read.

    Args:
        width: stored width in pixels, before orientation.
        height: stored height in pixels, before orientation.
        animated: False where a preview hides the flag.
        bits: bits a sample; None where what follows the flag was not understood.
        srgb: whether the colours are known to be sRGB or grey of its curve, and all channels integers of `bits`.
    """

    width: int
    height: int
    animated: bool
    bits: int | None
    srgb: bool


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
        return JpegxlHeader(width, height, False, 8, True)
    if bits.take(1):  # extra_fields
        bits.take(3)  # orientation
        if bits.take(1):  # have_intr_size
            _read_size(bits)
        preview = bits.take(1)
        if preview or bits.take(1):  # have_animation
            return JpegxlHeader(width, height, not preview, None, False)
    depth, integers = _read_depth(bits)
    bits.take(1)  # modular_16_bit_buffers
    plain = True
    for _ in range(_read_number(bits, (0, 0), (1, 0), (2, 4), (1, 12))):  # extra channels
        plain = plain and _is_plain_alpha(bits, depth)
        if not plain:
            break
    else:
        bits.take(1)  # xyb_encoded
        plain = _is_srgb(bits)
    return JpegxlHeader(width, height, False, depth, plain and integers)


def _read_depth(bits: _Bits) -> tuple[int, bool]:
    """Bits a sample and whether they are an integer (BitDepth)."""
    if not bits.take(1):
        return _read_number(bits, (8, 0), (10, 0), (12, 0), (1, 6)), True
    depth = _read_number(bits, (32, 0), (16, 0), (24, 0), (1, 6))
    bits.take(4)  # exponent
    return depth, False


def _is_plain_alpha(bits: _Bits, depth: int) -> bool:
    """Whether an extra channel (ExtraChannelInfo) is unassociated alpha of `depth` bits at full size."""
    if bits.take(1):  # all_default: alpha of 8 bits
        return depth == 8
    if _read_enum(bits) != 0 or _read_depth(bits) != (depth, True) or _read_number(bits, *_SHIFTS):
        return False
    bits.take(8 * _read_number(bits, (0, 0), (0, 4), (16, 5), (48, 10)))  # name
    return not bits.take(1)  # alpha_associated


def _is_srgb(bits: _Bits) -> bool:
    """Whether a ColourEncoding is sRGB, or grey with its curve."""
    if bits.take(1):  # all_default
        return True
    if bits.take(1):  # want_icc
        return False
    space = _read_enum(bits)
    if space > 1 or _read_enum(bits) != 1 or (space == 0 and _read_enum(bits) != 1):  # D65, primaries of sRGB
        return False
    return not bits.take(1) and _read_enum(bits) == 13  # have_gamma; the curve of sRGB


def _read_number(bits: _Bits, *choices: tuple[int, int]) -> int:
    """U32: one of four, each an offset and how many bits to add to it."""
    offset, count = choices[bits.take(2)]
    return offset + bits.take(count)


def _read_enum(bits: _Bits) -> int:
    return _read_number(bits, (0, 0), (1, 0), (2, 4), (18, 6))


def _boxed_codestream(data: bytes) -> bytes:
    """The first bytes of the codestream: of box jxlc, or of the boxes jxlp, whose number comes first, together."""
    found = b""
    for kind, start, end in read_boxes(data):
        if kind == b"jxlc":
            return data[start : min(end, start + _HEADER_BYTES)]
        if kind == b"jxlp":
            found += data[start + 4 : min(end, start + 4 + _HEADER_BYTES)]
            if len(found) >= _HEADER_BYTES:
                break
    return found


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
