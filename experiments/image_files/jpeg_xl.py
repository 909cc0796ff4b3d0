"""JPEG XL files by cjxl 0.7 and their values by djxl 0.7 (Debian: libjxl-tools)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from experiments.image_files.jpeg_xl_cmyk import encode_cmyk
from experiments.image_files.workshop import (
    CONVERT,
    ICC,
    Case,
    Workshop,
    alpha_ramp,
    over_white,
    picture,
    read_png,
    srgb_decoded,
    srgb_encoded,
)

_MADE = "cjxl, djxl"
_SRGB = "--color_space=RGB_D65_SRG_Rel_SRG"


def make_jpeg_xl(shop: Workshop) -> None:
    """Bit depths, alpha, named colour spaces, ICC profiles, orientation and HDR; lossless and lossy."""
    rgb, alpha = picture(), alpha_ramp()
    deep, grey = shop.png("deep.png", rgb), shop.png("grey.png", rgb[:, :, 1])
    for bits in (8, 9, 10, 12, 14, 16):
        for distance in (0, 1):
            _encode(shop, f"rgb{bits}_d{distance}", deep, distance, f"--override_bitdepth={bits}")
            _add(shop, f"rgb{bits}_d{distance}", bits, "sRGB")
    _encode(shop, "grey12_d1", grey, 1, "--override_bitdepth=12")
    _add(shop, "grey12_d1", 12, "sRGB")
    for bits in (8, 16):
        source = shop.png("rgba.png", np.concatenate([rgb, alpha], axis=2), bits)
        _encode(shop, f"rgba{bits}_d0", source, 0)
        # Lossless: what goes in has to come out, but cjxl 0.7 keeps 8 bits of alpha, which djxl cannot write then.
        decoded = read_png(source if bits == 16 else _decode(shop, f"rgba{bits}_d0", bits))
        case = Case(f"rgba{bits}_d0.jxl", str(bits), "straight", "sRGB", "1", _MADE, 0.6)
        shop.add(case, over_white(decoded[:, :, :3], decoded[:, :, 3:]))
    for words, name in {
        "RGB_D65_DCI_Rel_SRG": "Display P3",
        "RGB_D65_202_Rel_709": "BT.2020",
        "RGB_D65_SRG_Rel_Lin": "linear sRGB",
        "RGB_D65_SRG_Rel_g0.5": "gamma 2",
    }.items():
        shop.run(CONVERT, deep, "PPM:deep.ppm")
        for distance in (0, 1):
            stem = f"{name.lower().replace(' ', '_').replace('.', '')}_d{distance}"
            _encode(shop, stem, shop.work / "deep.ppm", distance, "-x", f"color_space={words}")
            _add(shop, stem, 16, f"{name}, by number", 0.5, lossy=distance > 0)
    for words, name in {"RGB_D65_202_Rel_PeQ": "PQ", "RGB_D65_202_Rel_HLG": "HLG"}.items():
        for distance in (0, 1):
            stem = f"{name.lower()}_d{distance}"
            _encode(shop, stem, shop.work / "deep.ppm", distance, "-x", f"color_space={words}")
            case = Case(f"{stem}.jxl", "16", "none", f"BT.2020, {name}", "1", _MADE, None, f"function {name} (")
            shop.add(case)
    for profile, name in {"a98": "Adobe RGB", "rommrgb": "ProPhoto RGB", "sgray": "grey of sRGB"}.items():
        tone = ["-colorspace", "gray"] if profile == "sgray" else ["-profile", ICC / "srgb.icc"]
        shop.run(CONVERT, deep, "-depth", "8", *tone, "-profile", ICC / f"{profile}.icc", f"{profile}.png")
        for distance in (0, 1):
            _encode(shop, f"{profile}_d{distance}", shop.work / f"{profile}.png", distance)
            _add(
                shop, f"{profile}_d{distance}", 8, f"{name}, ICC profile", 1.8 if distance else 0.5, lossy=distance > 0
            )
    shop.run(CONVERT, deep, "-quality", "95", "up.jpg")
    shop.run("exiftool", "-n", "-Orientation=6", "up.jpg")
    _encode(shop, "jpeg_turned_6", shop.work / "up.jpg", 0)
    _add(shop, "jpeg_turned_6", 8, "sRGB", 1.1, orientation="6")
    for stem, scale in {"float_linear": 1.0, "float_beyond_white": 4.0}.items():
        light = (srgb_decoded(rgb) * scale).astype("<f4")
        header = f"PF\n{light.shape[1]} {light.shape[0]}\n-1.0\n".encode()
        (shop.work / "light.pfm").write_bytes(header + light[::-1].tobytes())  # rows from the bottom
        _encode(shop, stem, shop.work / "light.pfm", 0, "-x", "color_space=RGB_D65_SRG_Rel_Lin")
        if scale == 1:
            case = Case(f"{stem}.jxl", "32, float", "none", "linear sRGB, by number", "1", "cjxl, closed form", 0.2)
            shop.add(case, srgb_encoded(light.astype(float)))
        else:
            said = "HDR in linear light"
            shop.add(Case(f"{stem}.jxl", "32, float", "none", "linear sRGB, by number", "1", _MADE, None, said))
    shop.run(
        CONVERT, deep, "-depth", "8", "-profile", ICC / "srgb.icc", "-profile", ICC / "default_cmyk.icc", "ink.tif"
    )
    with Image.open(shop.work / "ink.tif") as ink:
        (shop.out / "cmyk.jxl").write_bytes(encode_cmyk(np.asarray(ink), ink.info["icc_profile"]))
    case = Case("cmyk.jxl", "8", "none", "CMYK, ICC profile", "1", "libjxl's encoder, ImageMagick", 2.0)
    shop.add(case, shop.by_profile(shop.work / "ink.tif"))


def _encode(shop: Workshop, stem: str, source: Path, distance: int, *options: str) -> None:
    lossless_jpeg = source.suffix == ".jpg"
    settings = [] if lossless_jpeg else ["-d", str(distance)]
    shop.run("cjxl", source, shop.out / f"{stem}.jxl", *settings, *options)


def _decode(shop: Workshop, stem: str, bits: int, *options: str) -> Path:
    depth = [] if bits in (8, 16) else ["--bits_per_sample=16"]
    path = shop.work / "decoded.png"
    path.unlink(missing_ok=True)
    shop.run("djxl", shop.out / f"{stem}.jxl", path, *depth, *options)
    return path


def _add(
    shop: Workshop,
    stem: str,
    bits: int,
    colour: str,
    tolerance: float | None = None,
    orientation: str = "1",
    lossy: bool = False,
) -> None:
    """`lossy`: djxl is asked for sRGB, as what it gives with a profile is linear light of 8 bits."""
    grey = ["--color_space=Gra_D65_Rel_SRG"] if colour.startswith("grey") else [_SRGB]
    decoded = _decode(shop, stem, bits, *(grey if lossy else []))
    values = shop.plain(decoded) if colour == "sRGB" or lossy else shop.by_profile(decoded)
    # Two versions round 8 bits of a lossy file differently; what has more has the precision of its 16.
    tolerance = tolerance if tolerance is not None else 1.1 if bits == 8 else 0.1
    shop.add(Case(f"{stem}.jxl", str(bits), "none", colour, orientation, _MADE, tolerance), values)
