"""JPEG 2000: depths other than 8 bits, ICC profiles and kinds of alpha, which Pillow leaves out or scales."""

import imagecodecs
import numpy as np

from distortion_engine.reading.code_points import refuse_hdr_profile
from distortion_engine.reading.decoder_noise import quiet_decoders
from distortion_engine.reading.jpeg2000_header import (
    CODESTREAM_START,
    FILE_START,
    Jpeg2000Header,
    read_jpeg2000_header,
)
from distortion_engine.reading.refusals import damaged, unsupported
from distortion_engine.reading.samples import Samples, colour_space, full_range, straight

JPEG2000_STARTS = (CODESTREAM_START, FILE_START)
_CMYK, _SRGB, _GREY, _SYCC = 12, 16, 17, 18  # ITU-T T.800, table I.10
_OTHERS = {0: "bi-level", 14: "CIE Lab", 19: "CIE Jab", 20: "e-sRGB", 21: "ROMM RGB", 24: "e-sYCC"}


def decode_jpeg2000(data: bytes, name: str) -> Samples | Jpeg2000Header:
    """Samples of a file; or its header, where Pillow reads the samples as they are: 8 bits, no premultiplied alpha.

    Size and number of images are checked before. Raises ImageError.
    """
    try:
        header = read_jpeg2000_header(data)
    except ValueError as error:
        raise damaged(name, error) from error
    refuse_hdr_profile(name, header.profile)
    if header.enumerated not in (None, _CMYK, _SRGB, _GREY, _SYCC):
        number = header.enumerated or 0
        raise unsupported(name, f"JPEG 2000 in {_OTHERS.get(number, f'colour space {number}')}")
    if header.signed:
        raise unsupported(name, "JPEG 2000 with signed components")
    colours = len(header.bits) - (header.alpha is not None)
    told = header.alpha is not None or len(header.bits) in (1, 3) or header.enumerated == _CMYK
    if header.palette or (set(header.bits) == {8} and told and not header.premultiplied):
        return header
    if len(set(header.bits)) > 1 or max(header.bits) > 16:
        raise unsupported(name, f"JPEG 2000 of {', '.join(map(str, header.bits))} bits")
    if header.subsampled or header.enumerated in (_CMYK, _SYCC):
        raise unsupported(name, f"JPEG 2000 of {header.bits[0]} bits in CMYK or YCbCr, or subsampled")
    try:
        with quiet_decoders():
            # Without the boxes: imagecodecs applies an ICC profile itself, to deep samples wrongly.
            values = imagecodecs.jpeg2k_decode(data[header.codestream :])
    except Exception as error:  # decoders raise whatever a damaged file provokes
        raise damaged(name, error) from error
    values = full_range(values.reshape(*values.shape[:2], -1), header.bits[0])
    if values.shape[2] != len(header.bits) or (header.alpha or 0) >= len(header.bits):
        raise damaged(name, f"{values.shape[2]} components where its header has {len(header.bits)}")
    # Components beyond the colours mean something only where the file says so (box cdef).
    inside = values[:, :, : 1 if colours < 3 else 3]
    if header.alpha is not None:
        alpha = values[:, :, header.alpha, None]
        inside = np.concatenate([straight(inside, alpha) if header.premultiplied else inside, alpha], axis=2)
    space, _ = colour_space(inside.shape[2])
    return Samples(inside, space, header.alpha is not None, header.profile)
