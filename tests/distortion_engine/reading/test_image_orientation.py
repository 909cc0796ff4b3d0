"""Orientation: EXIF and TIFF tags are applied at every depth, broken ones are ignored."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from distortion_engine.reading.image_io import load_image

pytestmark = pytest.mark.filterwarnings("error")  # nothing of Pillow's leaks: no DecompressionBombWarning, no metadata


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".16.png", ".16.tif"])
def test_exif_orientation_is_applied(
    tmp_path: Path,
    pixels: np.ndarray,
    orientation: int,
    suffix: str,
    expected: Callable[..., torch.Tensor],
    tiff16: Callable[..., bytes],
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x{suffix}"
    if suffix == ".16.png":
        block = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(block) - 4) + block + struct.pack(">I", zlib.crc32(block))
        data = imagecodecs.png_encode(pixels.astype(np.uint16) * 257)
        path.write_bytes(data[:33] + chunk + data[33:])  # 33: signature and IHDR
    elif suffix == ".16.tif":
        path.write_bytes(tiff16(pixels.astype(np.uint16) * 257, orientation=orientation))
    else:
        Image.fromarray(pixels).save(path, exif=exif)
    plain = Image.fromarray(pixels)
    plain.info["exif"] = exif.tobytes()
    turned = np.asarray(ImageOps.exif_transpose(plain))
    assert torch.equal(load_image(path), expected(turned))


def test_broken_exif_does_not_stop_reading(
    tmp_path: Path, pixels: np.ndarray, expected: Callable[..., torch.Tensor]
) -> None:
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0")
    assert torch.equal(load_image(tmp_path / "x.png"), expected(pixels))
