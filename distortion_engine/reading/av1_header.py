"""What the sequence header of an AV1 stream says of colours (AV1 Bitstream & Decoding Process Specification, 5.5)."""

from __future__ import annotations

from typing import NamedTuple

_SEQUENCE_HEADER, _TEMPORAL_DELIMITER = 1, 2
_UNSPECIFIED = 2  # matrix coefficients (ITU-T H.273)
_SRGB_AS_RGB = (1, 13, 0)  # primaries, transfer function, matrix: of full range, without a bit that says so


class StreamColours(NamedTuple):
    """What a sequence header says of colours.

    Attributes:
        code_points: primaries and transfer function (ITU-T H.273); None where colours are not described.
        matrix: matrix coefficients (ITU-T H.273); 2, unspecified, where colours are not described.
        number_bits: positions of primaries and matrix coefficients, counted from the first bit of the stream; None
            where colours are not described.
        limited_bit: position of the bit of the range, counted likewise, where the values are of limited range; None
            where they are of full range.
    """

    code_points: tuple[int, int] | None
    matrix: int
    number_bits: tuple[int, int] | None
    limited_bit: int | None


class _Bits:
    """Reads unsigned numbers, most significant bit first. IndexError behind the end."""

    def __init__(self, data: bytes, first: int) -> None:
        self._data, self.at = data, 8 * first

    def __call__(self, count: int = 1) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self._data[self.at >> 3] >> (7 - (self.at & 7)) & 1
            self.at += 1
        return value

    def exponential(self) -> None:
        """Skips a number of the form uvlc()."""
        zeros = 0
        while not self():
            zeros += 1
        self(zeros)


def sequence_colours(units: bytes) -> StreamColours | None:
    """Colours of the first sequence header in open bitstream units; None where there is no header."""
    at = 0
    try:
        while at < len(units):
            head = units[at]
            kind, at = head >> 3 & 15, at + (2 if head & 4 else 1)
            size, at = _leb128(units, at) if head & 2 else (len(units) - at, at)
            if kind == _SEQUENCE_HEADER:
                return _colours(_Bits(units[: at + size], at))
            if kind != _TEMPORAL_DELIMITER:
                return None
            at += size
    except IndexError:
        pass
    return None


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number in range(8):
        value |= (data[at] & 127) << (7 * number)
        at += 1
        if data[at - 1] < 128:
            break
    return value, at


def _colours(bits: _Bits) -> StreamColours:
    profile, _, reduced = bits(3), bits(), bits()
    if reduced:
        bits(5)
    else:
        _skip_operating_points(bits)
    width, height = bits(4), bits(4)
    bits(width + 1), bits(height + 1)
    if not reduced and bits():  # numbers of frames
        bits(7)
    bits(3)
    if not reduced:
        _skip_tools(bits)
    bits(3)
    if bits() and profile == 2:  # more than 8 bits
        bits()
    if profile != 1:
        bits()  # without colours
    described = (bits(8), bits(8), bits(8)) if bits() else None
    at = bits.at
    limited_bit = None if described == _SRGB_AS_RGB or bits() else at
    if described is None:
        return StreamColours(None, _UNSPECIFIED, None, limited_bit)
    return StreamColours(described[:2], described[2], (at - 24, at - 8), limited_bit)


def _skip_operating_points(bits: _Bits) -> None:
    delay = 0
    model = False
    if bits():  # timing
        bits(64)
        if bits():
            bits.exponential()
        model = bool(bits())
        if model:
            delay = bits(5) + 1
            bits(42)
    displayed = bits()
    for _ in range(bits(5) + 1):
        bits(12)
        if bits(5) > 7:
            bits()
        if model and bits():
            bits(2 * delay + 1)
        if displayed and bits():
            bits(4)


def _skip_tools(bits: _Bits) -> None:
    bits(4)
    ordered = bits()
    if ordered:
        bits(2)
    screen_content = 2 if bits() else bits()
    if screen_content and not bits():
        bits()
    if ordered:
        bits(3)
