"""AVIF: 10 and 12 bits, clean aperture, rotation and colour by number, which Pillow leaves out."""

import imagecodecs
import numpy as np

from distortion_engine.reading.avif_header import AvifHeader, read_avif_header
from distortion_engine.reading.code_points import profile_of_code_points, refuse_hdr, refuse_hdr_profile
from distortion_engine.reading.decoder_noise import quiet_decoders
from distortion_engine.reading.refusals import damaged
from distortion_engine.reading.samples import Samples, colour_space, full_range


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
