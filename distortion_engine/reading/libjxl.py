"""JPEG XL by libjxl's own interface (jxl/decode.h, versions 0.9 and later), reached through the copy in imagecodecs.

`imagecodecs.jpegxl_decode` returns samples alone: neither how many bits they have, nor their colour space, nor the
black channel of CMYK. libjxl says all of it. Where its functions cannot be called (a wheel that is linked statically),
`decode` is not available and `jpegxl` decides from the header what may be read without them.
"""

import ctypes
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_double,
    c_float,
    c_int,
    c_size_t,
    c_uint8,
    c_uint32,
    c_void_p,
    create_string_buffer,
)
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

_SUCCESS, _NEED_OUTPUT, _BASIC_INFO, _COLOR_ENCODING, _FULL_IMAGE = 0, 5, 0x40, 0x100, 0x1000
_ORIGINAL, _DATA = 0, 1  # JxlColorProfileTarget: what the file says, what the decoder gives
_FLOAT, _UINT8, _UINT16 = 0, 2, 3  # JxlDataType
_TYPES: dict[int, Any] = {_FLOAT: np.float32, _UINT8: np.uint8, _UINT16: np.uint16}
_BLACK = 4  # JxlExtraChannelType
_RGB, _GREY = 0, 1  # JxlColorSpace
_D65 = _SRGB_PRIMARIES = 1
_SRGB_TRANSFER = 13
_HDR = (16, 18)  # PQ and HLG, whose values are given as they are
# JxlPrimaries and JxlWhitePoint -> H.273; P3 with the white of theatres is another number than with D65.
_PRIMARIES = {(1, 1): 1, (9, 1): 9, (11, 1): 12, (11, 11): 11}
_OLDEST = 9000  # of JxlDecoderVersion: 0.9 changed the arguments of the functions for profiles


class _BasicInfo(Structure):
    _fields_ = [
        ("have_container", c_int),
        ("width", c_uint32),
        ("height", c_uint32),
        ("bits", c_uint32),
        ("exponent_bits", c_uint32),
        ("intensity_target", c_float),
        ("min_nits", c_float),
        ("relative_to_max_display", c_int),
        ("linear_below", c_float),
        ("uses_original_profile", c_int),
        ("have_preview", c_int),
        ("have_animation", c_int),
        ("orientation", c_int),
        ("colour_channels", c_uint32),
        ("extra_channels", c_uint32),
        ("alpha_bits", c_uint32),
        ("alpha_exponent_bits", c_uint32),
        ("alpha_premultiplied", c_int),
        ("rest", c_uint8 * 512),  # preview, animation, intrinsic size, padding: 132 bytes today
    ]


class _ColorEncoding(Structure):
    _fields_ = [
        ("color_space", c_int),
        ("white_point", c_int),
        ("white_point_xy", c_double * 2),
        ("primaries", c_int),
        ("primaries_xy", c_double * 6),
        ("transfer_function", c_int),
        ("gamma", c_double),
        ("rendering_intent", c_int),
    ]


class _PixelFormat(Structure):
    _fields_ = [("channels", c_uint32), ("type", c_int), ("endianness", c_int), ("align", c_size_t)]


class _ExtraChannel(Structure):
    _fields_ = [("type", c_int), ("bits", c_uint32), ("exponent_bits", c_uint32), ("rest", c_uint8 * 256)]


_FUNCTIONS: dict[str, list[Any]] = {  # after JxlDecoder; the arguments after the decoder
    "SubscribeEvents": [c_int],
    "SetUnpremultiplyAlpha": [c_int],
    "SetInput": [c_void_p, c_size_t],
    "ProcessInput": [],
    "GetBasicInfo": [POINTER(_BasicInfo)],
    "GetExtraChannelInfo": [c_size_t, POINTER(_ExtraChannel)],
    "GetColorAsEncodedProfile": [c_int, POINTER(_ColorEncoding)],
    "SetPreferredColorProfile": [POINTER(_ColorEncoding)],
    "GetICCProfileSize": [c_int, POINTER(c_size_t)],
    "GetColorAsICCProfile": [c_int, c_void_p, c_size_t],
    "SetImageOutBuffer": [POINTER(_PixelFormat), c_void_p, c_size_t],
    "SetExtraChannelBuffer": [POINTER(_PixelFormat), c_void_p, c_size_t, c_uint32],
}


@dataclass(frozen=True)
class JpegxlImage:
    """What a JPEG XL file holds.

    Args:
        values: (H, W, C) uint8, uint16 or float32 of full scale, upright, alpha not premultiplied: grey or RGB, then
            alpha; or cyan, magenta, yellow and black, all of full scale for full ink, then alpha.
        alpha: whether the last channel is alpha.
        cmyk: whether the others are inks.
        profile: ICC profile of `values`; None where they are sRGB.
        transfer: transfer function that the file names (ITU-T H.273), None where an ICC profile stands for it.
        animated: whether there are several frames; `values` are empty then.
        primaries: of PQ, HLG and linear light, by number of ITU-T H.273; 0 for others.
        nits: what 1 stands for in linear light, cd/m².
    """

    values: np.ndarray
    alpha: bool
    cmyk: bool
    profile: bytes | None
    transfer: int | None
    animated: bool
    primaries: int = _SRGB_PRIMARIES
    nits: float = 0.0


