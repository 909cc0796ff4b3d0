"""Samples as they are asked of ffmpeg, and RGB of full range of them.

Of YUV with 8 bits and of RGB, ffmpeg gives RGB. Its converter makes white of deeper YUV darker (by 0.4 % in version 9),
and leaves grey of limited range as it is. So these come as they are, with chroma enlarged alone, and are converted here
by the equations of ITU-T H.273, section 8.3.
"""

import re

import numpy as np
from jaxtyping import UInt8, UInt16

KR_KB = {
    "bt709": (0.2126, 0.0722), "bt470": (0.299, 0.114), "smpte170m": (0.299, 0.114), "smpte240m": (0.212, 0.087),
    "fcc": (0.30, 0.11), "bt2020": (0.2627, 0.0593),
}  # fmt: skip
"""Weights of red and blue in luma, by the matrix as the converter of ffmpeg names it."""
_BITS = {9: 9, 10: 10, 12: 12, 14: 14, 16: 16, 20: 10, 30: 10, 32: 16, 36: 12, 48: 16, 64: 16}
"""Bits of a sample by the last digits of a pixel format: nv20le and xv30le have 10, floats are taken as 16."""
RGB = ("gbr", "rgb", "bgr", "x2", "0", "argb", "abgr", "pal8", "mono")
GREY = ("gray", "ya")


def bits_of(pixel_format: str) -> int:
    """Bits of a sample, 8 to 16, of a pixel format as ffmpeg names it."""
    found = re.search(r"(\d{1,2})(le|be)$", pixel_format)
    return 8 if found is None else _BITS.get(int(found[1]), 8)


def asked_format(pixel_format: str, matrix: str | None, deep: bool) -> str:
    """The pixel format to ask of ffmpeg.

    Args:
        pixel_format: of the stream.
        matrix: a key of KR_KB; None for RGB and grey.
        deep: whether 16 bits are wanted.
    """
    bits = bits_of(pixel_format)
    depth = f"{bits}le" if bits > 8 else ""
    if pixel_format.startswith(GREY):
        return f"gray{depth}"
    if matrix is not None and deep:
        return f"yuv444p{depth}"
    return "rgb48le" if deep else "rgb24"


def empty_frame(asked: str, height: int, width: int) -> np.ndarray:
    """Room for one frame of an asked format."""
    kind = "u1" if bits_of(asked) == 8 else "<u2"
    if asked.startswith("gray"):
        return np.empty((height, width), kind)
    return np.empty((3, height, width) if asked.startswith("yuv") else (height, width, 3), kind)


def to_rgb(
    values: np.ndarray, asked: str, matrix: str | None, limited: bool
) -> UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w 3"]:
    """RGB of full range: uint8 of 8 bits of grey or RGB, else uint16.

    Args:
        values: a frame of the asked format.
        asked: as of `asked_format`.
        matrix: a key of KR_KB, where it is YUV.
        limited: whether black is 16 and white 235 of 255.
    """
    if not asked.startswith(("gray", "yuv")):
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    bits = bits_of(asked)
    step = 1 << (bits - 8)
    low, span, spread = (16 * step, 219 * step, 224 * step) if limited else (0, (1 << bits) - 1, (1 << bits) - 1)
    luma = (values if values.ndim == 2 else values[0]).astype(np.float32)
    luma = (luma - np.float32(low)) / np.float32(span)
    if asked.startswith("gray"):
        kind, top = (np.uint8, 255) if bits == 8 else (np.uint16, 65535)
        grey = np.rint(np.clip(luma, 0, 1) * np.float32(top)).astype(kind)
        return np.repeat(grey[..., None], 3, axis=2)
    kr, kb = KR_KB[str(matrix)]
    blue, red = ((values[i].astype(np.float32) - np.float32(128 * step)) / np.float32(spread) for i in (1, 2))
    out = np.empty((*luma.shape, 3), np.uint16)
    r, b = luma + np.float32(2 * (1 - kr)) * red, luma + np.float32(2 * (1 - kb)) * blue
    g = (luma - np.float32(kr) * r - np.float32(kb) * b) / np.float32(1 - kr - kb)
    for channel, plane in enumerate((r, g, b)):
        out[..., channel] = np.rint(np.clip(plane, 0, 1) * np.float32(65535))
    return out
