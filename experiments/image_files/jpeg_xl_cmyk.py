"""CMYK as JPEG XL, which cjxl does not write: by libjxl's interface (jxl/encode.h)."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_size_t, c_uint8, c_uint32, c_void_p
from importlib.util import find_spec

import numpy as np

_BLACK, _UINT8 = 4, 2  # JxlExtraChannelType, JxlDataType
_WIDTH, _BITS, _ORIGINAL, _COLOURS, _EXTRAS = 4, 12, 36, 52, 56  # offsets in JxlBasicInfo


def encode_cmyk(ink: np.ndarray, profile: bytes) -> bytes:
    """A lossless codestream. `ink`: (H, W, 4) uint8, 255 for full ink, which JPEG XL stores as 0."""
    found = find_spec("imagecodecs._jpegxl")
    assert found is not None and found.origin is not None
    library = ctypes.CDLL(found.origin)
    for name in ("JxlEncoderCreate", "JxlEncoderFrameSettingsCreate"):
        getattr(library, name).restype = c_void_p
    encoder = c_void_p(library.JxlEncoderCreate(None))
    info = (c_uint8 * 1024)()
    library.JxlEncoderInitBasicInfo(info)
    for offset, value in {
        _WIDTH: ink.shape[1],
        _WIDTH + 4: ink.shape[0],
        _BITS: 8,
        _ORIGINAL: 1,
        _COLOURS: 3,
        _EXTRAS: 1,
    }.items():
        c_uint32.from_buffer(info, offset).value = value
    extra = (c_uint8 * 512)()
    library.JxlEncoderInitExtraChannelInfo(_BLACK, extra)
    _call(library.JxlEncoderSetBasicInfo(encoder, info))
    _call(library.JxlEncoderSetExtraChannelInfo(encoder, c_size_t(0), extra))
    _call(library.JxlEncoderSetICCProfile(encoder, profile, c_size_t(len(profile))))
    settings = c_void_p(library.JxlEncoderFrameSettingsCreate(encoder, None))
    _call(library.JxlEncoderSetFrameLossless(settings, 1))
    for planes, channels in ((ink[:, :, :3], 3), (ink[:, :, 3:], 1)):
        light = (255 - planes).tobytes()
        layout = (c_uint32 * 6)(channels, _UINT8)
        if channels == 3:
            _call(library.JxlEncoderAddImageFrame(settings, layout, light, c_size_t(len(light))))
        else:
            _call(library.JxlEncoderSetExtraChannelBuffer(settings, layout, light, c_size_t(len(light)), c_uint32(0)))
    library.JxlEncoderCloseInput(encoder)
    out = (c_uint8 * (1 << 20))()
    place, left = c_void_p(ctypes.addressof(out)), c_size_t(len(out))
    _call(library.JxlEncoderProcessOutput(encoder, byref(place), byref(left)))
    library.JxlEncoderDestroy(encoder)
    return bytes(out[: len(out) - left.value])


def _call(status: int) -> None:
    if status:
        raise RuntimeError(f"libjxl: {status}")