@cache
def load_libjxl() -> ctypes.CDLL | None:
    """The library, or None where its functions cannot be reached."""
    found = find_spec("imagecodecs._jpegxl")
    try:
        if found is None or found.origin is None:
            return None
        library = ctypes.CDLL(found.origin)  # a symbol is also looked up in the libraries that this one is linked with
        if library.JxlDecoderVersion() < _OLDEST:
            return None
        library.JxlDecoderCreate.restype = c_void_p
        for name in ("Destroy", "CloseInput"):
            getattr(library, f"JxlDecoder{name}").argtypes = [c_void_p]
            getattr(library, f"JxlDecoder{name}").restype = None
        for name, arguments in _FUNCTIONS.items():
            getattr(library, f"JxlDecoder{name}").argtypes = [c_void_p, *arguments]
            getattr(library, f"JxlDecoder{name}").restype = c_int
    except (AttributeError, OSError):
        return None
    return library


def decode(data: bytes) -> JpegxlImage:
    """Decodes a codestream or container with `load_libjxl`, which must not have given None.

    Lossy files are asked for in sRGB, others keep the colours they have. Raises ValueError for a damaged file and
    MemoryError.
    """
    library = load_libjxl()
    assert library is not None
    decoder = library.JxlDecoderCreate(None)
    if not decoder:
        raise MemoryError
    try:
        return _Decoding(library, decoder).run(data)
    finally:
        library.JxlDecoderDestroy(decoder)


class _Decoding:
    """One file's way through the decoder; what is learnt at one event is kept for the next."""

    def __init__(self, library: ctypes.CDLL, decoder: int) -> None:
        self._library, self._decoder = library, decoder
        self._info = _BasicInfo()
        self._black_index: int | None = None
        self._profile: bytes | None = None
        self._transfer: int | None = None
        self._primaries = 0
        self._values = self._black = np.empty(0, np.uint8)

    def run(self, data: bytes) -> JpegxlImage:
        self._call("SubscribeEvents", _BASIC_INFO | _COLOR_ENCODING | _FULL_IMAGE)
        self._call("SetUnpremultiplyAlpha", 1)
        self._call("SetInput", data, len(data))
        self._library.JxlDecoderCloseInput(self._decoder)
        whole = False
        while (status := self._library.JxlDecoderProcessInput(self._decoder)) != _SUCCESS:
            if status == _BASIC_INFO:
                self._read_info()
                if self._info.have_animation:
                    return self._image(animated=True)
            elif status == _COLOR_ENCODING:
                self._read_colour()
            elif status == _NEED_OUTPUT:
                self._give_output()
            elif status == _FULL_IMAGE:
                whole = True
            else:
                raise ValueError("the decoder stops inside" if status == 1 else "data end inside")
        if not whole:
            raise ValueError("no frame")
        return self._image(animated=False)

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._library, f"JxlDecoder{name}")(self._decoder, *arguments) != _SUCCESS:
            raise ValueError(f"JxlDecoder{name} fails")

    def _read_info(self) -> None:
        self._call("GetBasicInfo", byref(self._info))
        for index in range(self._info.extra_channels):
            extra = _ExtraChannel()
            self._call("GetExtraChannelInfo", index, byref(extra))
            if extra.type == _BLACK and self._info.colour_channels == 3:
                self._black_index = index

    def _read_colour(self) -> None:
        encoding = _ColorEncoding()
        named = self._library.JxlDecoderGetColorAsEncodedProfile(self._decoder, _ORIGINAL, byref(encoding)) == _SUCCESS
        self._transfer = encoding.transfer_function if named else None
        self._primaries = _PRIMARIES.get((encoding.primaries, encoding.white_point), 0) if named else 0
        if self._transfer in _HDR:
            self._call("SetPreferredColorProfile", byref(encoding))
        elif not self._info.uses_original_profile:
            # XYB inside: libjxl gives any colours that have numbers; what only a profile describes would come out as
            # linear light, too coarse for 8 bits.
            encoding = _ColorEncoding(
                color_space=_GREY if self._info.colour_channels == 1 else _RGB,
                white_point=_D65,
                primaries=_SRGB_PRIMARIES,
                transfer_function=_SRGB_TRANSFER,
                rendering_intent=1,  # relative colorimetric
            )
            self._call("SetPreferredColorProfile", byref(encoding))
        elif (
            named
            and encoding.transfer_function == _SRGB_TRANSFER
            and encoding.white_point == _D65
            and (encoding.color_space == _GREY or encoding.primaries == _SRGB_PRIMARIES)
        ):
            return
        else:
            size = c_size_t()
            self._call("GetICCProfileSize", _DATA, byref(size))
            profile = create_string_buffer(size.value)
            self._call("GetColorAsICCProfile", _DATA, profile, size)
            self._profile = profile.raw

    def _give_output(self) -> None:
        info = self._info
        kind = _FLOAT if info.exponent_bits else _UINT8 if info.bits <= 8 else _UINT16
        layout = _PixelFormat(info.colour_channels + bool(info.alpha_bits), kind, 0, 0)
        self._values = np.empty((info.height, info.width, layout.channels), _TYPES[kind])
        self._call("SetImageOutBuffer", byref(layout), self._values.ctypes.data, self._values.nbytes)
        if self._black_index is not None:
            layout = _PixelFormat(1, kind, 0, 0)
            self._black = np.empty((info.height, info.width, 1), _TYPES[kind])
            self._call(
                "SetExtraChannelBuffer", byref(layout), self._black.ctypes.data, self._black.nbytes, self._black_index
            )

    def _image(self, animated: bool) -> JpegxlImage:
        values, cmyk = self._values, self._black_index is not None and not animated
        if cmyk:  # JPEG XL stores what ink leaves of the light (ISO/IEC 18181-1, annex on extra channels)
            one = 1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
            values = np.dstack([one - values[:, :, :3], one - self._black, values[:, :, 3:]])
        facts = (self._profile, self._transfer, animated, self._primaries, float(self._info.intensity_target))
        return JpegxlImage(values, bool(self._info.alpha_bits), cmyk, *facts)
