"""AVIF files by avifenc 0.11 and their values by avifdec 0.11 (libavif-bin of Debian), turned and cropped by hand."""

from __future__ import annotations

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
    rgb_of,
    srgb_encoded,
    to_srgb_from,
)

_MADE = "avifenc, avifdec"


def make_avif(shop: Workshop) -> None:
    """Depths, sampling, alpha, aperture, rotation, mirror, colours by number and by profile, HDR."""
    rgb, alpha = picture(), alpha_ramp()
    shop.png("rgb.png", rgb)
    shop.png("rgba.png", np.dstack([rgb, alpha]))
    shop.png("grey.png", rgb[:, :, 1])
    for bits in (8, 10, 12):
        depth = ["-d", str(bits)]
        close = 2.1 if bits == 8 else 0.3  # two versions round YCbCr to RGB differently
        for stem, source, options, meant in (
            (f"rgb{bits}", "rgb", ["-y", "444"], "none"),
            (f"rgb{bits}_limited_range", "rgb", ["-y", "444", "-r", "limited"], "none"),
            (f"grey{bits}", "grey", ["-y", "400"], "none"),
            (f"rgba{bits}", "rgba", ["-y", "444"], "straight"),
            (f"rgba{bits}_premultiplied", "rgba", ["-y", "444", "-p"], "premultiplied"),
        ):
            decoded = _made(shop, stem, source, *depth, "--cicp", "1/13/6", *options)
            colours = rgb_of(decoded[:, :, :3] if meant != "none" else decoded)
            values = over_white(colours, decoded[:, :, 3:]) if meant != "none" else colours
            tolerance = close * 2 if meant == "premultiplied" else close
            shop.add(Case(f"{stem}.avif", str(bits), meant, "sRGB, by number", "1", _MADE, tolerance), values)
        stem = f"rgb{bits}_p3"
        decoded = to_srgb_from(P3_TO_SRGB, _made(shop, stem, "rgb", *depth, "-y", "444", "--cicp", "12/13/6"))
        case = Case(f"{stem}.avif", str(bits), "none", "Display P3, by number", "1", _MADE, 3.0 if bits == 8 else 1.0)
        shop.add(case, decoded)
        stem = f"rgb{bits}_crop_turn_mirror"
        options = ["-y", "444", "--crop", "2,0,20,16", "--irot", "1", "--imir", "0", "--cicp", "1/13/6"]
        decoded = np.rot90(_made(shop, stem, "rgb", *depth, *options)[:, 2:22], 1)[::-1]
        words = "crop (clap), 90 degrees anticlockwise (irot), upside down (imir)"
        shop.add(Case(f"{stem}.avif", str(bits), "none", "sRGB, by number", words, _MADE, close), decoded)
    _make_limited(shop)
    for turns in (1, 2, 3):
        decoded = np.rot90(_made(shop, f"turned_{turns}", "rgb", "-d", "8", "-y", "444", "--irot", str(turns)), turns)
        case = Case(f"turned_{turns}.avif", "8", "none", "sRGB", f"{90 * turns} degrees anticlockwise", _MADE, 1.3)
        shop.add(case, decoded)
    for mirror in (0, 1):
        decoded = _made(shop, f"mirrored_{mirror}", "rgb", "-d", "8", "-y", "444", "--imir", str(mirror))
        words = "left to right" if mirror else "upside down"
        case = Case(f"mirrored_{mirror}.avif", "8", "none", "sRGB", words, _MADE, 1.3)
        shop.add(case, decoded[:, ::-1] if mirror else decoded[::-1])
    decoded = _made(shop, "linear", "rgb", "-d", "10", "-y", "444", "--cicp", "1/8/6")
    # A step of 10 bits near black is 3 levels of sRGB, and the two versions of libavif differ by up to one.
    shop.add(Case("linear.avif", "10", "none", "linear sRGB, by number", "1", _MADE, 3.2), srgb_encoded(decoded))
    decoded = _made(shop, "bt709", "rgb", "-d", "10", "-y", "444", "--cicp", "1/1/1")
    shop.add(Case("bt709.avif", "10", "none", "BT.709, by number", "1", _MADE, 0.3), decoded)
    shop.run(CONVERT, "rgb.png", "-profile", ICC / "srgb.icc", "-profile", ICC / "a98.icc", "a98.png")
    for bits in (8, 10):
        stem = f"rgb{bits}_adobe_rgb"
        _made(shop, stem, "a98", "-d", str(bits), "-y", "444")
        # Where Adobe RGB reaches the edge of sRGB, a step of one becomes ten.
        case = Case(f"{stem}.avif", str(bits), "none", "Adobe RGB, ICC profile", "1", _MADE, 6.0 if bits == 8 else 3.5)
        shop.add(case, shop.by_profile(shop.work / "decoded.png"))
    _made(shop, "rgb8_limited_adobe_rgb", "a98", "-d", "8", "-y", "444", "-r", "limited")
    words = "Adobe RGB, ICC profile, limited range"
    case = Case("rgb8_limited_adobe_rgb.avif", "8", "none", words, "1", _MADE, 10.0)
    shop.add(case, shop.by_profile(shop.work / "decoded.png"))
    for name, number in {"PQ": 16, "HLG": 18}.items():
        for bits in (8, 10):
            stem = f"rgb{bits}_{name.lower()}"
            _made(shop, stem, "rgb", "-d", str(bits), "-y", "444", "--cicp", f"9/{number}/9")
            said = f"function {name} ("
            shop.add(Case(f"{stem}.avif", str(bits), "none", f"BT.2020, {name}", "1", _MADE, None, said))


