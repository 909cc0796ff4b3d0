"""The marker segments of a JPEG file (ITU-T T.81, annex B), up to the end of its first image."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
_SCAN, _END, _TEMPORARY, _TABLES = 0xDA, 0xD9, 0x01, 0xDB
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in entropy-coded data, past stuffed bytes and restarts
_MOST_SEGMENTS = 100_000
_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"


@dataclass(frozen=True)
class JpegHeader:
    """What the segments say.

    Args:
        process: n of the marker SOFn: 0 baseline, 1 extended, 2 progressive, 3 lossless, from 9 on arithmetic.
        precision: bits a sample.
        width: in pixels; 0 where there is no frame.
        height: in pixels.
        sampling: (horizontal, vertical) sampling factors of each component.
        ycbcr: whether libjpeg takes three components for YCbCr, by the rules of its jdapimin.c.
        scans: how many there are.
        first_scan: offset of the first scan's marker.
        stray: bytes that belong to no segment, by the marker before which they lie, up to the first scan.
        end: offset of the marker EOI; None where it is missing.
        tables: coefficients of the quantisation tables, 64 each in zigzag order, by their number; the first of each.
        luma_table: number of the table of the first component.
        exif: content of the EXIF segment, b"" where there is none.
        profile: ICC profile, None where there is none.
    """

    process: int
    precision: int
    width: int
    height: int
    sampling: tuple[tuple[int, int], ...]
    ycbcr: bool
    scans: int
    first_scan: int
    stray: dict[int, int]
    end: int | None
    tables: dict[int, tuple[int, ...]]
    luma_table: int
    exif: bytes
    profile: bytes | None


def read_jpeg_header(data: bytes) -> JpegHeader:
    """Walks through the segments; stops without complaint where the data end or make no sense."""
    frame, scans, first_scan, end, exif = b"", 0, len(data), None, b""
    process, parts = -1, {}
    jfif, adobe = False, -1
    stray: dict[int, int] = {}
    tables: dict[int, tuple[int, ...]] = {}
    at = 2
    for _ in range(_MOST_SEGMENTS):
        if (found := _NEXT_MARKER.search(data, at)) is None:
            break
        marker = data[found.start() + 1]
        if not scans and found.start() > at:
            stray[marker] = max(found.start() - at, stray.get(marker, 0))
        at = found.end()
        if marker == _END:
            end = found.start()
            break
        if marker in (_TEMPORARY, 0xD8):
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        segment = data[at + 2 : at + max(length, 2)]
        at += max(length, 2)
        if marker == _SCAN:
            scans, first_scan = scans + 1, min(first_scan, found.start())
        elif marker == _TABLES:
            for number, table in _quantisation_tables(segment):
                tables.setdefault(number, table)
        elif marker in _FRAMES and not frame:
            process, frame = marker - 0xC0, segment
        elif marker == 0xE0 and segment.startswith(b"JFIF\0") and len(segment) >= 14 and not scans:
            jfif = True
        elif marker == 0xEE and segment.startswith(b"Adobe") and len(segment) >= 12 and not scans:
            adobe = segment[11]
        elif marker == 0xE1 and segment.startswith(_EXIF) and not exif:
            exif = segment
        elif marker == 0xE2 and segment.startswith(_ICC):
            parts[segment[len(_ICC)] if len(segment) > len(_ICC) else 0] = segment[len(_ICC) + 2 :]
    factors = frame[7::3]
    rgb = adobe == 0 if adobe >= 0 else frame[6::3] == b"RGB"
    return JpegHeader(
        process=process,
        precision=frame[0] if frame else 0,
        width=int.from_bytes(frame[3:5], "big"),
        height=int.from_bytes(frame[1:3], "big"),
        sampling=tuple((factor >> 4, factor & 15) for factor in factors),
        ycbcr=len(factors) == 3 and (jfif or not rgb),
        scans=scans,
        first_scan=first_scan,
        stray=stray,
        end=end,
        tables=tables,
        luma_table=frame[8] if len(frame) > 8 else 0,
        exif=exif,
        profile=b"".join(part for _, part in sorted(parts.items())) or None,
    )


def _quantisation_tables(segment: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(number, coefficients) of a DQT segment (B.2.4.1), as far as the segment reaches."""
    at = 0
    while at < len(segment):
        size = 2 if segment[at] >> 4 else 1
        content = segment[at + 1 : at + 1 + 64 * size]
        if len(content) < 64 * size:
            return
        yield segment[at] & 15, tuple(int.from_bytes(content[i : i + size], "big") for i in range(0, 64 * size, size))
        at += 1 + 64 * size
