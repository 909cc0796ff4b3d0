"""TIFF files by tifffile and their values by ImageMagick 6 (libtiff 4.5), or what went in where that cannot read."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import tifffile

from experiments.image_files.workshop import CONVERT, ICC, Case, Workshop, alpha_ramp, over_white, picture

_MADE, _LOSSLESS = "tifffile, ImageMagick", "tifffile, lossless"


def make_tiff(shop: Workshop) -> None:
    """Depths, photometric interpretations, kinds of alpha, planes, byte orders, compressions."""
    rgb, alpha = picture(), alpha_ramp()
    deep = np.round(rgb * 65535).astype(np.uint16)
    grey, ramp = deep[:, :, 1], np.round(alpha * 65535).astype(np.uint16)
    small, small_ramp = np.round(rgb * 255).astype(np.uint8), np.round(alpha * 255).astype(np.uint8)
    colour: dict[str, Any] = {"photometric": "rgb"}
    for stem, values, options in (
        ("rgb8", small, colour),
        ("rgb16", deep, colour),
        ("rgb16_big_endian", deep.astype(">u2"), {**colour, "byteorder": ">"}),
        ("rgb16_planes", np.moveaxis(deep, 2, 0), {**colour, "planarconfig": "separate"}),
        ("rgb16_tiles", deep, {**colour, "tile": (16, 16), "compression": "zlib", "predictor": True}),
        ("rgb16_bigtiff", deep, {**colour, "bigtiff": True}),
        ("grey8_white_is_zero", 255 - small[:, :, 1], {"photometric": "miniswhite"}),
        ("grey16_white_is_zero", 65535 - grey, {"photometric": "miniswhite"}),
        ("grey16", grey, {"photometric": "minisblack"}),
        ("rgb32_float", rgb.astype(np.float32), colour),
        ("grey32_float", rgb[:, :, 1].astype(np.float32), {"photometric": "minisblack"}),
    ):
        _write(shop, stem, values, **options)
        depth = "32, float" if "float" in stem else "8" if "8" in stem else "16"
        shop.add(Case(f"{stem}.tif", depth, "none", "sRGB", "1", _MADE, 0.1), shop.plain(shop.out / f"{stem}.tif"))
    premultiplied = np.round(rgb * alpha * 65535).astype(np.uint16)
    small_premultiplied = np.round(rgb * alpha * 255).astype(np.uint8)
    for stem, values, kind in (
        ("rgba8_straight", np.dstack([small, small_ramp]), "unassalpha"),
        ("rgba16_straight", np.dstack([deep, ramp]), "unassalpha"),
        ("rgba8_premultiplied", np.dstack([small_premultiplied, small_ramp]), "assocalpha"),
        ("rgba16_premultiplied", np.dstack([premultiplied, ramp]), "assocalpha"),
        ("grey_alpha16_straight", np.dstack([grey, ramp]), "unassalpha"),
    ):
        photometric = "minisblack" if stem.startswith("grey") else "rgb"
        _write(shop, stem, values, photometric=photometric, extrasamples=[kind], planarconfig="contig")
        meant = "premultiplied" if kind == "assocalpha" else "straight"
        case = Case(f"{stem}.tif", "8" if "8" in stem else "16", meant, "sRGB", "1", _MADE, 1.0 if "8" in stem else 0.1)
        shop.add(case, over_white(*shop.rgba(shop.out / case.file)))
    _write(shop, "rgb16_spot", np.dstack([deep, ramp]), **colour, extrasamples=["unspecified"])
    case = Case("rgb16_spot.tif", "16", "none, a fourth channel of no meaning", "sRGB", "1", _LOSSLESS, 0.1)
    shop.add(case, deep / 65535)
    for stem, values, depth, options in (
        ("rgb10", deep >> 6, 10, {"bitspersample": 10}),
        ("rgb12", deep >> 4, 12, {"bitspersample": 12}),
        ("rgb16_float", rgb.astype(np.float16), 16, {}),
        ("rgb32_float_lerc", rgb.astype(np.float32), 32, {"compression": "lerc"}),
        ("rgb8_zstd", small, 8, {"compression": "zstd"}),
        ("rgb8_webp", small, 8, {"compression": "webp", "compressionargs": {"lossless": True}}),
        ("rgb8_lerc", small, 8, {"compression": "lerc"}),
    ):
        _write(shop, stem, values, **colour, **options)
        full = 1 if values.dtype.kind == "f" else (1 << depth) - 1
        words = f"{depth}, float" if full == 1 else str(depth)
        shop.add(Case(f"{stem}.tif", words, "none", "sRGB", "1", _LOSSLESS, 0.1), values.astype(float) / full)
    for orientation in (3, 6, 7):
        _write(shop, f"rgb16_turned_{orientation}", deep, **colour, extratags=[(274, 3, 1, orientation, True)])
        turn = {3: lambda a: a[::-1, ::-1], 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1)}
        case = Case(f"rgb16_turned_{orientation}.tif", "16", "none", "sRGB", str(orientation), _LOSSLESS, 0.1)
        shop.add(case, turn[orientation](deep) / 65535)
    for depth in (8, 16):
        profiles = ["-profile", ICC / "srgb.icc", "-profile", ICC / "a98.icc"]
        stem = f"rgb{depth}_adobe_rgb"
        shop.run(CONVERT, shop.png("deep.png", rgb), "-depth", str(depth), *profiles, shop.out / f"{stem}.tif")
        case = Case(f"{stem}.tif", str(depth), "none", "Adobe RGB, ICC profile", "1", "ImageMagick", 0.5)
        shop.add(case, shop.by_profile(shop.out / f"{stem}.tif"))
    for stem, values, said, options in (
        ("rgb32_float_beyond_white", rgb.astype(np.float32) * 4, "expected [0, 1]", colour),
        ("grey16_signed", (grey >> 1).astype(np.int16), "TIFF of signed 16 bit samples is not read", {}),
        ("grey32_unsigned", grey.astype(np.uint32), "TIFF of unsigned 32 bit samples is not read", {}),
        ("rgb8_lab", small, "CIE Lab is not read", {"photometric": "cielab"}),
        ("rgb16_lab", deep, "16 bit TIFF in CIE Lab is not read", {"photometric": "cielab"}),
        ("grey16_raw", grey, "16 bit TIFF in a colour filter array (raw) is not read", {"photometric": "cfa"}),
        ("rgb8_jpeg_xl", small, "TIFF of compression 50002 is not read", {**colour, "compression": "jpegxl"}),
        ("rgb8_preview", small, "TIFF that begins with a preview, is not read", {**colour, "subfiletype": 1}),
        ("rgb12_jpeg", deep >> 4, "12 bit TIFF in YCbCr is not read",
         {**colour, "compression": "jpeg", "bitspersample": 12}),
    ):  # fmt: skip
        if stem == "grey16_raw":
            options = {**options, "extratags": [(33421, 3, 2, (2, 2), True), (33422, 1, 4, b"\0\1\1\2", True)]}
        _write(shop, stem, values, **options)
        shop.add(Case(f"{stem}.tif", re.findall("[0-9]+", stem)[0], "none", "any", "1", "tifffile", None, said))


def _write(shop: Workshop, stem: str, values: np.ndarray, **options: Any) -> None:
    tifffile.imwrite(shop.out / f"{stem}.tif", values, metadata=None, **options)
