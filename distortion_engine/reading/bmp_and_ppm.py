"""BMP with bit fields of 16 bits, PPM of more than 8: Pillow refuses them, or leaves out alpha and depth."""

import re
import struct

import numpy as np

from distortion_engine.reading.refusals import check_pixels, damaged, unsupported
from distortion_engine.reading.samples import Samples, colour_space, full_range

_BIT_FIELDS = 3  # biCompression
_MASKS, _WITH_ALPHA = 54, 56  # offset of the masks; size of the smallest header with one for alpha
_PPM = re.compile(rb"P6(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)\s")


def decode_bmp(data: bytes, name: str, max_pixels: int) -> Samples | None:
    """Samples of a BMP of 16 bits a pixel with bit fields; None for others. Raises ImageError."""
    if len(data) < 54 or not data.startswith(b"BM"):
        return None
    (start,) = struct.unpack_from("<I", data, 10)
    header, width, height, _, bits, compression = struct.unpack_from("<IiiHHI", data, 14)
    if bits != 16 or compression != _BIT_FIELDS or len(data) < _MASKS + 16:
        return None
    rows, pitch = abs(height), (2 * width + 3) // 4 * 4
    check_pixels(name, max(width, 0), rows, max_pixels)
    if width <= 0 or not rows or start + pitch * rows > len(data):
        raise damaged(name, f"{len(data)} bytes for {width}x{rows} px")
    masks = struct.unpack_from("<4I", data, _MASKS)[: 4 if header >= _WITH_ALPHA else 3]
    used = [mask for index, mask in enumerate(masks) if mask or index < 3]
    if not all(re.fullmatch("0*1{1,8}0*", f"{mask:b}") and mask < 1 << 16 for mask in used):
        raise unsupported(name, "BMP with these bit fields")
    stored = np.frombuffer(data, np.uint8, pitch * rows, start).reshape(rows, pitch)[:, : 2 * width].copy().view("<u2")
    channels = []
    for mask in used:
        shift = (mask & -mask).bit_length() - 1
        channels.append(full_range((stored & mask) >> shift, (mask >> shift).bit_length()))
    values = np.stack(channels, axis=-1)
    space, alpha = colour_space(len(used))
    return Samples(values if height < 0 else values[::-1], space, alpha, None)


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
