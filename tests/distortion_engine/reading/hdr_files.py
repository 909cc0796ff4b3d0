"""HDR files whose light is known, made by formulas that are written out here once more."""

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np

REFERENCE_WHITE = 203.0


def scene(height: int = 32, width: int = 48) -> np.ndarray:
    """Light in cd/m² (H, W, 3) of BT.2020: grey bars from 0.05 to 4000 above, colours below."""
    nits = np.empty((height, width, 3))
    nits[:] = np.repeat([0.05, 1.0, 10.0, 100.0, 203.0, 1000.0, 2000.0, 4000.0], width // 8)[None, :, None]
    nits[height // 2 :, : width // 2] = 300, 200, 100
    nits[height // 2 :, width // 2 :] = 5, 10, 20
    return nits


def pq(nits: np.ndarray) -> np.ndarray:
    """ST 2084, equation 5.2: code of light."""
    y = (np.asarray(nits, np.float64) / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg(nits: np.ndarray) -> np.ndarray:
    """BT.2100, tables 5: code of light on a display of 1000 cd/m² that shows RGB of BT.2020."""
    luma = nits @ np.array([0.2627, 0.6780, 0.0593])
    scene = nits / 1000 * (np.maximum(luma, 1e-12)[..., None] / 1000) ** ((1 - 1.2) / 1.2)
    low = np.sqrt(3 * scene)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, low, high)


def shown(nits: np.ndarray, bt2020: bool = True) -> np.ndarray:
    """What is compared: light of BT.709 on a display of 1000 cd/m², by PU21, over its value at 1000."""
    matrix = np.array(  # ITU-R BT.2087, equation for linear RGB of BT.2020 to BT.709
        [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
    )
    light = nits @ matrix.T if bt2020 else nits
    return pu(np.clip(light, 0.005, 1000)) / pu(np.array(1000.0))


def pu(nits: np.ndarray) -> np.ndarray:
    """PU21, as its paper prints it."""
    power = nits**0.9062562627
    inner = (0.353487901 + 0.3734658629 * power) / (1 + 0.00008277049286 * power)
    return 596.3148142 * (inner**0.09150303166 - 0.9099517204)


def srgb(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)


def write_png(path: Path, code: np.ndarray, transfer: int, primaries: int = 9) -> Path:
    """PNG of 16 bits with cICP of codes in [0, 1]."""
    data = imagecodecs.png_encode(np.round(code * 65535).astype(np.uint16))
    content = bytes([primaries, transfer, 0, 1])
    crc = zlib.crc32(b"cICP" + content)
    path.write_bytes(data[:33] + struct.pack(">I", 4) + b"cICP" + content + struct.pack(">I", crc) + data[33:])
    return path


def linear_profile(primaries: tuple[float, ...] = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)) -> bytes:
    """ICC profile of linear RGB with the white D65."""
    points = [value for i in (0, 2, 4) for value in (*primaries[i : i + 2], 1)]
    return bytes(imagecodecs.cms_profile("rgb", whitepoint=[0.3127, 0.3290, 1], primaries=points, gamma=1.0))


def write_tiff(path: Path, light: np.ndarray) -> Path:
    """TIFF of 32 bit floats, linear light of BT.709 where 1 is the reference white."""
    values = (light / REFERENCE_WHITE).astype(np.float32)
    path.write_bytes(imagecodecs.tiff_encode(values, photometric="rgb", iccprofile=linear_profile()))
    return path


def write_gain_map(path: Path, light: np.ndarray) -> Path:
    """JPEG with a gain map of light, which libultrahdr takes for Display P3."""
    linear = np.dstack([light / REFERENCE_WHITE, np.ones(light.shape[:2])]).astype(np.float16)
    path.write_bytes(imagecodecs.ultrahdr_encode(linear))
    return path


def write_dng(path: Path, linear: np.ndarray) -> Path:
    """DNG of linear RGB (H, W, 3) in [0, 1] of BT.709: a Bayer mosaic RGGB whose camera is that of sRGB."""
    height, width, _ = linear.shape
    mosaic = linear[:, :, 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = linear[::2, ::2, 0], linear[1::2, 1::2, 2]
    pixels = np.round(mosaic * 60000).astype("<u2").tobytes()
    of_xyz = np.linalg.inv(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    matrix = b"".join(struct.pack("<ii", round(value * 10000), 10000) for value in of_xyz.ravel())
    neutral = b"".join(struct.pack("<II", 1, 1) for _ in range(3))
    tags = [  # tag, type, count, value
        (254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 32803),
        (271, 2, 5, b"Made\0"), (272, 2, 5, b"Here\0"), (273, 4, 1, b"strip"), (274, 3, 1, 1), (277, 3, 1, 1),
        (278, 4, 1, height), (279, 4, 1, len(pixels)), (284, 3, 1, 1), (33421, 3, 2, 2 | 2 << 16),
        (33422, 1, 4, 0 | 1 << 8 | 1 << 16 | 2 << 24),
        (50706, 1, 4, 1 | 4 << 8), (50708, 2, 10, b"Made Here\0"), (50714, 3, 1, 0), (50717, 4, 1, 60000),
        (50721, 10, 9, matrix), (50728, 5, 3, neutral), (50778, 3, 1, 21),
    ]  # fmt: skip
    start = 8 + 2 + 12 * len(tags) + 4
    extra, entries = b"", b""
    for tag, kind, count, value in tags:
        if value == b"strip":
            place = -1
        elif isinstance(value, bytes):
            place = start + len(extra)
            extra += value + bytes(len(value) % 2)
        else:
            place = value
        entries += struct.pack("<HHII", tag, kind, count, place & 0xFFFFFFFF)
    entries = entries.replace(
        struct.pack("<HHII", 273, 4, 1, 0xFFFFFFFF), struct.pack("<HHII", 273, 4, 1, start + len(extra))
    )
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + extra + pixels)
    return path
