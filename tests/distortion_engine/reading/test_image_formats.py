"""What people have: every format, depth and layout is read as it is, and memory as the file would be."""

import struct
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image

from distortion_engine.reading.image_io import load_image

pytestmark = pytest.mark.filterwarnings("error")  # nothing of Pillow's leaks: no DecompressionBombWarning, no metadata

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "experiments" / "demo"
SIZE = (24, 40)  # of the fixture `pixels`


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_eight_bit_files_are_read_exactly(
    tmp_path: Path, pixels: np.ndarray, suffix: str, expected: Callable[..., torch.Tensor]
) -> None:
    Image.fromarray(pixels).save(tmp_path / f"x{suffix}")
    image = load_image(tmp_path / f"x{suffix}")
    assert image.shape == (3, *SIZE) and image.dtype == torch.float32
    assert torch.equal(image, expected(pixels))


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif", ".jp2", ".jxl"])
def test_lossy_files_are_read_closely(
    tmp_path: Path, pixels: np.ndarray, suffix: str, expected: Callable[..., torch.Tensor]
) -> None:
    path = tmp_path / f"x{suffix}"
    if suffix == ".jxl":
        path.write_bytes(imagecodecs.jpegxl_encode(pixels, lossless=True))
    else:
        Image.fromarray(pixels).save(path, quality=95)
    assert (load_image(str(path)) - expected(pixels)).abs().mean() < 0.02


def test_a_file_is_known_by_its_bytes_not_its_suffix(
    tmp_path: Path, pixels: np.ndarray, expected: Callable[..., torch.Tensor]
) -> None:
    Image.fromarray(pixels).save(tmp_path / "x.jpg", format="PNG")
    assert torch.equal(load_image(tmp_path / "x.jpg"), expected(pixels))


def test_grey_alpha_palette_and_one_bit_become_rgb(
    tmp_path: Path, pixels: np.ndarray, expected: Callable[..., torch.Tensor]
) -> None:
    grey = pixels[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert torch.equal(load_image(tmp_path / "grey.png"), expected(np.dstack([grey] * 3)))
    Image.fromarray(np.dstack([grey, np.zeros_like(grey)])).save(tmp_path / "clear.png")  # LA, fully transparent
    assert torch.equal(load_image(tmp_path / "clear.png"), torch.ones(3, *SIZE))
    palette = Image.fromarray(pixels).quantize(16)
    palette.save(tmp_path / "palette.png")
    assert torch.equal(load_image(tmp_path / "palette.png"), expected(np.asarray(palette.convert("RGB"))))
    palette.save(tmp_path / "palette.gif")
    assert torch.equal(load_image(tmp_path / "palette.gif"), expected(np.asarray(palette.convert("RGB"))))
    palette.save(tmp_path / "clear_palette.png", transparency=bytes([0] * 16))
    assert torch.equal(load_image(tmp_path / "clear_palette.png"), torch.ones(3, *SIZE))
    Image.fromarray(grey > 100).save(tmp_path / "bits.png")
    assert torch.equal(load_image(tmp_path / "bits.png"), expected(np.dstack([grey > 100] * 3), 1))


@pytest.mark.parametrize("name", ["rgb.png", "grey.png", "alpha.png", "rgb.tif", "planes.tif", "lzw.tif", "grey.tif"])
def test_sixteen_bit_files_keep_their_precision(
    tmp_path: Path, name: str, expected: Callable[..., torch.Tensor], tiff16: Callable[..., bytes]
) -> None:
    deep = (np.arange(SIZE[0] * SIZE[1] * 3, dtype=np.uint32) * 22 % 65536).astype(np.uint16).reshape(*SIZE, 3)
    path = tmp_path / name
    data = np.ascontiguousarray(deep[:, :, 0]) if name.startswith("grey") else deep
    if name == "alpha.png":
        path.write_bytes(imagecodecs.png_encode(np.dstack([deep, np.full(SIZE, 65535, np.uint16)])))
    elif path.suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(data))
    elif name == "planes.tif":
        path.write_bytes(tiff16(data, planar=True))
    elif name == "lzw.tif":
        path.write_bytes(imagecodecs.tiff_encode(data, compression="lzw", photometric="rgb"))
    else:
        path.write_bytes(tiff16(data))
    wanted = expected(np.dstack([data] * 3) if data.ndim == 2 else data, 65535)
    assert torch.equal(load_image(path), wanted)


