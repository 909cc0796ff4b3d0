"""JPEG with a gain map (ISO 21496-1, Ultra HDR): its HDR rendition, for those who ask for it."""

import imagecodecs
import numpy as np

from distortion_engine.reading.decoder_noise import quiet_decoders
from distortion_engine.reading.icc_matrix import chromaticities_of
from distortion_engine.reading.light import REFERENCE_WHITE_NITS, Light
from distortion_engine.reading.refusals import damaged
from distortion_engine.reading.samples import Samples

_MARKS = (b"urn:iso:std:iso:ts:21496:-1", b"hdrgm:Version")


def has_gain_map(data: bytes) -> bool:
    """Whether a JPEG says that it has one."""
    return any(mark in data for mark in _MARKS)


def decode_gain_map(data: bytes, name: str, profile: bytes | None) -> Samples:
    """Linear light of the whole gain, 1 at the white of the SDR picture; as stored, not turned upright.

    Args:
        data: the file.
        name: for messages.
        profile: ICC profile of its SDR picture.

    Raises:
        ImageError: for a gain map that is damaged.
    """
    try:
        with quiet_decoders():
            values = imagecodecs.ultrahdr_decode(data, dtype=np.float16)
    except Exception as error:  # decoders raise whatever a damaged file provokes
        raise damaged(name, error) from error
    found = chromaticities_of(profile) if profile else None
    light = Light(
        "linear", **({"chromaticities": found} if found else {}), nits=REFERENCE_WHITE_NITS, source="gain map"
    )
    return Samples(np.ascontiguousarray(values[:, :, :3], np.float32), "rgb", False, light)
