"""PNG files by ImageMagick (libpng 1.6.39), with chunks added; values by ImageMagick and by closed forms."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from experiments.image_files.workshop import (
    BT2020_TO_SRGB,
    CONVERT,
    ICC,
    P3_TO_SRGB,
    Case,
    Workshop,
    alpha_ramp,
    over_white,
    picture,
    read_png,
    srgb_encoded,
    to_srgb_from,
)

_MADE, _FORM = "ImageMagick", "chunks by hand, closed form"
_P3_PLACES = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
_SRGB_PLACES = (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)


def make_png(shop: Workshop) -> None:
    """Depths, colour types, kinds of transparency, interlacing, orientation; profiles and colour chunks."""
    rgb, alpha = picture(), alpha_ramp()
    deep = shop.png("deep.png", rgb)
    deep_alpha = shop.png("deep_alpha.png", np.dstack([rgb, alpha]))
    shop.run(CONVERT, deep, "-colorspace", "gray", "-depth", "16", "grey.png")
    shop.run(CONVERT, deep_alpha, "-colorspace", "gray", "-depth", "16", "grey_alpha.png")
    for stem, source, options in (
        ("rgb8", "deep", ["PNG24:"]),
        ("rgb16", "deep", ["PNG48:"]),
        ("rgb16_interlaced", "deep", ["-interlace", "PNG", "PNG48:"]),
        ("rgba8", "deep_alpha", ["PNG32:"]),
        ("rgba16", "deep_alpha", ["PNG64:"]),
        ("palette", "deep", ["-colors", "32", "PNG8:"]),
        ("palette_with_transparency", "deep_alpha", ["-colors", "32", "-transparent", "red", "PNG8:"]),
        ("rgb8_transparent_colour", "deep", ["-depth", "8", "-transparent", "red", "PNG24:"]),
        ("rgb16_transparent_colour", "deep", ["-transparent", "red", "PNG48:"]),
        *((f"grey{bits}", "grey", ["-depth", str(bits), "-define", "png:color-type=0"]) for bits in (1, 2, 4, 8, 16)),
        *(
            (f"grey_alpha{bits}", "grey_alpha", ["-depth", str(bits), "-define", "png:color-type=4"])
            for bits in (8, 16)
        ),
    ):
        target = shop.out / f"{stem}.png"
        prefix = options.pop() if options[-1].endswith(":") else ""
        if stem.startswith("grey") and "alpha" not in stem:
            options = [*options, "-define", f"png:bit-depth={stem.removeprefix('grey')}"]
        shop.run(CONVERT, shop.work / f"{source}.png", *options, f"{prefix}{target}")
        data = target.read_bytes()
        target.write_bytes(_without(data, (b"gAMA", b"cHRM")))
        clear = "straight" if "alpha" in source or "transparent" in stem else "none"
        case = Case(f"{stem}.png", str(data[24]), clear, "sRGB", "1", _MADE, 0.1)
        shop.add(case, over_white(*shop.rgba(target)))
    for orientation in (2, 5, 8):
        target = shop.out / f"rgb16_turned_{orientation}.png"
        exif = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0" + bytes([orientation]) + bytes(7)
        target.write_bytes(_with(deep.read_bytes(), (b"eXIf", exif)))
        shop.run(CONVERT, target, "-orient", _WORDS[orientation], "-auto-orient", "turned.png")
        case = Case(target.name, "16", "none", "sRGB", str(orientation), "ImageMagick", 0.1)
        shop.add(case, shop.plain(shop.work / "turned.png"))
    for bits in (8, 16):
        target = shop.out / f"rgb{bits}_adobe_rgb.png"
        profiles = ["-profile", ICC / "srgb.icc", "-profile", ICC / "a98.icc"]
        shop.run(CONVERT, deep, "-depth", str(bits), *profiles, f"PNG{3 * bits}:{target}")
        case = Case(target.name, str(bits), "none", "Adobe RGB, ICC profile", "1", _MADE, 0.5)
        shop.add(case, shop.by_profile(target))
    stored = read_png(deep)
    p3, linear, gamma_18 = to_srgb_from(P3_TO_SRGB, stored), srgb_encoded(stored), srgb_encoded(stored**1.8)
    p3_linear = srgb_encoded(stored @ P3_TO_SRGB.T)
    wide = to_srgb_from(BT2020_TO_SRGB, stored)
    for stem, words, expected, chunks in (
        ("cicp_srgb", "sRGB, cICP", stored, [_cicp(1, 13)]),
        ("cicp_p3", "Display P3, cICP", p3, [_cicp(12, 13)]),
        ("cicp_before_srgb", "Display P3, cICP beside sRGB", p3, [(b"sRGB", b"\0"), _cicp(12, 13)]),
        ("cicp_2020", "BT.2020, cICP", wide, [_cicp(9, 14)]),
        ("cicp_linear", "linear sRGB, cICP", linear, [_cicp(1, 8)]),
        ("gama_linear", "linear sRGB, gAMA", linear, [_gama(1.0)]),
        ("gama_18", "gamma 1.8, gAMA", gamma_18, [_gama(1 / 1.8)]),
        ("gama_srgb", "sRGB, gAMA and cHRM", stored, [_gama(1 / 2.2), _chrm(*_SRGB_PLACES)]),
        ("srgb_before_gama", "sRGB beside gAMA", stored, [(b"sRGB", b"\0"), _gama(1.0)]),
        ("chrm_p3", "Display P3, cHRM", p3, [_chrm(*_P3_PLACES)]),
        ("chrm_p3_gama_srgb", "Display P3, cHRM and gAMA", p3, [_gama(1 / 2.2), _chrm(*_P3_PLACES)]),
        ("chrm_p3_linear", "linear Display P3, cHRM and gAMA", p3_linear, [_gama(1.0), _chrm(*_P3_PLACES)]),
        ("chrm_of_no_colours", "sRGB, cHRM of zeros", stored, [_chrm(*[0] * 8)]),
    ):
        (shop.out / f"{stem}.png").write_bytes(_with(deep.read_bytes(), *chunks))
        shop.add(Case(f"{stem}.png", "16", "none", words, "1", _FORM, 0.4), expected)
    for stem, said, chunk in (
        ("cicp_pq", "function PQ (", _cicp(9, 16)),
        ("cicp_hlg", "function HLG (", _cicp(9, 18)),
        ("cicp_narrow", "of narrow range (cICP)", (b"cICP", bytes([1, 13, 0, 0]))),
        ("cicp_unknown", "primaries 200 and transfer function 13 (ITU-T H.273)", _cicp(200, 13)),
    ):
        (shop.out / f"{stem}.png").write_bytes(_with(deep.read_bytes(), chunk))
        shop.add(Case(f"{stem}.png", "16", "none", "cICP", "1", _FORM, None, said))


_WORDS = {2: "TopRight", 5: "LeftTop", 8: "LeftBottom"}


def _cicp(primaries: int, transfer: int) -> tuple[bytes, bytes]:
    return b"cICP", bytes([primaries, transfer, 0, 1])


def _gama(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def _chrm(*places: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(place * 100_000) for place in places))


def _with(data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """The file with chunks after IHDR."""
    added = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return data[:33] + added + data[33:]


def _without(data: bytes, kinds: tuple[bytes, ...]) -> bytes:
    """The file without chunks of some kinds, which ImageMagick writes and does not read back."""
    out, at = data[:8], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] not in kinds:
            out += data[at : at + 12 + length]
        at += 12 + length
    return out
