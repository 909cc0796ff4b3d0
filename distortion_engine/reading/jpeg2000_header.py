"""What a JPEG 2000 file says of its samples: codestream header (ITU-T T.800, annex A.5.1) and JP2 boxes (annex I)."""

import struct
from dataclasses import dataclass

from distortion_engine.reading.boxes import read_boxes

CODESTREAM_START = b"\xff\x4f\xff\x51"  # SOC, SIZ
FILE_START = b"\x00\x00\x00\x0cjP  "


@dataclass(frozen=True)
class Jpeg2000Header:
    """What is read of the headers.

    Args:
        bits: bits of each component.
        signed: whether any component is signed.
        subsampled: whether any component has fewer samples than pixels.
        palette: whether the components are indices into one.
        enumerated: number of the colour space; None where there is none.
        profile: ICC profile, None where there is none.
        alpha: component that is opacity of the whole image, from 0; None where there is none.
        premultiplied: whether it is multiplied into the colours.
        codestream: offset of the codestream.
    """

    bits: tuple[int, ...]
    signed: bool
    subsampled: bool
    palette: bool
    enumerated: int | None
    profile: bytes | None
    alpha: int | None
    premultiplied: bool
    codestream: int


def read_jpeg2000_header(data: bytes) -> Jpeg2000Header:
    """The header of a file or codestream. Raises ValueError where it makes no sense."""
    try:
        return _read(data)
    except (struct.error, IndexError) as error:
        raise ValueError(f"broken header ({error})") from error


def _read(data: bytes) -> Jpeg2000Header:
    enumerated: int | None = None
    profile, palette, alpha, premultiplied, codestream = None, False, None, False, 0
    if not data.startswith(CODESTREAM_START):
        codestream = -1
        for kind, start, end in read_boxes(data):
            if kind == b"jp2c":
                codestream = start
                break
            if kind != b"jp2h":
                continue
            for inner, at, after in read_boxes(data, start, end):
                if inner == b"colr" and enumerated is None and profile is None:  # the first one counts
                    if data[at] == 1:
                        (enumerated,) = struct.unpack_from(">I", data, at + 3)
                    elif data[at] in (2, 3):
                        profile = data[at + 3 : after]
                elif inner == b"pclr":
                    palette = True
                elif inner == b"cdef":
                    (count,) = struct.unpack_from(">H", data, at)
                    for entry in range(at + 2, at + 2 + 6 * count, 6):
                        channel, meaning, _ = struct.unpack_from(">3H", data, entry)
                        if meaning in (1, 2) and alpha is None:  # opacity, premultiplied opacity
                            alpha, premultiplied = channel, meaning == 2
    if codestream < 0 or data[codestream : codestream + 4] != CODESTREAM_START:
        raise ValueError("no codestream")
    (count,) = struct.unpack_from(">H", data, codestream + 40)
    if not count:
        raise ValueError("no components")
    components = [struct.unpack_from("3B", data, codestream + 42 + 3 * i) for i in range(min(count, 64))]
    return Jpeg2000Header(
        bits=tuple((depth & 0x7F) + 1 for depth, _, _ in components),
        signed=any(depth & 0x80 for depth, _, _ in components),
        subsampled=any((x, y) != (1, 1) for _, x, y in components),
        palette=palette,
        enumerated=enumerated,
        profile=profile,
        alpha=alpha,
        premultiplied=premultiplied,
        codestream=codestream,
    )
