"""What an image file is, for people: format, quality setting, size, date; read from its header alone."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from distortion_engine.errors import ImageError
from distortion_engine.jobs.printable import printable
from distortion_engine.reading.decoding import open_header
from distortion_engine.reading.jpeg_header import JpegHeader, read_jpeg_header
from distortion_engine.reading.jpegxl import JPEGXL_STARTS
from distortion_engine.reading.jpegxl_header import read_jpegxl_header

# ITU-T T.81, table K.1: quantisation of luma at quality 50 of libjpeg, in zigzag order.
_LUMA_50 = (
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61,
    60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113,
    121, 112, 100, 120, 92, 101, 103, 99,
)  # fmt: skip
_NAMES = {"JPEG2000": "JPEG 2000", "WEBP": "WebP", "PPM": "PPM", "MPO": "JPEG"}
_UNCHANGED = {"PNG": "lossless", "BMP": "uncompressed", "PPM": "uncompressed", "GIF": "at most 256 colours"}


@dataclass(frozen=True)
class FileFacts:
    """One image file.

    Args:
        name: of the file, without folders.
        nbytes: its size.
        format: for example "JPEG"; "image" where the header is not understood.
        setting: quality or kind of compression in words, "" where the header does not tell.
        size: width and height that the header gives, px, before any orientation; None where it is not understood.
        modified: time of its last change; None for a file that came without.
    """

    name: str
    nbytes: int
    format: str
    setting: str
    size: tuple[int, int] | None
    modified: datetime | None = None


def read_file_facts(path: str | os.PathLike[str]) -> FileFacts:
    """The facts of a file that has been read before. Raises OSError where it is no longer there."""
    file = Path(path)
    date = datetime.fromtimestamp(file.stat().st_mtime)
    return file_facts(printable(file.name), file.read_bytes(), date)


def file_facts(name: str, data: bytes, modified: datetime | None = None) -> FileFacts:
    """The facts of a file by its content."""
    format_, setting, size = _header(name, data)
    return FileFacts(name, len(data), format_, setting, size, modified)


def _header(name: str, data: bytes) -> tuple[str, str, tuple[int, int] | None]:
    """Format, setting and size."""
    try:
        if data.startswith(JPEGXL_STARTS):
            header = read_jpegxl_header(data)
            return "JPEG XL", "", (header.width, header.height)
        image = open_header(data, name)
    except (ImageError, OSError, ValueError, LookupError, ArithmeticError):
        return "image", "", None
    kind = image.format or "image"
    format_ = _NAMES.get(kind, kind)
    if format_ == "JPEG":
        return format_, jpeg_quality(read_jpeg_header(data)), image.size
    if kind == "WEBP":
        return format_, _webp_setting(data), image.size
    if kind == "JPEG2000":
        return format_, _jpeg2000_setting(data), image.size
    setting = _UNCHANGED.get(kind, "")
    if kind == "PNG":
        setting += f", {data[24]} bits a channel"  # IHDR bit depth
    return format_, setting, image.size


def jpeg_quality(header: JpegHeader) -> str:
    """The quality setting of libjpeg (1 to 100) by the quantisation table of luma: "quality 90" where the table is
    that of a setting, "quality about 90" where another encoder's table is nearest to it; "" without a table."""
    table = header.tables.get(header.luma_table)
    if table is None:
        return ""
    misfits = {
        quality: sum(abs(x - y) for x, y in zip(table, libjpeg_luma(quality), strict=True)) for quality in range(1, 101)
    }
    best = min(misfits, key=lambda quality: (misfits[quality], -quality))
    return f"quality {best}" if misfits[best] == 0 else f"quality about {best}"


def libjpeg_luma(quality: int) -> tuple[int, ...]:
    """Quantisation of luma by libjpeg (jcparam.c, jpeg_quality_scaling and jpeg_add_quant_table), in zigzag order."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(min(255, max(1, (value * scale + 50) // 100)) for value in _LUMA_50)


def _webp_setting(data: bytes) -> str:
    """By the name of the chunk with the pixels (RFC 9649)."""
    at = 12
    while at + 8 <= len(data):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind in (b"VP8L", b"VP8 "):
            return "lossless" if kind == b"VP8L" else "lossy"
        at += 8 + length + length % 2
    return ""


def _jpeg2000_setting(data: bytes) -> str:
    """By the wavelet of the marker COD (ITU-T T.800, A.6.1): 9/7 is always lossy, 5/3 may be lossless."""
    start = data.find(b"\xff\x4f\xff\x51")  # SOC, SIZ
    at = start + 2
    while start >= 0 and at + 4 <= len(data) and data[at] == 0xFF:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0x52 and at + 13 < len(data):
            return "lossy" if data[at + 13] == 0 else ""
        at += 2 + max(length, 2)
    return ""
