"""AVIF: 10 and 12 bits, clean aperture, rotation and colour by number, which Pillow leaves out."""

import imagecodecs
import numpy as np

from distortion_engine.reading.avif_header import AvifHeader, read_avif_header
from distortion_engine.reading.code_points import profile_of_code_points, refuse_hdr, refuse_hdr_profile
from distortion_engine.reading.decoder_noise import quiet_decoders
from distortion_engine.reading.refusals import damaged
from distortion_engine.reading.samples import Samples, colour_space, full_range

_RED_AND_BLUE = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}  # shares of luma, by matrix coefficients (H.273, table 4)
_BAND_ROWS = 64


def is_avif(data: bytes) -> bool:
    """Whether the data start as an AVIF does, whatever its major brand."""
    return data[4:8] == b"ftyp" and (data[8:12] in (b"avif", b"avis") or b"avif" in data[16:64])


def header_of(data: bytes, name: str) -> AvifHeader:
    """The properties of the primary image. Raises ImageError where they make no sense or name HDR."""
    try:
        header = read_avif_header(data)
    except ValueError as error:
        raise damaged(name, error) from error
    refuse_hdr(name, header.code_points[1] if header.code_points else None)
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
    """(H, W, 3) uint8, as stored, of a file of 8 bits and limited range with the matrix of BT.709 or BT.2020; None for
    others. Raises ImageError.

    On x86, libavif's fast conversion (libyuv) cannot multiply by more than 2: blue of saturated colours misses by up to
    12 and 16 levels. Of full range it is right, so the values are decoded as such, and the conversion from limited to
    full range follows. Both are linear, and colours of sRGB stay between 12 and 239 in between.
    """
    matrix, at = header.limited or (0, 0)
    if header.bits != 8 or matrix not in _RED_AND_BLUE:
        return None
    try:
        with quiet_decoders():
            values = imagecodecs.avif_decode(data[:at] + bytes([data[at] | 0x80]) + data[at + 1 :])
    except Exception as error:  # decoders raise whatever a damaged file provokes
        raise damaged(name, error) from error
    if values.ndim != 3 or values.shape[2] != 3:
        return None
    red, blue = _RED_AND_BLUE[matrix]
    to_rgb = np.array([[1, 0, 2 - 2 * red], [1, 0, 0], [1, 2 - 2 * blue, 0]])  # of luma, blue and red difference
    to_rgb[1, 1:] = -blue * to_rgb[2, 1] / (1 - red - blue), -red * to_rgb[0, 2] / (1 - red - blue)
    wider = to_rgb @ np.diag([255 / 219, 255 / 224, 255 / 224]) @ np.linalg.inv(to_rgb)
    found = np.empty_like(values)
    for top in range(0, len(values), _BAND_ROWS):
        band = values[top : top + _BAND_ROWS].astype(np.float32) @ wider.T.astype(np.float32) - np.float32(
            16 * 255 / 219
        )
        found[top : top + _BAND_ROWS] = np.clip(np.round(band), 0, 255)
    return found


def with_properties(values: np.ndarray, profile: bytes | None, name: str, header: AvifHeader) -> Samples:
    """Samples of values as stored: upright, with the ICC profile of the file or else that of its code points."""
    refuse_hdr_profile(name, profile)
    if profile is None and header.code_points is not None:
        profile = profile_of_code_points(name, *header.code_points)
    try:
        shown = header.applied(values)
    except ValueError as error:
        raise damaged(name, error) from error
    space, alpha = colour_space(values.shape[2])
    return Samples(shown, space, alpha, profile)
