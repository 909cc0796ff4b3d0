"""ICC profiles of RGB by matrix: their primaries, and whether their values are linear light."""

import struct

import numpy as np

_D50 = np.array([0.9642, 1.0, 0.8249])  # of the profile connection space
_D65_XY = (0.3127, 0.3290)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def chromaticities_of(profile: bytes) -> tuple[tuple[float, float], ...] | None:
    """xy of red, green, blue and of the white, D65, to which the colorants are adapted; None without a matrix."""
    columns = [_xyz(_tag(profile, key)) for key in (b"rXYZ", b"gXYZ", b"bXYZ")]
    if any(column is None for column in columns):
        return None
    x, y = _D65_XY
    white = np.array([x / y, 1.0, (1 - x - y) / y])
    adapted = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ white) / (_BRADFORD @ _D50)) @ _BRADFORD
    places = [adapted @ column for column in columns]
    return (*((float(p[0] / p.sum()), float(p[1] / p.sum())) for p in places), _D65_XY)


def is_linear(profile: bytes) -> bool:
    """Whether the three curves are the identity."""
    return all(_identity(_tag(profile, key)) for key in (b"rTRC", b"gTRC", b"bTRC"))


def _tag(profile: bytes, key: bytes) -> bytes:
    """The content of a tag (ICC.1:2022, section 7.3); empty where there is none."""
    count = int.from_bytes(profile[128:132], "big")
    for entry in range(132, 132 + 12 * min(count, 100), 12):
        if profile[entry : entry + 4] == key and len(profile) >= entry + 12:
            start, size = struct.unpack_from(">II", profile, entry + 4)
            return profile[start : start + size]
    return b""


def _xyz(tag: bytes) -> np.ndarray | None:
    if len(tag) < 20 or tag[:4] != b"XYZ ":
        return None
    return np.array(struct.unpack_from(">3i", tag, 8)) / 65536


def _identity(tag: bytes) -> bool:
    if tag[:4] == b"curv" and len(tag) >= 12:
        count = int.from_bytes(tag[8:12], "big")
        if count == 0:
            return True
        if count == 1:
            return tag[12:14] == b"\x01\x00"
        points = np.frombuffer(tag[12 : 12 + 2 * count], ">u2")
        return len(points) == count and bool(np.abs(points - np.linspace(0, 65535, count)).max() <= 1)
    return tag[:4] == b"para" and tag[8:10] == b"\0\0" and tag[12:16] == b"\0\1\0\0"
