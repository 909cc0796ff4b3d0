"""AVIF: 10 and 12 bits, clean aperture, rotation and colour by number, which Pillow leaves out."""

import imagecodecs
import numpy as np

from distortion_engine.reading.avif_header import AvifHeader, read_avif_header
from distortion_engine.reading.code_points import profile_of_code_points, refuse_hdr_profile
from distortion_engine.reading.decoder_noise import quiet_decoders
from distortion_engine.reading.light import Light
from distortion_engine.reading.refusals import damaged
from distortion_engine.reading.samples import Samples, colour_space, full_range, straight

# Shares of red and blue in luma, by matrix coefficients (H.273, table 4). Unspecified (2) is BT.601, as for libavif.
_BT601 = (0.299, 0.114)
_RED_AND_BLUE = {1: (0.2126, 0.0722), 2: _BT601, 5: _BT601, 6: _BT601, 9: (0.2627, 0.0593)}
# Primaries whose own shares (matrix coefficients 12; H.273, equations 32 to 37) are similar, but unknown to libyuv:
# theatre projectors (RP 431) for BT.709, BT.470 M for BT.601, film for BT.2020.
_SIMILAR = {1: 11, 2: 4, 5: 4, 6: 4, 9: 8}
_BY_PRIMARIES = {4: (0.298967, 0.114612), 8: (0.253585, 0.068079), 11: (0.209492, 0.068913)}
_MATRIX_BY_PRIMARIES = 12
_BAND_ROWS = 64


def is_avif(data: bytes) -> bool:
    """Whether the data start as an AVIF does, whatever its major brand."""
    return data[4:8] == b"ftyp" and (data[8:12] in (b"avif", b"avis") or b"avif" in data[16:64])


def header_of(data: bytes, name: str) -> AvifHeader:
    """The properties of the primary image. Raises ImageError where they make no sense."""
    try:
        header = read_avif_header(data)
    except ValueError as error:
        raise damaged(name, error) from error
    return header


def deep_avif(data: bytes, name: str, header: AvifHeader) -> np.ndarray:
    """(H, W, C) uint16 of full scale, as stored, of a file of more than 8 bits. Raises ImageError."""
    try:
        with quiet_decoders():
            values = imagecodecs.avif_decode(data)
    except Exception as error:  # decoders raise whatever a damaged file provokes
        raise damaged(name, error) from error
    return full_range(values if values.ndim == 3 else values[:, :, None], header.bits)


def limited_avif(data: bytes, name: str, header: AvifHeader) -> np.ndarray | None:
    """(H, W, 3 or 4) uint16 of full scale, as stored, of a file of 8 bits and limited range with the matrix of BT.601,
    BT.709 or BT.2020; None for others. Alpha, where there is one, is the last channel and not multiplied into the
    others. Raises ImageError.

    On x86, libavif's fast conversion (libyuv) cannot multiply by more than 2: blue of saturated colours misses by up to
    2, 12 and 16 levels. Therefore the values are decoded as of full range and of a similar matrix that libyuv does not
    know, which libavif converts in floating point, and the conversion from there follows. Both are linear, and colours
    of sRGB stay between 10 and 241 in between. Colours that were multiplied by alpha are divided by it afterwards,
    because black is not 0 in between. A stream that does not describe its colours has no place for another matrix.
    """
    limited = header.limited
    if header.bits != 8 or limited is None or limited.matrix not in _RED_AND_BLUE:
        return None
    changed = bytearray(data)
    for at in limited.range_bits:
        _put(changed, at, 1, 1)
    shares = decoded_by = _RED_AND_BLUE[limited.matrix]
    for of_primaries, of_matrix in limited.number_bits:
        decoded_by = _BY_PRIMARIES[_SIMILAR[limited.matrix]]
        _put(changed, of_primaries, 8, _SIMILAR[limited.matrix])
        _put(changed, of_matrix, 8, _MATRIX_BY_PRIMARIES)
    if header.premultiplied is not None:
        changed[header.premultiplied : header.premultiplied + 4] = b"free"
    try:
        with quiet_decoders():
            values = imagecodecs.avif_decode(bytes(changed))
    except Exception as error:  # decoders raise whatever a damaged file provokes
        raise damaged(name, error) from error
    if values.ndim != 3 or values.shape[2] < 3:
        return None
    wider = _to_rgb(*shares) @ np.diag([255 / 219, 255 / 224, 255 / 224]) @ np.linalg.inv(_to_rgb(*decoded_by))
    found = np.empty(values.shape, np.uint16)
    for top in range(0, len(values), _BAND_ROWS):
        band = values[top : top + _BAND_ROWS].astype(np.float32) / 255
        band[:, :, :3] = np.clip(band[:, :, :3] @ wider.T.astype(np.float32) - np.float32(16 / 219), 0, 1)
        if header.premultiplied is not None and band.shape[2] == 4:
            band[:, :, :3] = straight(band[:, :, :3], band[:, :, 3:])
        found[top : top + _BAND_ROWS] = np.round(band * 65535)
    return found


def _put(data: bytearray, at: int, count: int, value: int) -> None:
    """Writes a number of `count` bits at a position counted in bits, most significant bit first."""
    for place in range(at, at + count):
        mask = 0x80 >> (place & 7)
        one = value >> (at + count - 1 - place) & 1
        data[place >> 3] = data[place >> 3] | mask if one else data[place >> 3] & ~mask


def _to_rgb(red: float, blue: float) -> np.ndarray:
    """(3, 3): from luma, blue and red difference (in [-0.5, 0.5]) to RGB, by the shares of red and blue in luma."""
    found = np.array([[1, 0, 2 - 2 * red], [1, 0, 0], [1, 2 - 2 * blue, 0]])
    found[1, 1:] = -blue * found[2, 1] / (1 - red - blue), -red * found[0, 2] / (1 - red - blue)
    return found


def with_properties(values: np.ndarray, profile: bytes | None, name: str, header: AvifHeader) -> Samples:
    """Samples of values as stored: upright, with the ICC profile of the file or else that of its code points."""
    refuse_hdr_profile(name, profile)
    colours: bytes | Light | None = profile
    if profile is None and header.code_points is not None:
        colours = profile_of_code_points(name, *header.code_points)
    try:
        shown = header.applied(values)
    except ValueError as error:
        raise damaged(name, error) from error
    space, alpha = colour_space(values.shape[2])
    return Samples(shown, space, alpha, colours)
