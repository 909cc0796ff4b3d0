"""load_image and save_image on real files and hostile ones: each has one defined behaviour, and errors are one line."""

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageOps

from distortion_engine.errors import ImageError
from distortion_engine.reading.image_io import load_image, save_image, to_uint8

pytestmark = pytest.mark.filterwarnings("error")  # nothing of Pillow's leaks: no DecompressionBombWarning, no metadata

DEMO = Path(__file__).parents[3] / "experiments" / "demo"
HEIGHT, WIDTH = 24, 40


@pytest.fixture
def pixels() -> np.ndarray:
    """A small picture (24, 40, 3) uint8 with a ramp, so that codecs and turns have something to keep."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 6, y * 10, (x + y) * 3], axis=-1).astype(np.uint8)


def expected(array: np.ndarray, full_scale: float = 255) -> torch.Tensor:
    return torch.from_numpy((array.astype(np.float32) / np.float32(full_scale)).transpose(2, 0, 1).copy())


# What people have


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_eight_bit_files_are_read_exactly(tmp_path: Path, pixels: np.ndarray, suffix: str) -> None:
    Image.fromarray(pixels).save(tmp_path / f"x{suffix}")
    image = load_image(tmp_path / f"x{suffix}")
    assert image.shape == (3, HEIGHT, WIDTH) and image.dtype == torch.float32
    assert torch.equal(image, expected(pixels))


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif", ".jp2", ".jxl"])
def test_lossy_files_are_read_closely(tmp_path: Path, pixels: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    if suffix == ".jxl":
        path.write_bytes(imagecodecs.jpegxl_encode(pixels, lossless=True))
    else:
        Image.fromarray(pixels).save(path, quality=95)
    assert (load_image(str(path)) - expected(pixels)).abs().mean() < 0.02


def test_a_file_is_known_by_its_bytes_not_its_suffix(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(tmp_path / "x.jpg", format="PNG")
    assert torch.equal(load_image(tmp_path / "x.jpg"), expected(pixels))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".16.png", ".16.tif"])
def test_exif_orientation_is_applied(tmp_path: Path, pixels: np.ndarray, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"x{suffix}"
    if suffix == ".16.png":
        block = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(block) - 4) + block + struct.pack(">I", zlib.crc32(block))
        data = imagecodecs.png_encode(pixels.astype(np.uint16) * 257)
        path.write_bytes(data[:33] + chunk + data[33:])  # 33: signature and IHDR
    elif suffix == ".16.tif":
        path.write_bytes(tiff(pixels.astype(np.uint16) * 257, orientation=orientation))
    else:
        Image.fromarray(pixels).save(path, exif=exif)
    plain = Image.fromarray(pixels)
    plain.info["exif"] = exif.tobytes()
    turned = np.asarray(ImageOps.exif_transpose(plain))
    assert torch.equal(load_image(path), expected(turned))


def test_broken_exif_does_not_stop_reading(tmp_path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\0")
    assert torch.equal(load_image(tmp_path / "x.png"), expected(pixels))


def test_opaque_alpha_is_dropped_and_other_alpha_lies_over_white(tmp_path: Path, pixels: np.ndarray) -> None:
    opaque = np.dstack([pixels, np.full((HEIGHT, WIDTH), 255, np.uint8)])
    Image.fromarray(opaque).save(tmp_path / "opaque.png")
    assert torch.equal(load_image(tmp_path / "opaque.png"), expected(pixels))
    half = opaque.copy()
    half[:, :20, 3] = 51  # alpha 0.2
    Image.fromarray(half).save(tmp_path / "half.png")
    image = load_image(tmp_path / "half.png")
    assert torch.equal(image[:, :, 20:], expected(pixels)[:, :, 20:])
    torch.testing.assert_close(image[:, :, :20], expected(pixels)[:, :, :20] * 0.2 + 0.8)


def test_grey_alpha_palette_and_one_bit_become_rgb(tmp_path: Path, pixels: np.ndarray) -> None:
    grey = pixels[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert torch.equal(load_image(tmp_path / "grey.png"), expected(np.dstack([grey] * 3)))
    Image.fromarray(np.dstack([grey, np.zeros_like(grey)])).save(tmp_path / "clear.png")  # LA, fully transparent
    assert torch.equal(load_image(tmp_path / "clear.png"), torch.ones(3, HEIGHT, WIDTH))
    palette = Image.fromarray(pixels).quantize(16)
    palette.save(tmp_path / "palette.png")
    assert torch.equal(load_image(tmp_path / "palette.png"), expected(np.asarray(palette.convert("RGB"))))
    palette.save(tmp_path / "palette.gif")
    assert torch.equal(load_image(tmp_path / "palette.gif"), expected(np.asarray(palette.convert("RGB"))))
    palette.save(tmp_path / "clear_palette.png", transparency=bytes([0] * 16))
    assert torch.equal(load_image(tmp_path / "clear_palette.png"), torch.ones(3, HEIGHT, WIDTH))
    Image.fromarray(grey > 100).save(tmp_path / "bits.png")
    assert torch.equal(load_image(tmp_path / "bits.png"), expected(np.dstack([grey > 100] * 3), 1))


def test_cmyk_jpeg_is_converted(tmp_path: Path) -> None:
    red = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    red.save(tmp_path / "red.jpg", quality=100)
    image = load_image(tmp_path / "red.jpg")
    assert image[0].min() > 0.98 and image[1:].max() < 0.02


@pytest.mark.parametrize(
    "name", ["rgb.png", "grey.png", "alpha.png", "rgb.tif", "planes.tif", "lzw.tif", "grey.tif", "x.jxl"]
)
def test_sixteen_bit_files_keep_their_precision(tmp_path: Path, name: str) -> None:
    deep = (np.arange(HEIGHT * WIDTH * 3, dtype=np.uint32) * 22 % 65536).astype(np.uint16).reshape(HEIGHT, WIDTH, 3)
    path = tmp_path / name
    data = np.ascontiguousarray(deep[:, :, 0]) if name.startswith("grey") else deep
    if name == "alpha.png":
        path.write_bytes(imagecodecs.png_encode(np.dstack([deep, np.full((HEIGHT, WIDTH), 65535, np.uint16)])))
    elif path.suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(data))
    elif name == "x.jxl":
        path.write_bytes(imagecodecs.jpegxl_encode(data, lossless=True))
    elif name == "planes.tif":
        path.write_bytes(tiff(data, planar=True))
    elif name == "lzw.tif":
        path.write_bytes(imagecodecs.tiff_encode(data, compression="lzw", photometric="rgb"))
    else:
        path.write_bytes(tiff(data))
    wanted = expected(np.dstack([data] * 3) if data.ndim == 2 else data, 65535)
    assert torch.equal(load_image(path), wanted)


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


def test_an_srgb_profile_changes_no_value(tmp_path: Path, pixels: np.ndarray) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(pixels).save(tmp_path / "x.png", icc_profile=profile)
    assert torch.equal(load_image(tmp_path / "x.png"), expected(pixels))


def test_cmyk_and_grey_profiles_are_used(tmp_path: Path) -> None:
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
def test_an_unusable_profile_is_ignored(tmp_path: Path, pixels: np.ndarray, profile: bytes) -> None:
    Image.fromarray(pixels).save(tmp_path / "x.png", icc_profile=profile)
    assert torch.equal(load_image(tmp_path / "x.png"), expected(pixels))


def test_a_phone_picture_with_a_depth_map_is_its_first_picture(tmp_path: Path, pixels: np.ndarray) -> None:
    main, second = Image.fromarray(pixels), Image.new("RGB", (WIDTH, HEIGHT))
    main.save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=[second], quality=95)
    assert (load_image(tmp_path / "x.jpg") - expected(pixels)).abs().mean() < 0.02


def test_arrays_tensors_and_pil_images_give_the_same_as_the_file(tmp_path: Path, pixels: np.ndarray) -> None:
    wanted = expected(pixels)
    kinds = [pixels, pixels.astype(np.uint16) * 257, pixels / 255, (pixels / 255).astype(np.float32)]
    kinds += [Image.fromarray(pixels), np.dstack([pixels, np.full((HEIGHT, WIDTH), 255, np.uint8)])]
    kinds += [torch.from_numpy(pixels).permute(2, 0, 1), wanted, wanted[None], wanted.double()]
    for source in kinds:
        assert torch.equal(load_image(source), wanted)
    assert torch.equal(load_image(pixels[:, :, 0]), expected(np.dstack([pixels[:, :, 0]] * 3)))


def test_the_source_is_neither_written_nor_shared(pixels: np.ndarray) -> None:
    array, tensor = (pixels / 255).astype(np.float32), expected(pixels)
    for source, keep in ((array, array.copy()), (tensor, tensor.clone())):
        load_image(source).zero_()
        assert (torch.as_tensor(source) == torch.as_tensor(keep)).all()
    assert load_image(expected(pixels).requires_grad_()).requires_grad is False


def test_rounding_beyond_the_range_is_clamped() -> None:
    image = load_image(np.full((16, 16, 3), 1 + 1e-6))
    assert image.max() == 1


# Writing


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_what_is_saved_is_read_back_equal_and_with_the_same_bytes(
    tmp_path: Path, pixels: np.ndarray, suffix: str
) -> None:
    image = expected(pixels)
    save_image(image, tmp_path / f"a{suffix}")
    save_image(image[None], str(tmp_path / f"b{suffix}"))
    assert torch.equal(load_image(tmp_path / f"a{suffix}"), image)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a{suffix}", f"b{suffix}"]


def test_to_uint8_rounds_and_clamps() -> None:
    image = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 2.0]).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    assert to_uint8(image)[:, :, 0].tolist() == [[0, 0], [1, 255]]


def test_a_failed_save_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    image = torch.zeros(3, 16, 16)
    with pytest.raises(ImageError, match=r"x\.jpg: images are written lossless; end the name in \.png or \.webp"):
        save_image(image, tmp_path / "x.jpg")
    with pytest.raises(ImageError, match=r"no/x\.png: cannot be written"):
        save_image(image, tmp_path / "no" / "x.png")
    with pytest.raises(ImageError, match="expected one RGB image"):
        save_image(torch.zeros(1, 16, 16), tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_demo_images_are_read() -> None:
    for path in sorted(p for p in DEMO.iterdir() if p.suffix in {".png", ".jpg", ".webp", ".avif", ".jxl"}):
        image = load_image(path)
        assert image.shape[0] == 3 and 0 <= image.min() < image.max() <= 1


# Makers of files


def tiff(values: np.ndarray, orientation: int = 1, planar: bool = False) -> bytes:
    """A little-endian, uncompressed 16 bit TIFF (H, W) or (H, W, 3), written by hand (TIFF 6.0, section 2)."""
    height, width = values.shape[:2]
    samples = 1 if values.ndim == 2 else values.shape[2]
    body = (np.moveaxis(values, -1, 0) if planar else values).astype("<u2").tobytes()
    planes = samples if planar else 1
    entries: list[tuple[int, int, list[int]]] = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [16] * samples), (259, 3, [1]),
        (262, 3, [2 if samples == 3 else 1]), (273, 4, [8 + len(body) // planes * i for i in range(planes)]),
        (274, 3, [orientation]), (277, 3, [samples]), (278, 4, [height]), (279, 4, [len(body) // planes] * planes),
        (284, 3, [2 if planar else 1]),
    ]  # fmt: skip
    after = 8 + len(body) + 2 + 12 * len(entries) + 4
    table, extra = struct.pack("<H", len(entries)), b""
    for tag, kind, numbers in entries:
        packed = struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(packed) > 4:
            packed, extra = struct.pack("<I", after + len(extra)), extra + packed
        table += struct.pack("<HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    return struct.pack("<2sHI", b"II", 42, 8 + len(body)) + body + table + bytes(4) + extra


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
