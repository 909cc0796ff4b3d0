"""Stored images: a window of one is that part of what `load_image` gives, and memory is that of the file's samples."""

import struct
import subprocess
import sys
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.reading.image_io import load_image
from relational_iqa.report.pictures import as_uint8
from relational_iqa.tiling import stored_image
from relational_iqa.tiling.aligned_images import align_images
from relational_iqa.tiling.stored_image import open_image, open_images_at_once

ROOT = Path(__file__).parents[3]
HEIGHT, WIDTH = 47, 61


def picture(channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    values = np.random.default_rng(3).integers(0, np.iinfo(dtype).max + 1, (HEIGHT, WIDTH, channels))
    return values.astype(dtype)


def saved(folder: Path, name: str, image: Image.Image, **options: Any) -> Path:
    image.save(folder / name, **options)
    return folder / name


def sixteen_bits(folder: Path) -> Path:
    (folder / "deep.png").write_bytes(imagecodecs.png_encode(picture(3, np.uint16)))
    return folder / "deep.png"


SOURCES: dict[str, Callable[[Path], Any]] = {
    "PNG": lambda folder: saved(folder, "x.png", Image.fromarray(picture())),
    "16 bits": sixteen_bits,
    "grey": lambda folder: saved(folder, "x.png", Image.fromarray(picture(1)[..., 0])),
    "palette": lambda folder: saved(folder, "x.png", Image.fromarray(picture()).quantize(7)),
    "alpha": lambda folder: saved(folder, "x.png", Image.fromarray(picture(4))),
    "CMYK": lambda folder: saved(folder, "x.jpg", Image.fromarray(picture(4), "CMYK")),
    "wide gamut": lambda folder: saved(
        folder, "x.png", Image.fromarray(picture()), icc_profile=imagecodecs.cms_profile("adobergb")
    ),
    "turned": lambda folder: saved(folder, "x.png", Image.fromarray(picture()), exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0"
                                   b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    "PIL": lambda folder: Image.fromarray(picture()),
    "array": lambda folder: picture(),
    "16 bit array": lambda folder: picture(3, np.uint16),
    "float array": lambda folder: picture() / np.float32(255),
    "tensor": lambda folder: torch.from_numpy(picture()).permute(2, 0, 1).float() / 255,
    "byte tensor": lambda folder: torch.from_numpy(picture()).permute(2, 0, 1),
    "tensor just outside": lambda folder: torch.linspace(-5e-5, 1, 3 * HEIGHT * WIDTH).view(3, HEIGHT, WIDTH),
}  # fmt: skip


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("in_files", [True, False])
def test_windows_are_parts_of_the_loaded_image_to_the_bit(
    kind: str, in_files: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_files:
        files_from(monkeypatch, 1)
    source = SOURCES[kind](tmp_path)
    whole, stored = load_image(source), open_image(source)
    stored.give_back()
    assert stored.shape == tuple(whole.shape) and whole.std() > 0.1
    assert torch.equal(stored.pixels(), whole)
    assert torch.equal(stored.window(5, 30, 11, 40), whole[:, 5:30, 11:40])
    assert torch.equal(stored[..., 5:30, 11:40].pixels(), whole[:, 5:30, 11:40])
    assert stored.mean() == pytest.approx(float(whole.double().mean()))
    assert np.array_equal(stored.to_uint8(), as_uint8(whole, "image"))
    assert np.array_equal(as_uint8(stored, "image"), as_uint8(whole, "image"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (torch.full((3, 20, 20), float("nan")), "NaN"),
        (torch.full((3, 20, 20), 1.5), r"\[0, 1\]"),
        (torch.zeros(3, 15, 20), "16 px"),
        (torch.zeros(3, 200, 200), "max_pixels"),
        (np.full((20, 20, 3), np.inf), "NaN or infinite"),
        (np.zeros((200, 200, 3), np.uint8), "max_pixels"),
        (np.zeros((20, 15, 3), np.uint8), "16 px"),
        (np.zeros((20, 20, 5), np.uint8), "shape"),
        ("nowhere.png", "no such file"),
        (3, "not an image"),
    ],
)
def test_what_load_image_refuses_is_refused_here_too(source: Any, said: str) -> None:
    for opened in (load_image, open_image):
        with pytest.raises(ImageError, match=said):
            opened(source, max_pixels=30_000)


def test_the_callers_pixels_are_neither_copied_nor_changed() -> None:
    tensor, array = torch.rand(3, 30, 40), picture()
    before = tensor.clone(), array.copy()
    assert open_image(tensor).pixels().data_ptr() == tensor.data_ptr()
    stored = open_image(array)
    assert stored.to_uint8() is array and open_image(stored) is stored
    stored.window(0, 20).add_(1)
    assert torch.equal(tensor, before[0]) and np.array_equal(array, before[1])


def test_a_large_file_is_moved_out_of_memory_and_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).integers(1, 256, (300, 400, 3)).astype(np.uint8)
    path = saved(tmp_path, "x.png", Image.fromarray(values))
    assert open_image(path).memory_bytes == values.nbytes
    files_from(monkeypatch, values.nbytes)
    stored = open_image(path)
    assert stored.memory_bytes == 0 and stored[..., 5:30, 11:40].memory_bytes == 0
    for _ in range(2):
        assert np.array_equal(stored.to_uint8(), values)
        stored.give_back()
    assert open_image(values).memory_bytes == values.nbytes  # the caller's array stays where it is
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert np.array_equal(open_image(path).to_uint8(), values)  # nowhere to move it to


def files_from(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for module in ("temporary_arrays", "stored_image", "tile_runner"):
        monkeypatch.setattr(f"relational_iqa.tiling.{module}.IN_FILE_FROM_BYTES", size)


def refuse(*arguments: Any, **options: Any) -> None:
    raise OSError("no room")


def test_images_of_different_sizes_are_aligned_as_tensors_are() -> None:
    small, large = picture(), np.pad(picture(), ((4, 3), (0, 8), (0, 0)), mode="edge")
    images = [("small", open_image(small)), ("large", open_image(large))]
    with pytest.raises(ImageError, match="small is 61x47 px but large is 69x54 px"):
        align_images(images, None)
    with pytest.raises(UsageError, match="stretch"):
        align_images(images, "stretch")
    one, two = align_images(images, "crop")
    assert one.shape == two.shape == (3, HEIGHT, WIDTH) and np.array_equal(one.to_uint8(), small)
    one, two = align_images(images, "resize")
    assert one.shape == two.shape == (3, HEIGHT + 7, WIDTH + 8) and np.array_equal(two.to_uint8(), large)
    assert np.array_equal(align_images(images, "crop")[1].to_uint8(), large[3:50, 4:65])


MEMORY = """
import resource, sys
import numpy as np, torch
from relational_iqa.tiling import stored_image
from relational_iqa.tiling.stored_image import open_image, open_images_at_once
from relational_iqa.tiling.tile_runner import TileRunner
import relational_iqa.systems.pixel_perfect
torch.set_num_threads(1)

def peak(what="VmHWM"):
    return 1024 * int(next(line for line in open("/proc/self/status") if line.startswith(what)).split()[1])

def judge(tiles, share):
    cells = [torch.nn.functional.avg_pool2d(tile, 4) for tile in tiles]
    return torch.cat((cells[1] - cells[0]).expand(6, -1, -1, -1).split(1), 1)[0], (share.sum(),)

start = peak()
images = [open_image(sys.argv[1]) for _ in range(2)]
tiled = TileRunner(256, 0, torch.device("cpu")).run(images, judge, 64)
pixels = images[0].shape[1] * images[0].shape[2]
assert tiled.maps.shape[0] == 18 and abs(float(tiled.sums[0]) * 16 / pixels - 1) < 1e-3
print(peak() - start, peak("VmRSS") - start)
"""


def test_peak_memory_of_tiles_does_not_grow_with_images_and_maps(tmp_path: Path) -> None:
    """What decoding holds for a moment is all that grows, and is gone at the end; two images of 3 bytes a pixel and
    maps of 4.5 would stay. In float32 at full size it would be 96. In a process of its own, on 23 megapixels."""
    values = np.tile(np.asarray(Image.open(ROOT / "tests" / "images" / "photo_1.png").convert("RGB")), (32, 35, 1))
    buffer = BytesIO()
    Image.fromarray(values).save(buffer, "PNG", compress_level=1)
    path = tmp_path / "large.png"
    path.write_bytes(buffer.getvalue())
    pixels = values.shape[0] * values.shape[1]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    grown, left = map(int, done.stdout.split())
    print(grown / pixels, left / pixels)
    assert 22e6 < pixels and grown < 12 * pixels and left < 4 * pixels


@pytest.fixture(name="threads")
def several_threads() -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_files_are_decoded_at_once_and_stay_in_order(
    tmp_path: Path, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(threads, timeout=30)

    def opened(source: Any, **options: Any) -> Any:
        if isinstance(source, Path):
            together.wait()  # breaks where fewer are at work
        return open_image(source, **options)

    monkeypatch.setattr(stored_image, "open_image", opened)
    pictures = [np.full((HEIGHT, WIDTH, 3), level, np.uint8) for level in (10, 20, 30, 40)]
    sources: list[Any] = [saved(tmp_path, f"{k}.png", Image.fromarray(pictures[k])) for k in range(3)] + [pictures[3]]
    for order in ([0, 1, 2, 3], [2, 3, 1, 0]):
        found = open_images_at_once([sources[k] for k in order])
        assert [int(image.to_uint8()[0, 0, 0]) for image in found] == [10 * (k + 1) for k in order]


def test_the_first_file_that_is_no_image_is_named(tmp_path: Path, threads: int) -> None:
    good = saved(tmp_path, "good.png", Image.fromarray(picture()))
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"one\.png"):
        open_images_at_once([good, tmp_path / "one.png", tmp_path / "two.png"])
    with pytest.raises(ImageError, match=r"two\.png"):
        open_images_at_once([tmp_path / "two.png", tmp_path / "one.png", good])


def test_with_one_thread_no_other_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(stored_image, "ThreadPoolExecutor", None)
    file = saved(tmp_path, "x.png", Image.fromarray(picture()))
    assert len(open_images_at_once([file, file])) == 2


def test_large_files_are_decoded_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    file = saved(tmp_path, "x.png", Image.fromarray(picture()))
    monkeypatch.setattr(stored_image, "AT_ONCE_PX", 2 * HEIGHT * WIDTH - 1)
    monkeypatch.setattr(stored_image, "ThreadPoolExecutor", None)
    assert len(open_images_at_once([file, file])) == 2
    monkeypatch.setattr(stored_image, "AT_ONCE_PX", 2 * HEIGHT * WIDTH)
    with pytest.raises(TypeError):  # there is no pool to be had
        open_images_at_once([file, file])


def test_files_beyond_the_limit_of_pillow_are_opened_without_its_warning(tmp_path: Path, threads: int) -> None:
    header = struct.pack(">IIBBBBB", 12_000, 8_000, 8, 2, 0, 0, 0)  # 96 megapixels; Pillow warns from 89 on
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageError, match=r"large\.png"):  # nothing follows the header
            open_images_at_once([tmp_path / "large.png", tmp_path / "large.png"])
