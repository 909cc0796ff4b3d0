"""Colour by number: code points of ITU-T H.273, which PNG (cICP), AVIF (nclx), JPEG XL and ICC (cicp) use."""

from functools import lru_cache

import imagecodecs
import numpy as np

from distortion_engine.reading.light import Light
from distortion_engine.reading.refusals import unsupported

SRGB_PRIMARIES, BT2020_PRIMARIES, SRGB_TRANSFER, LINEAR, UNSPECIFIED = 1, 9, 13, 8, 2
PQ, HLG = 16, 18
_HDR = {PQ: "PQ (SMPTE ST 2084)", HLG: "HLG (ARIB STD-B67)"}
_D65, _ILLUMINANT_C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_PRIMARIES = {  # H.273, table 2: red, green, blue, white
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    4: ((0.670, 0.330), (0.210, 0.710), (0.140, 0.080), _ILLUMINANT_C),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
D65_SRGB = _PRIMARIES[1]
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}  # H.273, table 3
# The curve of BT.709 and its twins is one of cameras; screens show such pictures by another. Programs differ in which:
# by the curve of sRGB here, as Chromium shows AVIF and as all do that do not manage colours.
_SHOWN_AS_SRGB = (1, 6, SRGB_TRANSFER, 14, 15)
_CURVE_POINTS = 4096  # of a tabulated curve: misses by less than 0.04 of 255


def refuse_hdr(name: str, transfer: int | None) -> None:
    """Raises ImageError where the transfer function is PQ or HLG: their values are no SDR values."""
    if transfer in _HDR:
        raise unsupported(name, f"HDR with transfer function {_HDR[transfer]}", "tone-map it to sRGB first")


def refuse_light(name: str, light: Light) -> None:
    """Raises ImageError: HDR where sRGB is asked for."""
    what = {"PQ": _HDR[PQ], "HLG": _HDR[HLG]}.get(light.transfer)
    remedy = "riqa compare, rank and score --reference read it; for other uses tone-map it to sRGB first"
    raise unsupported(name, f"HDR with transfer function {what}" if what else "HDR in linear light", remedy)


def refuse_hdr_profile(name: str, profile: bytes | None) -> None:
    """Raises ImageError where an ICC profile says by its tag cicp (ICC.1:2022, section 9.2.17) that it is PQ or HLG."""
    count = int.from_bytes(profile[128:132], "big") if profile else 0
    for entry in range(132, 132 + 12 * min(count, 100), 12):
        if profile and profile[entry : entry + 4] == b"cicp":
            at = int.from_bytes(profile[entry + 4 : entry + 8], "big")
            refuse_hdr(name, (profile[at + 9 : at + 10] or b"\0")[0])


def profile_of_code_points(name: str, primaries: int, transfer: int) -> bytes | Light | None:
    """ICC profile of RGB with these code points; None for sRGB and for what is not specified. HDR is light, of BT.2020
    where primaries are not specified. Raises ImageError for numbers without a meaning here."""
    if transfer in _HDR:
        chosen = BT2020_PRIMARIES if primaries == UNSPECIFIED else primaries
        if chosen in _PRIMARIES:
            return Light("PQ" if transfer == PQ else "HLG", _PRIMARIES[chosen])
    primaries = SRGB_PRIMARIES if primaries == UNSPECIFIED else primaries
    transfer = SRGB_TRANSFER if transfer == UNSPECIFIED else transfer
    if primaries not in _PRIMARIES or (transfer not in _SHOWN_AS_SRGB and transfer not in _GAMMAS):
        raise unsupported(name, f"colour of primaries {primaries} and transfer function {transfer} (ITU-T H.273)")
    if primaries == SRGB_PRIMARIES and transfer in _SHOWN_AS_SRGB:
        return None
    return rgb_profile(_PRIMARIES[primaries], _GAMMAS.get(transfer))


def linear_light(primaries: int, nits: float) -> Light | None:
    """Linear light of primaries by number, of which 1 is `nits` cd/m²; None for primaries without a meaning here."""
    return Light("linear", _PRIMARIES[primaries], nits) if primaries in _PRIMARIES else None


@lru_cache(maxsize=32)
def rgb_profile(chromaticities: tuple[tuple[float, float], ...], gamma: float | None = None) -> bytes:
    """ICC profile of RGB.

    Args:
        chromaticities: xy of red, green, blue and white.
        gamma: exponent of decoding; None for the curve of sRGB.
    """
    *primaries, white = chromaticities
    curve = {"gamma": gamma} if gamma is not None else {"transferfunction": _srgb_curve()}
    points = [value for x, y in primaries for value in (x, y, 1)]
    return bytes(imagecodecs.cms_profile("rgb", whitepoint=[*white, 1], primaries=points, **curve))


def _srgb_curve() -> np.ndarray:
    """Linear light of encoded values (IEC 61966-2-1), 0 to 65535."""
    encoded = np.linspace(0, 1, _CURVE_POINTS)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return np.round(linear * 65535).astype(np.uint16)