def _make_limited(shop: Workshop) -> None:
    """Eight bits of limited range, as video encoders make them, by the matrices of BT.601, BT.709 and BT.2020."""
    eight = ["-d", "8", "-r", "limited"]
    words = "sRGB, by number, limited range"
    for name, numbers in {"bt601": "1/13/6", "bt709": "1/13/1", "bt2020": "9/13/9"}.items():
        for sampling in ("444", "420"):
            stem = f"rgb8_limited_{name}_{sampling}"
            decoded = _made(shop, stem, "rgb", *eight, "-y", sampling, "--cicp", numbers)
            if name != "bt2020":
                shop.add(Case(f"{stem}.avif", "8", "none", words, "1", _MADE, 1.0), decoded)
                continue
            # A step of one in BT.2020 is up to five in sRGB at the edge of that.
            case = Case(f"{stem}.avif", "8", "none", "BT.2020, by number, limited range", "1", _MADE, 4.5)
            shop.add(case, to_srgb_from(BT2020_TO_SRGB, decoded))
    tile = np.tile(picture(), (4, 3, 1))  # tiles of a grid have at least 64 pixels a side
    shop.png("grid.png", np.hstack([tile, tile[::-1]]))
    for name, number in {"bt601": 6, "bt709": 1, "bt2020": 9}.items():
        cicp = ["--cicp", f"1/13/{number}"]
        for sampling in ("444", "420"):
            options = [*eight, "-y", sampling, *cicp]
            for meant, option in {"straight": [], "premultiplied": ["-p"]}.items():
                stem = f"rgba8_limited_{name}_{sampling}_{meant}"
                decoded = _made(shop, stem, "rgba", *options, *option)
                values = over_white(decoded[:, :, :3], decoded[:, :, 3:])
                shop.add(Case(f"{stem}.avif", "8", meant, words, "1", _MADE, 1.0), values)
            stem = f"rgb8_limited_{name}_{sampling}_stream"
            case = Case(f"{stem}.avif", "8", "none", "sRGB, by the AV1 stream, limited range", "1", _MADE, 1.0)
            shop.add(case, _made(shop, stem, "rgb", *options, box=False))
    stem = "rgba8_limited_stream"
    decoded = _made(shop, stem, "rgba", *eight, "-y", "420", "--cicp", "1/13/1", box=False)
    case = Case(f"{stem}.avif", "8", "straight", "sRGB, by the AV1 stream, limited range", "1", _MADE, 1.0)
    shop.add(case, over_white(decoded[:, :, :3], decoded[:, :, 3:]))
    stem = "rgb8_limited_grid_stream"
    decoded = _made(shop, stem, "grid", *eight, "-y", "420", "--cicp", "1/13/1", "--grid", "2x1", box=False)
    case = Case(f"{stem}.avif", "8", "none", "sRGB, by the AV1 streams of a grid, limited range", "1", _MADE, 1.0)
    shop.add(case, decoded)
    stem = "rgb8_limited_undescribed"
    # Such a stream has no numbers to replace by those of a matrix that libavif converts in floating point.
    case = Case(f"{stem}.avif", "8", "none", "not named, limited range", "1", _MADE, 2.0)
    shop.add(case, _made(shop, stem, "rgb", *eight, "-y", "420", "--cicp", "2/2/2", box=False))


def _made(shop: Workshop, stem: str, source: str, *options: str, box: bool = True) -> np.ndarray:
    """Encodes a PNG, without the box nclx where `box` is False; the values that avifdec gives, as stored: neither
    cropped nor turned."""
    target = shop.out / f"{stem}.avif"
    shop.run("avifenc", "--min", "0", "--max", "4", "-s", "8", *options, shop.work / f"{source}.png", target)
    if not box:
        data = target.read_bytes()
        assert data.count(b"colrnclx") == 1
        target.write_bytes(data.replace(b"colrnclx", b"freenclx"))
    shop.run("avifdec", "-d", "16", target, "decoded.png")
    return read_png(shop.work / "decoded.png")
