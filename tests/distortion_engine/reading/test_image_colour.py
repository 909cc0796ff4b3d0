"""Colour: alpha, CMYK and ICC profiles become sRGB, against closed forms and Pillow."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from distortion_engine.reading.image_io import load_image

pytestmark = pytest.mark.filterwarnings("error")  # nothing of Pillow's leaks: no DecompressionBombWarning, no metadata

SIZE = (24, 40)  # of the fixture `pixels`


def test_opaque_alpha_is_dropped_and_other_alpha_lies_over_white(
    tmp_path: Path, pixels: np.ndarray, expected: Callable[..., torch.Tensor]
) -> None:
    opaque = np.dstack([pixels, np.full(SIZE, 255, np.uint8)])
    Image.fromarray(opaque).save(tmp_path / "opaque.png")
    assert torch.equal(load_image(tmp_path / "opaque.png"), expected(pixels))
    half = opaque.copy()
    half[:, :20, 3] = 51  # alpha 0.2
    Image.fromarray(half).save(tmp_path / "half.png")
    image = load_image(tmp_path / "half.png")
    assert torch.equal(image[:, :, 20:], expected(pixels)[:, :, 20:])
    torch.testing.assert_close(image[:, :, :20], expected(pixels)[:, :, :20] * 0.2 + 0.8)


def test_cmyk_jpeg_is_converted(tmp_path: Path) -> None:
    red = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    red.save(tmp_path / "red.jpg", quality=100)
    image = load_image(tmp_path / "red.jpg")
    assert image[0].min() > 0.98 and image[1:].max() < 0.02


def test_display_p3_is_converted_to_srgb_at_both_depths(tmp_path: Path, pixels: np.ndarray) -> None:
    # Oracle: the closed form (CSS Color 4: P3 and sRGB primaries, D65), with a plain gamma of 2.2 in the profile.
    xy = {"srgb": [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)], "p3": [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)]}
    profile = imagecodecs.cms_profile(
        "rgb", whitepoint=[0.3127, 0.3290, 1], primaries=[v for x, y in xy["p3"] for v in (x, y, 1)], gamma=2.2
    )
    linear = np.clip((pixels / 255) ** 2.2 @ (np.linalg.inv(rgb_to_xyz(xy["srgb"])) @ rgb_to_xyz(xy["p3"])).T, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    Image.fromarray(pixels).save(tmp_path / "x.png", icc_profile=profile)
    sixteen = imagecodecs.png_encode(pixels.astype(np.uint16) * 257)
    block = b"iCCPp3\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(block) - 4) + block + struct.pack(">I", zlib.crc32(block))
    (tmp_path / "x16.png").write_bytes(sixteen[:33] + chunk + sixteen[33:])
    for name in ("x.png", "x16.png"):
        image = load_image(tmp_path / name).permute(1, 2, 0).numpy()
        assert np.abs(image - srgb).max() < 1.5e-3
        assert np.abs(image - pixels / 255).max() > 0.05


def test_an_srgb_profile_changes_no_value(
    tmp_path: Path, pixels: np.ndarray, expected: Callable[..., torch.Tensor]
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(pixels).save(tmp_path / "x.png", icc_profile=profile)
    assert torch.equal(load_image(tmp_path / "x.png"), expected(pixels))


def test_cmyk_and_grey_profiles_are_used(tmp_path: Path, expected: Callable[..., torch.Tensor]) -> None:
    ink = np.zeros((32, 32, 4), np.uint8)
    ink[:, :, 0] = np.arange(32)[None] * 8  # cyan
    ink[:, :, 3] = np.arange(32)[:, None] * 8  # black
    profile = cmyk_profile()
    Image.fromarray(ink, mode="CMYK").save(tmp_path / "ink.tif", icc_profile=profile)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb_profile = ImageCms.createProfile("sRGB")
    oracle = ImageCms.profileToProfile(Image.fromarray(ink, mode="CMYK"), source, srgb_profile, outputMode="RGB")
    error = (load_image(tmp_path / "ink.tif") - expected(np.asarray(oracle))).abs()
    assert error.mean() < 1 / 255 and error.max() < 0.1  # Pillow's 8 bit table bends where a colour leaves sRGB
    grey = np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))
    Image.fromarray(grey).save(tmp_path / "grey.png", icc_profile=imagecodecs.cms_profile("gray", gamma=1.0))
    linear = grey[0] / 255
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    assert np.abs(load_image(tmp_path / "grey.png")[1, 3].numpy() - srgb).max() < 2e-3


@pytest.mark.parametrize("profile", [b"not a profile", b"\0" * 16 + b"RGB " + b"\0" * 200])
def test_an_unusable_profile_is_ignored(
    tmp_path: Path, pixels: np.ndarray, profile: bytes, expected: Callable[..., torch.Tensor]
) -> None:
    Image.fromarray(pixels).save(tmp_path / "x.png", icc_profile=profile)
    assert torch.equal(load_image(tmp_path / "x.png"), expected(pixels))


def rgb_to_xyz(primaries: list[tuple[float, float]]) -> np.ndarray:
    """Matrix (3, 3) from linear RGB to XYZ for a D65 white."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    return columns * np.linalg.solve(columns, white)


def cmyk_profile() -> bytes:
    """A small printer profile (ICC.1:2001-04): one lut8 from CMYK to Lab on a grid of two points an ink."""
    labs = []
    for index in range(16):
        cyan, magenta, yellow, black = ((index >> bit) & 1 for bit in (3, 2, 1, 0))
        light = 100 * (1 - 0.4 * cyan) * (1 - 0.45 * magenta) * (1 - 0.1 * yellow) * (1 - 0.9 * black)
        tint = 1 - black
        labs += [round(light * 2.55), 128 + tint * (60 * magenta - 35 * cyan), 128 + tint * (80 * yellow - 45 * cyan)]
    ramp = bytes(range(256))
    matrix = b"".join(struct.pack(">i", 65536 * (i in (0, 4, 8))) for i in range(9))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + bytes(labs) + ramp * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = {b"desc": text, b"wtpt": white, b"A2B0": lut}
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", 128 + len(table) + len(body), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body
