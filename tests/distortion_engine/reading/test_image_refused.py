"""What is refused: in one line that names the file and the remedy."""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image

from distortion_engine.reading.image_io import MIN_SIDE_PX, load_image

pytestmark = pytest.mark.filterwarnings("error")  # nothing of Pillow's leaks: no DecompressionBombWarning, no metadata

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "experiments" / "demo"


def test_missing_folder_empty_and_text_say_so(tmp_path: Path, failure: Callable[..., str]) -> None:
    assert f"{tmp_path}/no.png: no such file" in failure(tmp_path / "no.png")
    assert "is a folder; give the image files" in failure(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "empty.png: is empty (0 bytes)" in failure(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("this is not a picture\n" * 9)
    assert "text.png: is not an image (starts with b'this is not " in failure(tmp_path / "text.png")
    assert "is not a regular file" in failure("/dev/zero")
    assert "cannot be read" in failure("a\0b.png")


@pytest.mark.parametrize(
    "suffix", [".png", ".jpg", ".webp", ".avif", ".jp2", ".jxl", ".tif", ".gif", ".bmp", ".16.png", ".16.tif"]
)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_short_is_never_read_as_if_whole(
    tmp_path: Path, suffix: str, share: float, failure: Callable[..., str]
) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"x{suffix}"
    deep = noise.astype(np.uint16) * 257
    if suffix == ".16.png":
        path.write_bytes(imagecodecs.png_encode(deep))
    elif suffix == ".16.tif":
        path.write_bytes(imagecodecs.tiff_encode(deep, compression="lzw", photometric="rgb"))
    elif suffix == ".jxl":
        path.write_bytes(imagecodecs.jpegxl_encode(noise))
    else:
        Image.fromarray(noise).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    message = failure(path)
    assert str(path) in message and "damaged or cut short" in message and "save or download it again" in message


def test_a_damaged_file_gives_nothing_on_stderr_but_our_line(tmp_path: Path, pixels: np.ndarray) -> None:
    deep = imagecodecs.png_encode(pixels.astype(np.uint16) * 257)
    (tmp_path / "a.png").write_bytes(deep[: len(deep) // 2])
    tif = imagecodecs.tiff_encode(pixels.astype(np.uint16) * 257, compression="lzw", photometric="rgb")
    (tmp_path / "b.tif").write_bytes(tif[: len(tif) // 2] + bytes(len(tif) - len(tif) // 2))
    Image.fromarray(pixels).save(tmp_path / "c.jpg")
    jpg = (tmp_path / "c.jpg").read_bytes()
    (tmp_path / "c.jpg").write_bytes(jpg[: len(jpg) // 2])
    code = (
        "import sys\nfrom distortion_engine.reading.image_io import load_image\n"
        "for path in sys.argv[1:]:\n    try: load_image(path)\n    except ValueError as error: print(error)\n"
    )
    files = [str(tmp_path / name) for name in ("a.png", "b.tif", "c.jpg")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *files],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stderr == "" and len(done.stdout.splitlines()) == 3


def test_every_signature_followed_by_rubbish_is_an_image_error(tmp_path: Path, failure: Callable[..., str]) -> None:
    rng = np.random.default_rng(1)
    starts = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\0\0\1\0WEBPVP8 ", b"II*\0\x08\0\0\0"]
    starts += [
        b"MM\0*\0\0\0\x08",
        b"BM",
        b"\xff\x0a",
        b"\0\0\0\x0cJXL \r\n\x87\n",
        b"P6 32 32 255\n",
        b"\0\0\0\x20ftypavif",
    ]
    for start in starts:
        for length in (0, 4, 60, 500):
            (tmp_path / "x.png").write_bytes(start + rng.bytes(length))
            assert "x.png: " in failure(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif", ".avif"])
def test_animations_and_pages_are_refused(
    tmp_path: Path, pixels: np.ndarray, suffix: str, failure: Callable[..., str]
) -> None:
    frames = [Image.fromarray(np.roll(pixels, shift, axis=1)) for shift in (0, 3, 9)]
    frames[0].save(tmp_path / f"x{suffix}", save_all=True, append_images=frames[1:])
    assert "is an animation or has several pages; save one frame as PNG" in failure(tmp_path / f"x{suffix}")


def test_an_animated_jpeg_xl_is_refused_before_decoding(
    tmp_path: Path, pixels: np.ndarray, failure: Callable[..., str]
) -> None:
    frames = np.stack([np.roll(pixels, shift, axis=1) for shift in (0, 3, 9)])
    (tmp_path / "x.jxl").write_bytes(imagecodecs.jpegxl_encode(frames))
    assert "is an animation" in failure(tmp_path / "x.jxl")


@pytest.mark.parametrize("size", [(1, 1), (MIN_SIDE_PX - 1, 400), (400, MIN_SIDE_PX - 1)])
def test_too_small_images_are_refused_and_the_smallest_is_read(
    tmp_path: Path, size: tuple[int, int], failure: Callable[..., str]
) -> None:
    Image.new("RGB", size).save(tmp_path / "x.png")
    assert f"x.png: {size[0]}x{size[1]} px" in failure(tmp_path / "x.png")
    Image.new("RGB", (MIN_SIDE_PX, MIN_SIDE_PX)).save(tmp_path / "ok.png")
    assert load_image(tmp_path / "ok.png").shape == (3, MIN_SIDE_PX, MIN_SIDE_PX)
    assert "at least 16 px" in failure(np.zeros((1, 1, 3), np.uint8))
    assert "at least 16 px" in failure(torch.zeros(3, 0, 0))


def test_huge_images_are_refused_before_decoding_and_name_the_option(
    tmp_path: Path, failure: Callable[..., str]
) -> None:
    (tmp_path / "huge.png").write_bytes(png_header(60000, 50000))
    message = failure(tmp_path / "huge.png")
    assert "huge.png: 60000x50000 px are 3000000000 pixels, over the limit of 200000000" in message
    assert "--max-pixels 3000000000" in message
    Image.new("RGB", (40, 30)).save(tmp_path / "x.png")
    assert "over the limit of 1199" in failure(tmp_path / "x.png", max_pixels=1199)
    assert load_image(tmp_path / "x.png", max_pixels=1200).shape == (3, 30, 40)
    assert "over the limit of 10" in failure(torch.zeros(3, 20, 20), max_pixels=10)
    assert "over the limit of 10" in failure(np.zeros((20, 20, 3), np.uint8), max_pixels=10)


def test_a_huge_jpeg_xl_is_refused_before_decoding(tmp_path: Path, failure: Callable[..., str]) -> None:
    for height, width in ((20, 40), (64, 64), (33, 700), (700, 33), (256, 192), (1000, 1600)):
        (tmp_path / "x.jxl").write_bytes(imagecodecs.jpegxl_encode(np.zeros((height, width, 3), np.uint8), effort=1))
        assert f"x.jxl: {width}x{height} px" in failure(tmp_path / "x.jxl", max_pixels=99)


def test_pillows_own_limit_neither_warns_nor_changes(tmp_path: Path, failure: Callable[..., str]) -> None:
    before = Image.MAX_IMAGE_PIXELS
    (tmp_path / "x.png").write_bytes(png_header(14000, 14000))  # 196 megapixels: an error of Pillow's, allowed here
    assert "damaged or cut short" in failure(tmp_path / "x.png")
    assert Image.MAX_IMAGE_PIXELS == before


def test_nan_infinity_and_range_are_named(failure: Callable[..., str]) -> None:
    for bad in (np.nan, np.inf, -np.inf):
        array = np.full((20, 20, 3), 0.5, np.float32)
        array[3, 4, 1] = bad
        assert "array: 1 values are NaN or infinite" in failure(array)
        assert "tensor: 1 values are NaN or infinite" in failure(torch.from_numpy(array).permute(2, 0, 1))
    assert "float values from 0 to 255, expected [0, 1]" in failure(np.linspace(0, 255, 1200).reshape(20, 20, 3))
    assert "expected [0, 1]" in failure(torch.full((3, 20, 20), -0.5))


def test_float_tiff_is_checked_like_an_array(tmp_path: Path, failure: Callable[..., str]) -> None:
    grey = np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)
    Image.fromarray(grey).save(tmp_path / "x.tif")
    assert torch.equal(load_image(tmp_path / "x.tif"), torch.from_numpy(np.stack([grey] * 3)))
    Image.fromarray(grey * 300).save(tmp_path / "y.tif")
    assert "y.tif: float values from 0 to 300" in failure(tmp_path / "y.tif")
    Image.fromarray((grey * 300).astype(np.int32)).save(tmp_path / "z.tif")
    assert "z.tif: TIFF of signed 32 bit samples is not read" in failure(tmp_path / "z.tif")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (np.zeros((3, 20, 20), np.uint8), "shape (3, 20, 20), expected (H, W), (H, W, 3) or (H, W, 4); use transpose"),
        (np.zeros((20, 20, 2), np.uint8), "shape (20, 20, 2)"),
        (np.zeros(20, np.uint8), "shape (20,)"),
        (np.zeros((1, 20, 20, 3), np.uint8), "shape (1, 20, 20, 3)"),
        (np.zeros((20, 20, 3), np.int64), "type int64, expected uint8, uint16 or floats"),
        (np.zeros((20, 20, 3), complex), "type complex128"),
        (torch.zeros(20, 20, 3), "shape (20, 20, 3), expected one RGB image (3, H, W) or (1, 3, H, W); use permute"),
        (torch.zeros(2, 3, 20, 20), "shape (2, 3, 20, 20)"),
        (torch.zeros(20, 20), "shape (20, 20)"),
        (torch.zeros(3, 20, 20, dtype=torch.int64), "type torch.int64"),
        (7, "int is not an image"),
        (None, "NoneType is not an image"),
    ],
)
def test_wrong_shapes_and_types_are_named(source: object, said: str, failure: Callable[..., str]) -> None:
    assert said in failure(source)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises much and holds one empty IDAT."""
    out = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", b""),
        (b"IEND", b""),
    ):
        out += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return out
