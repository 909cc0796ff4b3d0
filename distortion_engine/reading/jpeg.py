"""JPEG: what is checked beside decoding, and the depths that Pillow does not read."""

import re
import struct

import imagecodecs
import numpy as np
from PIL import Image

from distortion_engine.reading.decoder_noise import heard_warnings, quiet_decoders
from distortion_engine.reading.exif_orientation import read_orientation, turned
from distortion_engine.reading.jpeg_header import JpegHeader, read_jpeg_header
from distortion_engine.reading.notes import orientation_note
from distortion_engine.reading.refusals import check_pixels, damaged, unsupported
from distortion_engine.reading.samples import Samples, colour_space, full_range

JPEG_START = b"\xff\xd8\xff"
_MAX_SCANS = 100  # as libtiff allows; encoders make about ten, and each costs a pass over all pixels
_BY_PILLOW, _LOSSLESS, _END = 8, 3, 0xD9
_COMMON = (0, 1, 2)  # processes: baseline, extended, progressive
_STRAY_BYTES = 8
"""Bytes before a marker that are skipped without a loss: cameras leave a few between the data and it. After damage the
decoder skips more: of 1,200 flipped bits 359 had it skip bytes, and 3 of these at most 8."""
_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG file")  # of libjpeg's warnings, jerror.h
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
_HIERARCHICAL = (5, 6, 7, 13, 14, 15)


def check_jpeg(data: bytes, name: str, max_pixels: int) -> Samples | np.ndarray | None:
    """Decodes a JPEG so that damage is found: Pillow drops libjpeg's warnings, by which half a file that ends well
    passes for a whole one. libtiff passes them on, so the file is wrapped as TIFF.

    Returns:
        Samples of a JPEG of more than 8 bits. Of a usual one, grey or YCbCr, (H, W, C) uint8 values as Pillow would
        give them, which are not turned. None for others, which are decoded a second time, once they are known to be
        whole.

    Raises:
        ImageError: for damaged files, for more than `_MAX_SCANS` scans and for processes without a decoder.
    """
    header = read_jpeg_header(data)
    check_pixels(name, header.width, header.height, max_pixels)
    if header.scans > _MAX_SCANS:
        raise unsupported(name, f"JPEG of {header.scans} scans (limit {_MAX_SCANS})")
    if header.process in _HIERARCHICAL:
        raise unsupported(name, "hierarchical JPEG")
    if header.precision <= _BY_PILLOW:
        return _whole(data, name, header)
    if header.end is None:
        raise damaged(name, "no end of image")
    if len(header.sampling) not in (1, 3):
        raise unsupported(name, f"{header.precision} bit JPEG of {len(header.sampling)} components")
    try:
        with quiet_decoders():
            values = imagecodecs.jpeg8_decode(data)
    except Exception as error:  # decoders raise whatever a damaged file provokes
        raise damaged(name, error) from error
    values = full_range(values if values.ndim == 3 else values[:, :, None], header.precision)
    space, _ = colour_space(values.shape[2])
    orientation = _orientation(header)
    return Samples(turned(values, orientation), space, False, header.profile, orientation_note(orientation))


def _orientation(header: JpegHeader) -> int:
    image = Image.new("L", (1, 1))
    image.info["exif"] = header.exif
    return read_orientation(image)


def _whole(data: bytes, name: str, header: JpegHeader) -> np.ndarray | None:
    """Values of a JPEG of 8 bits, None where libtiff does not take such components or gives others than Pillow.
    Raises ImageError where libjpeg says that data are missing."""
    if header.process == _LOSSLESS or not header.width * header.height or not header.sampling:
        return None
    values = None
    with heard_warnings() as heard:
        try:
            values = imagecodecs.tiff_decode(_as_tiff(data, header), verbose=True)
        except Exception:  # what Pillow cannot read either, it says itself
            pass
    for said in heard:
        if said.startswith(_DAMAGE) and not _is_padding(said, data, header):
            raise damaged(name, said)
    channels = len(header.sampling)
    if values is None or header.process not in _COMMON or not (channels == 1 or header.ycbcr):
        return None
    size = (header.height, header.width, channels)
    return values.reshape(size) if values.dtype == np.uint8 and values.size == np.prod(size) else None


def _is_padding(said: str, data: bytes, header: JpegHeader) -> bool:
    """Whether the bytes that libjpeg skips are harmless: few, before the first scan, or of one value before the end."""
    found = _EXTRANEOUS.search(said)
    if found is None:
        return False
    count, marker = int(found[1]), int(found[2], 16)
    if count <= _STRAY_BYTES:
        return True
    if marker == _END:
        skipped = data[max(0, (header.end or 0) - count) : header.end or 0]
        return skipped in (bytes(len(skipped)), b"\xff" * len(skipped))
    return count <= header.stray.get(marker, 0)


def _as_tiff(data: bytes, header: JpegHeader) -> bytes:
    """A TIFF of one strip that is the file (TIFF technical note 2)."""
    components = len(header.sampling)
    numbers: list[tuple[int, int, tuple[int, ...]]] = [
        (256, 4, (header.width,)),
        (257, 4, (header.height,)),
        (258, 3, (header.precision,) * components),
        (259, 3, (7,)),  # JPEG
        (262, 3, ({1: 1, 3: 6}.get(components, 5),)),  # grey, YCbCr, separated
        (273, 4, (8,)),
        (277, 3, (components,)),
        (278, 4, (header.height,)),
        (279, 4, (len(data),)),
        (530, 3, header.sampling[0]),
    ]
    directory = 8 + len(data) + len(data) % 2
    after = directory + 2 + 12 * len(numbers) + 4
    table, beyond = struct.pack("<H", len(numbers)), b""
    for tag, kind, values in numbers:
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            packed, beyond = struct.pack("<I", after + len(beyond)), beyond + packed
        table += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return b"".join([struct.pack("<2sHI", b"II", 42, directory), data, bytes(len(data) % 2), table, bytes(4), beyond])
