"""Small valid image files of every format that load_image reads, made from one photograph: what the fuzzer mutates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image, ImageCms

SIZE_PX = (52, 40)
_FORMATS = {"jpg": "jpeg", "tif": "tiff", "j2k": "jp2", "pgm": "ppm", "pbm": "ppm"}  # by suffix


@dataclass(frozen=True)
class Sample:
    """One valid file.

    Args:
        name: of the variant.
        format: png, jpeg, webp, tiff, avif, gif, bmp, jxl, jp2 or ppm.
        data: content of the file.
    """

    name: str
    format: str
    data: bytes


def make_samples(photo: Path) -> list[Sample]:
    """Encodes a corner of `photo` in every format and in the variants that take other paths through the decoders."""
    with Image.open(photo) as opened:
        rgb = opened.convert("RGB").crop((0, 0, *SIZE_PX))
    grey, rgba, palette = rgb.convert("L"), rgb.convert("RGBA"), rgb.quantize(32)
    rgba.putalpha(grey)
    deep = np.asarray(rgb).astype(np.uint16) * 257
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    wanted: list[tuple[str, str, Image.Image, dict[str, Any]]] = [
        ("rgb", "png", rgb, {"icc_profile": profile, "exif": exif}),
        ("rgba", "png", rgba, {}),
        ("palette", "png", palette, {"transparency": 3}),
        ("one bit", "png", grey.convert("1"), {}),
        ("baseline", "jpeg", rgb, {"quality": 80, "icc_profile": profile, "exif": exif}),
        ("progressive", "jpeg", rgb, {"quality": 60, "progressive": True}),
        ("grey", "jpeg", grey, {}),
        ("cmyk", "jpeg", rgb.convert("CMYK"), {}),
        ("lossy", "webp", rgb, {"quality": 70, "exif": exif}),
        ("lossless alpha", "webp", rgba, {"lossless": True}),
        ("raw", "tiff", rgb, {"exif": exif}),
        ("lzw", "tiff", rgb, {"compression": "tiff_lzw"}),
        ("deflate", "tiff", rgba, {"compression": "tiff_adobe_deflate"}),
        ("jpeg", "tiff", rgb, {"compression": "jpeg"}),
        ("fax", "tiff", grey.convert("1"), {"compression": "group4"}),
        ("float", "tiff", Image.fromarray(np.asarray(grey, np.float32) / 255), {}),
        ("lossy", "avif", rgb, {"quality": 70, "speed": 10}),
        ("alpha", "avif", rgba, {"quality": 70, "speed": 10}),
        ("palette", "gif", palette, {}),
        ("interlaced", "gif", grey, {"interlace": 1}),
        ("rgb", "bmp", rgb, {}),
        ("palette", "bmp", palette, {}),
        ("lossy", "jpeg2000", rgb, {"quality_mode": "rates", "quality_layers": [8]}),
        ("rgb", "ppm", rgb, {}),
    ]
    files = [Sample(f"{kind} {name}", _SHORT.get(kind, kind), _saved(image, kind, options))
             for name, kind, image, options in wanted]  # fmt: skip
    return [
        *files,
        Sample("16 bit png", "png", bytes(imagecodecs.png_encode(deep))),
        Sample("16 bit grey png", "png", bytes(imagecodecs.png_encode(np.ascontiguousarray(deep[..., 0])))),
        Sample("16 bit tiff", "tiff", bytes(imagecodecs.tiff_encode(deep))),
        Sample("16 bit zstd tiff", "tiff", bytes(imagecodecs.tiff_encode(deep, compression="zstd", predictor=True))),
        Sample("16 bit tiled tiff", "tiff", bytes(imagecodecs.tiff_encode(deep, tile=(16, 16), compression="lzw"))),
        Sample("lossy jxl", "jxl", bytes(imagecodecs.jpegxl_encode(np.asarray(rgb), level=80, effort=3))),
        Sample("lossless jxl", "jxl", bytes(imagecodecs.jpegxl_encode(np.asarray(rgba), lossless=True, effort=3))),
        Sample(
            "16 bit boxed jxl",
            "jxl",
            bytes(imagecodecs.jpegxl_encode(deep, lossless=True, effort=3, usecontainer=True)),
        ),
    ]


_SHORT = {"jpeg2000": "jp2"}


def _saved(image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    content = BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def read_samples(folder: Path) -> list[Sample]:
    """The files of a folder as samples, except those whose case in its cases.json says that they are refused."""
    refused = {case["file"] for case in json.loads((folder / "cases.json").read_text()) if case["refused"]}
    paths = sorted(path for path in folder.iterdir() if path.name not in refused | {"cases.json", "expected.npz"})
    return [Sample(path.name, _FORMATS.get(path.suffix[1:], path.suffix[1:]), path.read_bytes()) for path in paths]
