"""BMP with bit fields of 16 bits, PPM of more than 8: Pillow refuses them, or leaves out alpha and depth."""

import re
import struct

import imagecodecs
import numpy as np

from distortion_engine.reading.refusals import check_pixels, damaged, unsupported
from distortion_engine.reading.samples import Samples, colour_space

_BIT_FIELDS = 3  # biCompression
_PPM = re.compile(rb"P6(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)\s")


def decode_bmp(data: bytes, name: str, max_pixels: int) -> Samples | None:
    """Samples of a BMP of 16 bits a pixel with bit fields; None for others. Raises ImageError."""
    if len(data) < 54 or not data.startswith(b"BM"):
        return None
    _, width, height, _, bits, compression = struct.unpack_from("<IiiHHI", data, 14)
    if bits != 16 or compression != _BIT_FIELDS:
        return None
    check_pixels(name, abs(width), abs(height), max_pixels)
    try:
        values = imagecodecs.bmp_decode(data)
    except Exception as error:  # decoders raise whatever a damaged file provokes
        if "size" in str(error):
            raise damaged(name, error) from error
        raise unsupported(name, "BMP with these bit fields") from error
    values = values if values.ndim == 3 else values[:, :, None]
    space, alpha = colour_space(values.shape[2])
    return Samples(values, space, alpha, None)


def decode_ppm(data: bytes, name: str, max_pixels: int) -> Samples | None:
    """Samples of a binary PPM (P6) of more than 8 bits; None for others. Raises ImageError."""
    found = _PPM.match(data[:4096])
    if found is None or not 255 < int(found[3]) < 65536:
        return None
    width, height, largest = (int(number) for number in found.groups())
    check_pixels(name, width, height, max_pixels)
    count = width * height * 3
    if len(data) - found.end() < 2 * count:
        raise damaged(name, f"{len(data) - found.end()} bytes for {count} samples")
    stored = np.frombuffer(data, ">u2", count, found.end()).reshape(height, width, 3)
    values = np.minimum(stored, largest).astype(np.uint32) * 65535
    return Samples(((values + largest // 2) // largest).astype(np.uint16), "rgb", False, None)
