"""What the properties of an AVIF's primary image say (HEIF, ISO/IEC 23008-12; MIAF, ISO/IEC 23000-22)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from distortion_engine.reading.av1_header import StreamColours, sequence_colours
from distortion_engine.reading.boxes import read_boxes

_SEQUENCE_BYTES = 512  # a sequence header has about twenty
_Box = tuple[bytes, int, int]  # type, start and end of the content


class LimitedRange(NamedTuple):
    """Limited range (black at 16, white at 235), and where the file says what. Positions count bits from its start.

    Attributes:
        matrix: matrix coefficients (ITU-T H.273).
        range_bits: positions of the bits of the range: of nclx, which precedes the AV1 stream, or else of the sequence
            header of each stream with colours.
        number_bits: positions of the 8 bits of the primaries and of the 8 bits of the matrix coefficients in the same
            places; none where a stream does not describe its colours.
    """

    matrix: int
    range_bits: tuple[int, ...]
    number_bits: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class AvifHeader:
    """The properties that are read.

    Args:
        bits: bits a sample: 8, 10 or 12.
        code_points: primaries and transfer function (ITU-T H.273) of nclx; without a box of colours, those of the AV1
            stream, as MIAF asks; None where there are none.
        limited: limited range by nclx; without nclx, by the AV1 stream. None where the range is full.
        premultiplied: where in the file the type of the reference lies (prem) that says that colours are multiplied
            by alpha; None where they are not.
        aperture: width, height and offsets of the centre of the clean aperture (clap) in pixels; None where there is
            none.
        quarter_turns: anticlockwise (irot).
        mirror: 0 turns upside down, 1 left to right (imir); None where there is none.
    """

    bits: int = 8
    code_points: tuple[int, int] | None = None
    limited: LimitedRange | None = None
    premultiplied: int | None = None
    aperture: tuple[Fraction, Fraction, Fraction, Fraction] | None = None
    quarter_turns: int = 0
    mirror: int | None = None

    def applied(self, values: np.ndarray) -> np.ndarray:
        """A view of (H, W, C) decoded values: cropped, turned, mirrored, in this order.

        Raises ValueError where the clean aperture lies outside the image.
        """
        if self.aperture is not None:
            values = _cropped(values, *self.aperture)
        values = np.rot90(values, self.quarter_turns)
        return {None: values, 0: values[::-1], 1: values[:, ::-1]}[self.mirror]


def read_avif_header(data: bytes) -> AvifHeader:
    """The header of a file. Raises ValueError where its boxes make no sense."""
    try:
        return _read(data)
    except (struct.error, IndexError, ZeroDivisionError) as error:
        raise ValueError(f"broken boxes ({error})") from error


def _read(data: bytes) -> AvifHeader:
    meta = _find(data, b"meta", 0, len(data))
    if meta is None:
        return AvifHeader()  # a sequence; it is refused elsewhere
    start, end = meta[1] + 4, meta[2]  # 4: version and flags
    primary_box, properties = _find(data, b"pitm", start, end), _find(data, b"iprp", start, end)
    if primary_box is None or properties is None:
        raise ValueError("no primary image")
    version, at = data[primary_box[1]], primary_box[1] + 4
    (primary,) = struct.unpack_from(">I" if version else ">H", data, at)
    container = _find(data, b"ipco", properties[1], properties[2])
    all_boxes = list(read_boxes(data, container[1], container[2])) if container else []
    own = [
        all_boxes[index - 1]
        for kind, at, _ in read_boxes(data, properties[1], properties[2])
        if kind == b"ipma"
        for index in _associated(data, at, primary)
        if 0 < index <= len(all_boxes)
    ]
    first: dict[bytes, int] = {}
    for kind, at, _ in own:
        first.setdefault(kind, at)
    boxes = [at for kind, at, _ in own if kind == b"colr"]
    colours = [at for at in boxes if data[at : at + 4] == b"nclx"]
    references = list(_references(data, start, end))
    tiles = [item for kind, _, whole, parts in references if (kind, whole) == (b"dimg", primary) for item in parts]
    if colours:
        at = colours[0]
        primaries, transfer, matrix, flags = struct.unpack_from(">3HB", data, at + 4)
        code_points: tuple[int, int] | None = primaries, transfer
        limited = None if flags & 0x80 else LimitedRange(matrix, (8 * (at + 10),), ((8 * (at + 5), 8 * (at + 9)),))
    else:
        streams = _streams(data, start, end, [primary, *dict.fromkeys(tiles)])
        described = (found.code_points for _, found in streams if found.code_points is not None)
        code_points = None if boxes else next(described, None)
        limited = _limited_by_streams(streams)
    premultiplied = (at for kind, at, item, _ in references if (kind, item) == (b"prem", primary))
    depths = [data[at + 2] for kind, at, _ in all_boxes if kind == b"av1C"]  # of a grid, its tiles have it
    mirror = first.get(b"imir")
    return AvifHeader(
        bits=max([12 if flags & 0x20 else 10 for flags in depths if flags & 0x40], default=8),
        code_points=code_points,
        limited=limited,
        premultiplied=next(premultiplied, None),
        aperture=_fractions(data, first[b"clap"]) if b"clap" in first else None,
        quarter_turns=data[first[b"irot"]] & 3 if b"irot" in first else 0,
        mirror=None if mirror is None else data[mirror] & 1,
    )


def _streams(data: bytes, start: int, end: int, items: list[int]) -> list[tuple[int, StreamColours]]:
    """(place in the file, colours) of the AV1 streams among the items, in the order of these: the primary image or,
    where it is a grid, its tiles."""
    location = _find(data, b"iloc", start, end)
    places = dict(_places(data, location[1])) if location else {}
    at = [places[item] for item in items if item in places]
    found = [(place, sequence_colours(data[place : place + _SEQUENCE_BYTES])) for place in at]
    return [(place, colours) for place, colours in found if colours is not None]


def _limited_by_streams(streams: list[tuple[int, StreamColours]]) -> LimitedRange | None:
    """The range of the first stream; libavif asks that the others have the same."""
    if not streams or streams[0][1].limited_bit is None:
        return None
    return LimitedRange(
        streams[0][1].matrix,
        tuple(8 * place + found.limited_bit for place, found in streams if found.limited_bit is not None),
        tuple(
            (8 * place + found.number_bits[0], 8 * place + found.number_bits[1])
            for place, found in streams
            if found.number_bits is not None
        ),
    )


def _references(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int, tuple[int, ...]]]:
    """(type, where the type lies, item, items that it refers to) of the references in the box iref."""
    box = _find(data, b"iref", start, end)
    if box is None:
        return
    size, letter = (4, "I") if data[box[1]] else (2, "H")
    for kind, at, _ in read_boxes(data, box[1] + 4, box[2]):
        item, count = struct.unpack_from(f">{letter}H", data, at)
        yield kind, data.rindex(kind, 0, at), item, struct.unpack_from(f">{count}{letter}", data, at + size + 2)


def _places(data: bytes, at: int) -> list[tuple[int, int]]:
    """(item, offset in the file of its first extent) of the items in the box iloc whose content starts at `at`; those
    that lie elsewhere are left out."""
    version, sizes, more = data[at], data[at + 4], data[at + 5]
    offset_size, length_size, base_size, index_size = sizes >> 4, sizes & 15, more >> 4, more & 15 if version else 0
    wide = 4 if version == 2 else 2

    def number(size: int) -> int:
        nonlocal at
        if at + size > len(data):
            raise IndexError("iloc is cut short")
        at += size
        return int.from_bytes(data[at - size : at], "big")

    at += 6
    found = []
    for _ in range(number(wide)):
        item = number(wide)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_size)
        extents = number(2)
        for extent in range(extents):
            number(index_size)
            offset = base + number(offset_size)
            number(length_size)
            if not extent and not method:
                found.append((item, offset))
    return found


def _find(data: bytes, kind: bytes, start: int, end: int) -> _Box | None:
    return next((found for found in read_boxes(data, start, end) if found[0] == kind), None)


def _associated(data: bytes, at: int, item: int) -> list[int]:
    """Numbers, from 1, of the properties of an item, by a box ipma whose content starts at `at`."""
    version, wide = data[at], data[at + 3] & 1
    (entries,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(entries):
        (number,) = struct.unpack_from(">I" if version else ">H", data, at)
        at += 4 if version else 2
        count, size = data[at], 2 if wide else 1
        if number == item:
            numbers = struct.unpack_from(f">{count}{'H' if wide else 'B'}", data, at + 1)
            return [value & (0x7FFF if wide else 0x7F) for value in numbers]
        at += 1 + count * size
    return []


def _fractions(data: bytes, at: int) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    values = struct.unpack_from(">IIIIiIiI", data, at)
    width, height, across, down = (Fraction(values[i], values[i + 1]) for i in range(0, 8, 2))
    return width, height, across, down


def _cropped(values: np.ndarray, width: Fraction, height: Fraction, across: Fraction, down: Fraction) -> np.ndarray:
    """ISO/IEC 14496-12, section 12.1.4: the aperture's centre is off the image's by `across` and `down`."""
    rows, columns = values.shape[:2]
    left = (columns - width) / 2 + across
    top = (rows - height) / 2 + down
    if any(value.denominator != 1 for value in (width, height, left, top)) or not (
        0 < width and 0 < height and 0 <= left and 0 <= top and left + width <= columns and top + height <= rows
    ):
        raise ValueError("its clean aperture lies outside the image or between pixels")
    return values[int(top) : int(top + height), int(left) : int(left + width)]
