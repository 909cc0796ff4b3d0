"""JPEG files by cjpeg and ImageMagick (libjpeg-turbo 2.1) and their values by djpeg and ImageMagick."""

from __future__ import annotations

import imagecodecs
import numpy as np

from experiments.image_files.workshop import CONVERT, ICC, Case, Workshop, picture

_MADE = "cjpeg, djpeg"


def make_jpeg(shop: Workshop) -> None:
    """Processes, sampling, grey, CMYK, profile, orientation; 12 bits and lossless by imagecodecs."""
    rgb = picture()
    source = shop.png("source.png", rgb, 8)
    shop.run(CONVERT, source, "PPM:source.ppm")
    for stem, options in {
        "baseline": [],
        "progressive": ["-progressive"],
        "arithmetic": ["-arithmetic"],
        "sampling_444": ["-sample", "1x1"],
        "sampling_422": ["-sample", "2x1"],
        "sampling_422_of_twice_the_factors": ["-sample", "2x2,1x2,1x2"],
        "restarts": ["-restart", "1B"],
        "grey": ["-grayscale"],
        "rgb_not_ycc": ["-rgb"],
    }.items():
        shop.run("cjpeg", "-quality", "92", *options, "-outfile", shop.out / f"{stem}.jpg", "source.ppm")
        shop.run("djpeg", "-outfile", "decoded.ppm", shop.out / f"{stem}.jpg")
        case = Case(f"{stem}.jpg", "8", "none", "sRGB", "1", _MADE, 0.1)
        shop.add(case, shop.plain(shop.work / "decoded.ppm"))
    shop.run(CONVERT, source, "-colorspace", "CMYK", "-quality", "98", shop.out / "cmyk.jpg")
    case = Case("cmyk.jpg", "8", "none", "CMYK without a profile", "1", "ImageMagick", 0.6)
    shop.add(case, shop.plain(shop.out / "cmyk.jpg"))
    profiles = ["-profile", ICC / "srgb.icc", "-profile", ICC / "a98.icc"]
    shop.run(CONVERT, source, *profiles, "-quality", "95", shop.out / "adobe_rgb.jpg")
    case = Case("adobe_rgb.jpg", "8", "none", "Adobe RGB, ICC profile", "1", "ImageMagick", 0.5)
    shop.add(case, shop.by_profile(shop.out / "adobe_rgb.jpg"))
    for orientation in range(2, 9):
        target = shop.out / f"turned_{orientation}.jpg"
        shop.run(CONVERT, source, "-quality", "92", target)
        shop.run("exiftool", "-n", "-overwrite_original", f"-Orientation={orientation}", target)
        shop.run(CONVERT, target, "-auto-orient", "turned.png")
        case = Case(target.name, "8", "none", "sRGB", str(orientation), "ImageMagick, exiftool", 0.1)
        shop.add(case, shop.plain(shop.work / "turned.png"))
    twelve = np.round(rgb * 4095).astype(np.uint16)
    data = bytes(imagecodecs.jpeg8_encode(twelve, level=98, bitspersample=12, subsampling="444"))
    (shop.out / "rgb12.jpg").write_bytes(data)
    shop.add(Case("rgb12.jpg", "12", "none", "sRGB", "1", "libjpeg-turbo 3, what went in", 2.0), twelve / 4095)
    sixteen = np.round(rgb * 65535).astype(np.uint16)
    data = bytes(imagecodecs.jpeg8_encode(sixteen, lossless=True, bitspersample=16))
    (shop.out / "lossless16.jpg").write_bytes(data)
    decoded = imagecodecs.jpegsof3_decode(data) / 65535
    shop.add(Case("lossless16.jpg", "16", "none", "sRGB", "1", "libjpeg-turbo 3, jpg_0XC3", 0.01), decoded)
