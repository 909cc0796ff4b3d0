"""What the properties of an AVIF's primary image say (HEIF, ISO/IEC 23008-12; MIAF, ISO/IEC 23000-22)."""

import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from distortion_engine.reading.av1_header import sequence_code_points
from distortion_engine.reading.boxes import read_boxes

_SEQUENCE_BYTES = 512  # a sequence header has about twenty
_Box = tuple[bytes, int, int]  # type, start and end of the content


@dataclass(frozen=True)
class AvifHeader:
    """The properties that are read.

    Args:
        bits: bits a sample: 8, 10 or 12.
        code_points: primaries and transfer function (ITU-T H.273) of nclx; without a box of colours, those of the AV1
            stream, as MIAF asks; None where there are none.
        limited: of nclx with values of limited range, the matrix coefficients (H.273) and where in the file the byte
            of the range lies; None for others.
        aperture: width, height and offsets of the centre of the clean aperture (clap) in pixels; None where there is
            none.
        quarter_turns: anticlockwise (irot).
        mirror: 0 turns upside down, 1 left to right (imir); None where there is none.
    """

    bits: int = 8
    code_points: tuple[int, int] | None = None
    limited: tuple[int, int] | None = None
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
    code_points = struct.unpack_from(">2H", data, colours[0] + 4) if colours else None
    limited = None
    if colours and not data[colours[0] + 10] & 0x80:
        limited = int.from_bytes(data[colours[0] + 8 : colours[0] + 10], "big"), colours[0] + 10
    if not boxes:
        code_points = _of_stream(data, start, end, primary)
    depths = [data[at + 2] for kind, at, _ in all_boxes if kind == b"av1C"]  # of a grid, its tiles have it
    mirror = first.get(b"imir")
    return AvifHeader(
        bits=max([12 if flags & 0x20 else 10 for flags in depths if flags & 0x40], default=8),
        code_points=code_points,
        limited=limited,
        aperture=_fractions(data, first[b"clap"]) if b"clap" in first else None,
        quarter_turns=data[first[b"irot"]] & 3 if b"irot" in first else 0,
        mirror=None if mirror is None else data[mirror] & 1,
    )


def _of_stream(data: bytes, start: int, end: int, primary: int) -> tuple[int, int] | None:
    """Code points of the sequence header of the primary image; of a grid, those of the first of its tiles."""
    location = _find(data, b"iloc", start, end)
    if location is None:
        return None
    places = _places(data, location[1])
    first = [place for item, place in places if item == primary]
    for place in first + [place for item, place in places if item != primary]:
        found = sequence_code_points(data[place : place + _SEQUENCE_BYTES])
        if found is not None:
            return found
    return None


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
