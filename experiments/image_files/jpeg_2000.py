"""JPEG 2000 files by opj_compress and their values by opj_decompress (OpenJPEG 2.5.0), with boxes changed by hand."""

from __future__ import annotations

import struct

import numpy as np

from experiments.image_files.workshop import (
    CONVERT,
    HEIGHT,
    ICC,
    WIDTH,
    Case,
    Workshop,
    alpha_ramp,
    over_white,
    picture,
    rgb_of,
)

_MADE = "opj_compress, opj_decompress"
_SRGB_BOX = struct.pack(">I4s3BI", 15, b"colr", 1, 0, 0, 16)


def make_jpeg_2000(shop: Workshop) -> None:
    """Depths of 1 to 4 components, codestreams, ICC profiles, kinds of alpha, other colour spaces."""
    rgb, alpha = picture(), alpha_ramp()
    for bits in (4, 8, 10, 12, 16):
        for stem, values in ((f"rgb{bits}", rgb), (f"grey{bits}", rgb[:, :, 1:2])):
            decoded = _made(shop, f"{stem}.jp2", values, bits)
            shop.add(Case(f"{stem}.jp2", str(bits), "none", "sRGB", "1", _MADE, 0.1), rgb_of(decoded))
        decoded = _made(shop, f"rgba{bits}.jp2", np.dstack([rgb, alpha]), bits)
        _edit(shop, f"rgba{bits}.jp2", _SRGB_BOX + _channels(1))
        case = Case(f"rgba{bits}.jp2", str(bits), "straight", "sRGB", "1", _MADE, 0.1)
        shop.add(case, over_white(decoded[:, :, :3], decoded[:, :, 3:]))
        decoded = _made(shop, f"rgba{bits}_premultiplied.jp2", np.dstack([rgb * alpha, alpha]), bits)
        _edit(shop, f"rgba{bits}_premultiplied.jp2", _SRGB_BOX + _channels(2))
        case = Case(f"rgba{bits}_premultiplied.jp2", str(bits), "premultiplied", "sRGB", "1", _MADE, 0.6)
        # Rounding may leave more colour than its alpha allows.
        shop.add(case, np.minimum(decoded[:, :, :3], decoded[:, :, 3:]) + 1 - decoded[:, :, 3:])
        decoded = _made(shop, f"rgb{bits}_spot.jp2", np.dstack([rgb, alpha]), bits)
        case = Case(f"rgb{bits}_spot.jp2", str(bits), "none, a fourth of no meaning", "sRGB", "1", _MADE, 0.1)
        shop.add(case, decoded[:, :, :3])
    for bits in (8, 12):
        decoded = _made(shop, f"codestream{bits}.j2k", rgb, bits)
        shop.add(Case(f"codestream{bits}.j2k", str(bits), "none", "none, a codestream", "1", _MADE, 0.1), decoded)
        shop.run(
            CONVERT, shop.png("rgb.png", rgb), "-profile", ICC / "srgb.icc", "-profile", ICC / "a98.icc", "a98.png"
        )
        profile = (ICC / "a98.icc").read_bytes()
        name = f"rgb{bits}_adobe_rgb.jp2"
        decoded = _made(shop, name, shop.plain(shop.work / "a98.png"), bits)
        _edit(shop, name, struct.pack(">I4s3B", 11 + len(profile), b"colr", 2, 0, 0) + profile)
        shop.run(CONVERT, shop.png("d.png", decoded), "-profile", ICC / "a98.icc", "tagged.png")
        case = Case(name, str(bits), "none", "Adobe RGB, ICC profile", "1", _MADE, 0.5)
        shop.add(case, shop.by_profile(shop.work / "tagged.png"))
    for name, number, said in (("lab", 14, "CIE Lab"), ("e_srgb", 20, "e-sRGB"), ("unknown", 99, "colour space 99")):
        _made(shop, f"{name}.jp2", rgb, 8)
        _edit(shop, f"{name}.jp2", struct.pack(">I4s3BI", 15, b"colr", 1, 0, 0, number))
        shop.add(Case(f"{name}.jp2", "8", "none", said, "1", _MADE, None, f"JPEG 2000 in {said} is not read"))
    _made(shop, "signed.jp2", rgb, 8, "s")
    shop.add(Case("signed.jp2", "8, signed", "none", "sRGB", "1", _MADE, None, "signed components is not read"))


def _made(shop: Workshop, name: str, values: np.ndarray, bits: int, sign: str = "u") -> np.ndarray:
    """Encodes (H, W, C) losslessly; the values that opj_decompress gives, in [0, 1]."""
    kind = np.dtype("u1" if bits <= 8 else "<u2")
    whole = np.round(values * ((1 << bits) - 1))
    np.moveaxis(whole, -1, 0).astype(kind).tofile(shop.work / "in.rawl")
    layout = f"{WIDTH},{HEIGHT},{values.shape[2]},{bits},{sign}"
    shop.run("opj_compress", "-n", "3", "-F", layout, "-i", "in.rawl", "-o", shop.out / name)
    shop.run("opj_decompress", "-i", shop.out / name, "-o", "out.rawl")
    decoded = np.fromfile(shop.work / "out.rawl", kind).reshape(values.shape[2], HEIGHT, WIDTH)
    return np.moveaxis(decoded, 0, -1) / ((1 << bits) - 1)


def _channels(meaning: int) -> bytes:
    """A box cdef: red, green, blue, then alpha (1 straight, 2 premultiplied)."""
    entries = [(0, 0, 1), (1, 0, 2), (2, 0, 3), (3, meaning, 0)]
    return struct.pack(">I4sH", 34, b"cdef", 4) + b"".join(struct.pack(">3H", *entry) for entry in entries)


def _edit(shop: Workshop, name: str, boxes: bytes) -> None:
    """Puts other boxes in the place of the one for colour."""
    path = shop.out / name
    data = path.read_bytes()
    head, colour = data.index(b"jp2h") - 4, data.index(b"colr") - 4
    length = int.from_bytes(data[head : head + 4], "big")
    size = int.from_bytes(data[colour : colour + 4], "big")
    inside = data[head + 8 : colour] + boxes + data[colour + size : head + length]
    path.write_bytes(data[:head] + struct.pack(">I4s", 8 + len(inside), b"jp2h") + inside + data[head + length :])