def test_a_phone_picture_with_a_depth_map_is_its_first_picture(
    tmp_path: Path, pixels: np.ndarray, expected: Callable[..., torch.Tensor]
) -> None:
    main, second = Image.fromarray(pixels), Image.new("RGB", SIZE[::-1])
    main.save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=[second], quality=95)
    assert (load_image(tmp_path / "x.jpg") - expected(pixels)).abs().mean() < 0.02


def test_arrays_tensors_and_pil_images_give_the_same_as_the_file(
    tmp_path: Path, pixels: np.ndarray, expected: Callable[..., torch.Tensor]
) -> None:
    wanted = expected(pixels)
    kinds = [pixels, pixels.astype(np.uint16) * 257, pixels / 255, (pixels / 255).astype(np.float32)]
    kinds += [(pixels.astype(np.uint16) * 257).astype(">u2"), (pixels / 255).astype(">f4")]  # of the other byte order
    kinds += [Image.fromarray(pixels), np.dstack([pixels, np.full(SIZE, 255, np.uint8)])]
    kinds += [torch.from_numpy(pixels).permute(2, 0, 1), wanted, wanted[None], wanted.double()]
    for source in kinds:
        assert torch.equal(load_image(source), wanted)
    assert torch.equal(load_image(pixels[:, :, 0]), expected(np.dstack([pixels[:, :, 0]] * 3)))


def test_the_source_is_neither_written_nor_shared(pixels: np.ndarray, expected: Callable[..., torch.Tensor]) -> None:
    array, tensor = (pixels / 255).astype(np.float32), expected(pixels)
    for source, keep in ((array, array.copy()), (tensor, tensor.clone())):
        load_image(source).zero_()
        assert (torch.as_tensor(source) == torch.as_tensor(keep)).all()
    assert load_image(expected(pixels).requires_grad_()).requires_grad is False


def test_rounding_beyond_the_range_is_clamped() -> None:
    image = load_image(np.full((16, 16, 3), 1 + 1e-6))
    assert image.max() == 1


def test_the_shipped_demo_images_are_read() -> None:
    for path in sorted(p for p in DEMO.iterdir() if p.suffix in {".png", ".jpg", ".webp", ".avif", ".jxl"}):
        image = load_image(path)
        assert image.shape[0] == 3 and 0 <= image.min() < image.max() <= 1


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("photometric", [0, 1])
def test_a_deep_grey_tiff_means_the_same_opened_by_pillow_or_by_path(
    tmp_path: Path, bits: int, photometric: int, pixels: np.ndarray
) -> None:
    largest = (1 << bits) - 1
    grey = np.round(pixels[:, :, 0] / 255 * largest).astype(np.uint16)
    stored = grey if photometric else largest - grey
    if bits == 16:
        packed = stored.astype("<u2").tobytes()
    else:  # two samples in three bytes, high bits first
        pairs = stored.reshape(-1, 2).astype(np.uint32)
        packed = b"".join(int(a << 12 | b).to_bytes(3, "big") for a, b in pairs)
    entries = [(256, 40), (257, 24), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, 24),
               (279, len(packed))]  # fmt: skip
    table = b"".join(struct.pack("<HHII", tag, 4 if tag > 277 else 3, 1, value) for tag, value in entries)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(packed))
    (tmp_path / "x.tif").write_bytes(head + packed + struct.pack("<H", len(entries)) + table + bytes(4))
    wanted = torch.from_numpy((grey / largest).astype(np.float32)).expand(3, -1, -1)
    torch.testing.assert_close(load_image(tmp_path / "x.tif"), wanted, rtol=0, atol=1e-5)
    if bits == 12 and photometric == 0:  # which Pillow does not open
        return
    with Image.open(tmp_path / "x.tif") as opened:
        torch.testing.assert_close(load_image(opened), wanted, rtol=0, atol=1e-5)
