"""HEIC and HEIF, through pillow-heif (the extra `heif`): 8 to 12 bits, SDR and HDR."""

from typing import Any

import numpy as np

from distortion_engine.errors import ImageError
from distortion_engine.reading.code_points import profile_of_code_points, refuse_hdr_profile
from distortion_engine.reading.decoder_noise import quiet_decoders
from distortion_engine.reading.extras import extra
from distortion_engine.reading.light import Light
from distortion_engine.reading.notes import Note
from distortion_engine.reading.refusals import check_pixels, damaged
from distortion_engine.reading.samples import Samples, colour_space


def decode_heif(data: bytes, name: str, max_pixels: int) -> Samples:
    """Samples of the primary image, upright. Width and height are checked before decoding. Raises ImageError."""
    library = extra("pillow_heif", "heif", "HEIC", name)
    try:
        with quiet_decoders():
            file = library.open_heif(data, convert_hdr_to_8bit=False)
            image = file[file.primary_index]
            width, height = image.size
            check_pixels(name, width, height, max_pixels)
            values = np.array(np.asarray(image))
    except ImageError:
        raise
    except Exception as error:  # the library raises whatever a damaged file provokes
        raise damaged(name, error) from error
    values = values if values.ndim == 3 else values[:, :, None]
    space, alpha = colour_space(values.shape[2])
    count = len(file)
    notes = (Note("frame", f"the primary one of {count} pictures in the file"),) if count > 1 else ()
    return Samples(values, space, alpha, _colours(image.info, name), notes)


def _colours(info: dict[str, Any], name: str) -> bytes | Light | None:
    """Of the ICC profile, else of the numbers (nclx); sRGB where the file names neither."""
    profile = info.get("icc_profile") or None
    refuse_hdr_profile(name, profile)
    numbers = info.get("nclx_profile")
    if profile is not None or not numbers:
        return profile
    return profile_of_code_points(name, int(numbers["color_primaries"]), int(numbers["transfer_characteristics"]))
