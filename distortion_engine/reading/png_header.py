"""How a PNG says what its colours are (PNG, third edition, section 11.3.2), beside the ICC profile."""

import struct
from dataclasses import dataclass

from distortion_engine.reading.code_points import D65_SRGB, profile_of_code_points, rgb_profile
from distortion_engine.reading.light import Light
from distortion_engine.reading.refusals import unsupported

PNG_START = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 10_000  # looked at before the pixels
_UNIT = 100_000  # of gAMA and cHRM
_SRGB_GAMMA, _NEAR = 1 / 2.2, 0.005  # the gamma that writers give for the curve of sRGB
_Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class PngColour:
    """The chunks before the pixels.

    Args:
        code_points: primaries, transfer function, matrix and full range of cICP; None where there is none.
        srgb: whether there is sRGB.
        gamma: of gAMA, the exponent of encoding; None where there is none.
        chromaticities: xy of red, green, blue and white of cHRM; None where there is none or it makes no sense.
    """

    code_points: tuple[int, int, int, int] | None = None
    srgb: bool = False
    gamma: float | None = None
    chromaticities: _Chromaticities | None = None


def read_png_colour(data: bytes) -> PngColour:
    """The chunks of a file; what is cut short counts as absent."""
    chunks: dict[bytes, bytes] = {}
    at = len(PNG_START)
    for _ in range(_MOST_CHUNKS):
        if at + 8 > len(data) or data[at + 4 : at + 8] == b"IDAT":
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        chunks.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 12 + length
    points, gamma, places = chunks.get(b"cICP", b""), chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    return PngColour(
        code_points=(points[0], points[1], points[2], points[3]) if len(points) == 4 else None,
        srgb=b"sRGB" in chunks,
        gamma=int.from_bytes(gamma, "big") / _UNIT if len(gamma) == 4 else None,
        chromaticities=as_chromaticities([v / _UNIT for v in struct.unpack(">8I", places)])
        if len(places) == 32
        else None,
    )


def as_chromaticities(values: list[float]) -> _Chromaticities | None:
    """xy of red, green, blue and white, from the order of cHRM: white first; None where they span no colours."""
    white, red, green, blue = ((values[i], values[i + 1]) for i in range(0, 8, 2))
    area = (green[0] - red[0]) * (blue[1] - red[1]) - (blue[0] - red[0]) * (green[1] - red[1])
    if min(values) < 0 or max(values) > 1 or min(y for _, y in (white, red, green, blue)) <= 0 or abs(area) < 1e-4:
        return None
    return red, green, blue, white


def png_profile(name: str, colour: PngColour, profile: bytes | None) -> bytes | Light | None:
    """ICC profile of the pixels: of cICP, else iCCP (`profile`), else none where there is sRGB, else of gAMA and cHRM.

    HDR is light. Raises ImageError for code points without a meaning here.
    """
    if colour.code_points is not None:
        primaries, transfer, matrix, full = colour.code_points
        if matrix or not full:
            raise unsupported(name, "PNG in YCbCr or of narrow range (cICP)")
        return profile_of_code_points(name, primaries, transfer)
    if profile is not None or colour.srgb or (colour.gamma is None and colour.chromaticities is None):
        return profile
    gamma = None if colour.gamma is None or abs(colour.gamma - _SRGB_GAMMA) < _NEAR else colour.gamma
    if gamma is not None and not 0.1 <= gamma <= 10:
        return None  # no curve of any picture
    return rgb_profile(colour.chromaticities or D65_SRGB, None if gamma is None else 1 / gamma)
