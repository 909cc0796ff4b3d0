"""JPEG XL files to samples: by libjxl where its functions can be reached, else what the header alone makes certain."""

import imagecodecs
import numpy as np

from distortion_engine.errors import ImageError
from distortion_engine.reading import libjxl
from distortion_engine.reading.code_points import (
    HLG,
    LINEAR,
    PQ,
    linear_light,
    profile_of_code_points,
    refuse_hdr_profile,
)
from distortion_engine.reading.decoder_noise import quiet_decoders
from distortion_engine.reading.jpegxl_header import JpegxlHeader, read_jpegxl_header
from distortion_engine.reading.light import Light
from distortion_engine.reading.refusals import check_pixels, damaged, several, unsupported
from distortion_engine.reading.samples import Samples, colour_space, full_range

JPEGXL_STARTS = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")
_CODING_NOISE = 0.05  # how far lossy coding takes floats out of [0, 1]; beyond it they are no SDR values


def decode_jpegxl(data: bytes, name: str, max_pixels: int) -> Samples:
    """Samples of a codestream or container. Width and height are checked before decoding. Raises ImageError."""
    try:
        header = read_jpegxl_header(data)
        check_pixels(name, header.width, header.height, max_pixels)
        if header.animated:
            raise several(name)
        if libjxl.load_libjxl() is None:
            return _by_header(data, name, header)
        image = libjxl.decode(data)
    except ImageError:
        raise
    except Exception as error:  # decoders raise whatever a damaged file provokes
        raise damaged(name, error) from error
    if image.animated:
        raise several(name)
    values, colours = image.values, _colours(image, name)
    if values.dtype.kind == "f" and not isinstance(colours, Light):
        inside = np.clip(values, 0, 1)
        if np.abs(values - inside).max() <= _CODING_NOISE:
            values = inside
        elif image.transfer == LINEAR and image.profile is not None:
            colours = linear_light(image.primaries, image.nits) or colours
    space, _ = colour_space(values.shape[2])
    return Samples(values, "cmyk" if image.cmyk else space, image.alpha, colours)


def _colours(image: libjxl.JpegxlImage, name: str) -> bytes | Light | None:
    """ICC profile of the values, or what they mean as light. Raises ImageError for HDR of other primaries."""
    if image.transfer in (PQ, HLG):
        return profile_of_code_points(name, image.primaries, image.transfer)
    refuse_hdr_profile(name, image.profile)
    return image.profile


def _by_header(data: bytes, name: str, header: JpegxlHeader) -> Samples:
    """What imagecodecs gives, where the header says what it means."""
    if header.bits is None or not header.srgb:
        raise unsupported(name, "JPEG XL with another colour space than sRGB, or special channels (on this system)")
    with quiet_decoders():
        values = imagecodecs.jpegxl_decode(data)
    values = values if values.ndim > 2 else values[:, :, None]
    if values.ndim > 3:
        raise several(name)
    space, alpha = colour_space(values.shape[2])
    return Samples(full_range(values, header.bits), space, alpha, None)
