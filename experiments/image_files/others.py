"""BMP, netpbm, GIF and WebP by ImageMagick, read back by it; and files of formats that are not read."""

from __future__ import annotations

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
)

_MADE = "ImageMagick"


def make_others(shop: Workshop) -> None:
    """Bit fields, palettes, run lengths; maxima of netpbm; transparency; profile; names of what is refused."""
    rgb, alpha = picture(), alpha_ramp()
    deep, rgba = shop.png("deep.png", rgb), shop.png("rgba.png", np.dstack([rgb, alpha]))
    for name, source, depth, options in (
        ("rgb8.bmp", deep, "8", ["BMP3:"]),
        ("rgba8.bmp", rgba, "8", ["BMP:"]),
        ("rgb565.bmp", deep, "5 and 6", ["-define", "bmp:subtype=RGB565", "BMP:"]),
        ("rgb555.bmp", deep, "5", ["-define", "bmp:subtype=RGB555", "BMP:"]),
        ("palette.bmp", deep, "8", ["-colors", "32", "-type", "palette", "BMP3:"]),
        ("run_lengths.bmp", deep, "8", ["-colors", "32", "-compress", "RLE", "BMP3:"]),
        ("one_bit.bmp", deep, "1", ["-monochrome", "BMP3:"]),
        ("rgb8.ppm", deep, "8", ["-depth", "8"]),
        ("rgb16.ppm", deep, "16", ["-depth", "16"]),
        ("grey16.pgm", deep, "16", ["-colorspace", "gray", "-depth", "16"]),
        ("one_bit.pbm", deep, "1", ["-monochrome"]),
        ("palette.gif", deep, "8", ["-colors", "32"]),
        ("transparent.gif", rgba, "8", ["-colors", "32"]),
        ("rgb8.webp", deep, "8", ["-quality", "90"]),
        ("rgba8.webp", rgba, "8", ["-quality", "90"]),
        ("rgba8_lossless.webp", rgba, "8", ["-define", "webp:lossless=true"]),
    ):
        prefix = options.pop() if options[-1].endswith(":") else ""
        shop.run(CONVERT, source, *options, f"{prefix}{shop.out / name}")
        meant = "straight" if source == rgba else "none"
        tolerance = 1.1 if "5" in depth else 0.6  # bits that are spread to 8 are rounded or repeated
        shop.add(Case(name, depth, meant, "sRGB", "1", _MADE, tolerance), over_white(*shop.rgba(shop.out / name)))
    shop.run(CONVERT, rgba, "-define", "bmp:subtype=ARGB4444", f"BMP:{shop.out / 'argb4444.bmp'}")
    shop.add(
        Case("argb4444.bmp", "4", "straight", "sRGB", "1", "ImageMagick, by hand", 0.6),
        _four_bits((shop.out / "argb4444.bmp").read_bytes()),
    )
    for bits in (10, 12):
        stored = np.round(rgb * ((1 << bits) - 1))
        for name, values in ((f"rgb{bits}.ppm", stored), (f"grey{bits}.pgm", stored[:, :, 1:2])):
            height, width, channels = values.shape
            head = f"P{6 if channels == 3 else 5}\n# a comment\n{width} {height}\n{(1 << bits) - 1}\n".encode()
            (shop.out / name).write_bytes(head + values.astype(">u2").tobytes())
            shop.add(
                Case(name, str(bits), "none", "sRGB", "1", "by hand, ImageMagick", 0.1), shop.plain(shop.out / name)
            )
    profiles = ["-profile", ICC / "srgb.icc", "-profile", ICC / "a98.icc"]
    shop.run(CONVERT, deep, *profiles, "-define", "webp:lossless=true", shop.out / "adobe_rgb.webp")
    case = Case("adobe_rgb.webp", "8", "none", "Adobe RGB, ICC profile", "1", _MADE, 0.5)
    shop.add(case, shop.by_profile(shop.out / "adobe_rgb.webp"))
    for name, said in (
        ("unread.psd", "Photoshop (PSD) is not read"),
        ("unread.hdr", "Radiance HDR is not read"),
        ("unread.pam", "PAM (portable arbitrary map) is not read"),
        ("unread.pfm", "colour PFM is not read"),
        ("unread.ico", "icon (ICO) is not read"),
        ("unread.dpx", "DPX is not read"),
    ):
        shop.run(CONVERT, deep, shop.out / name)
        shop.add(Case(name, "any", "none", "any", "1", _MADE, None, said))


def _four_bits(data: bytes) -> np.ndarray:
    """(H, W, 3) over white of a BMP of four bits for each of alpha, red, green and blue, rows from the bottom."""
    start = int.from_bytes(data[10:14], "little")
    pixels = np.frombuffer(data, "<u2", HEIGHT * WIDTH, start).reshape(HEIGHT, WIDTH)[::-1]
    alpha, red, green, blue = ((pixels >> shift & 15) / 15 for shift in (12, 8, 4, 0))
    return over_white(np.stack([red, green, blue], axis=-1), alpha[:, :, None])
