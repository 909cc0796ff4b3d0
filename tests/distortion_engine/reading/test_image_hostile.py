"""Files that want to crash, hang or exhaust the reader, and what the fuzzer (experiments/fuzz) has found."""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from distortion_engine.errors import ImageError
from distortion_engine.reading.decoder_noise import quiet_decoders
from distortion_engine.reading.image_io import load_image
from experiments.fuzz.child import MEMORY_BYTES, Verdict, try_case
from experiments.fuzz.door import Case
from experiments.fuzz.doors.images import DOOR
from experiments.fuzz.samples import make_samples
from relational_iqa.cli import main

PHOTO = Path(__file__).parents[2] / "images" / "photo_1.png"
BLACK = np.zeros((40, 52, 3), np.uint8)
FAR_BEYOND = "over the limit of 200000000; use a smaller image or allow it with --max-pixels "


def encoded(kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    Image.fromarray(BLACK).save(content, kind, **options)
    return content.getvalue()


def patched(data: bytes, *edits: tuple[int, str, int]) -> bytes:
    """The same file with numbers packed at offsets."""
    out = bytearray(data)
    for offset, form, value in edits:
        struct.pack_into(form, out, offset, value)
    return bytes(out)


def png(width: int, height: int, depth: int) -> bytes:
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1 << 20))),
    )
    parts = [
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in (*chunks, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(data: bytes, **tags: int) -> bytes:
    """A little-endian TIFF with other values of width or height (TIFF 6.0, section 2)."""
    out, wanted = bytearray(data), {"width": 256, "height": 257}
    (start,) = struct.unpack_from("<I", out, 4)
    (count,) = struct.unpack_from("<H", out, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", out, entry)
        for name, value in tags.items():
            if tag == wanted[name]:
                struct.pack_into("<HHII", out, entry, tag, 4, 1, value)
    return bytes(out)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


JXL_HEAD = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
LARGE_JXL = imagecodecs.jpegxl_encode(np.zeros((600, 800, 3), np.uint8), effort=1)
SMALL_JXL = imagecodecs.jpegxl_encode(BLACK, effort=1)


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that promise more than 200 megapixels."""
    yield "png", png(60000, 60000, 8)
    yield "16 bit png", png(60000, 60000, 16)
    jpeg = encoded("JPEG")
    frame = jpeg.index(b"\xff\xc0")
    yield "jpeg", patched(jpeg, (frame + 5, ">H", 65500), (frame + 7, ">H", 65500))
    gif = encoded("GIF")
    picture = gif.index(b"\x2c\0\0\0\0")
    yield "gif screen", patched(gif, (6, "<H", 65500), (8, "<H", 65500))
    yield "gif frame", patched(gif, (picture + 5, "<H", 65500), (picture + 7, "<H", 65500))
    yield "bmp", patched(encoded("BMP"), (18, "<I", 60000), (22, "<I", 60000))
    avif = encoded("AVIF")
    size = avif.index(b"ispe")
    yield "avif", patched(avif, (size + 8, ">I", 15000), (size + 12, ">I", 15000))
    jp2 = encoded("JPEG2000")
    places = jp2.index(b"ihdr") + 4, jp2.index(b"ihdr") + 8, jp2.index(b"\xff\x51") + 6, jp2.index(b"\xff\x51") + 10
    yield "jpeg 2000", patched(jp2, *((at, ">I", 60000) for at in places))
    lossless = encoded("WEBP", lossless=True)
    yield "lossless webp", patched(lossless, (21, "<I", 16382 | 16382 << 14))
    yield "lossy webp", patched(encoded("WEBP", quality=50), (26, "<H", 16383), (28, "<H", 16383))
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xfe\xff\0" * 2
    yield "webp canvas", b"RIFF" + struct.pack("<I", len(lossless) + 10) + b"WEBP" + canvas + lossless[12:]
    yield "tiff", tiff(encoded("TIFF", compression="tiff_lzw"), width=60000, height=60000)
    yield "16 bit tiff", tiff(imagecodecs.tiff_encode(BLACK.astype(np.uint16)), width=60000, height=60000)
    yield "ppm", b"P6 60000 60000 255\n" + bytes(100)
    yield "jpeg xl", imagecodecs.jpegxl_encode(np.zeros((15000, 15000), np.uint8), effort=1)


def tried(data: bytes, memory_bytes: int = MEMORY_BYTES) -> Verdict:
    """What reading a file in a process of its own comes to."""
    return try_case(DOOR, Case("", {"image": data}, ["image"]), memory_bytes)


def test_60_mutants_are_read_or_refused_without_crash_hang_or_noise() -> None:
    cases = [(case.kind, try_case(DOOR, case)) for case in (DOOR.case(f"7 {number}") for number in range(60))]
    assert [case for case in cases if not case[1].fine] == []
    assert sum(verdict.outcome == "refused" for _, verdict in cases) > 30
    assert sum(verdict.outcome == "done" for _, verdict in cases) > 4


def test_bombs_are_refused_before_memory_is_taken_and_the_option_is_named() -> None:
    before = tried(make_samples(PHOTO)[0].data)
    for name, data in bombs():
        verdict = tried(data, memory_bytes=100 << 20)
        assert verdict.outcome == "refused" and FAR_BEYOND in verdict.said, (name, verdict)
        assert verdict.peak_bytes - before.peak_bytes < 20 << 20, name


def test_memory_is_bounded_whatever_is_in_the_file() -> None:
    """Alpha and a profile once took 60 bytes a pixel: 12 GB for an image within the limit."""
    size, content = (4000, 3000), io.BytesIO()
    profile = bytes(imagecodecs.cms_profile("adobergb"))
    Image.new("RGBA", size, (200, 100, 50, 128)).save(content, "PNG", icc_profile=profile, compress_level=1)
    before, verdict = tried(make_samples(PHOTO)[0].data), tried(content.getvalue())
    assert verdict.outcome == "done"
    assert (verdict.peak_bytes - before.peak_bytes) / (size[0] * size[1]) < 24


def test_an_image_within_the_limit_but_not_within_memory_says_so() -> None:
    content = io.BytesIO()
    Image.new("L", (7000, 7000)).save(content, "PNG")
    verdict = tried(content.getvalue(), memory_bytes=100 << 20)
    assert verdict.outcome == "refused" and "decoding it takes more memory than there is" in verdict.said


@pytest.mark.parametrize(
    ("name", "boxes"),
    [
        ("plain", box(b"jxlc", LARGE_JXL)),
        ("a codestream's name inside another box", box(b"free", b"jxlc" + SMALL_JXL) + box(b"jxlc", LARGE_JXL)),
        ("a codestream's start inside another box", box(b"Exif", SMALL_JXL) + box(b"jxlc", LARGE_JXL)),
        ("to the end of the file", struct.pack(">I", 0) + b"jxlc" + LARGE_JXL),
        ("64 bit length", struct.pack(">I", 1) + b"jxlc" + struct.pack(">Q", 16 + len(LARGE_JXL)) + LARGE_JXL),
        ("header in parts", box(b"jxlp", bytes(4) + LARGE_JXL[:1]) + box(b"jxlp", b"\0\0\0\1" + LARGE_JXL[1:3])
         + box(b"jxlp", b"\x80\0\0\2" + LARGE_JXL[3:])),
    ],
)  # fmt: skip
def test_the_size_of_a_boxed_jpeg_xl_is_that_of_its_codestream(tmp_path: Path, name: str, boxes: bytes) -> None:
    (tmp_path / "x.jxl").write_bytes(JXL_HEAD + boxes)
    assert load_image(tmp_path / "x.jxl").shape == (3, 600, 800)
    with pytest.raises(ImageError, match="800x600 px are 480000 pixels, over the limit of 99999"):
        load_image(tmp_path / "x.jxl", max_pixels=99999)


@pytest.mark.parametrize("boxes", [b"", box(b"free", SMALL_JXL), struct.pack(">I", 3) + b"jxlc", b"\0\0\0\1jxlc\0"])
def test_a_jpeg_xl_container_without_a_codestream_is_damaged(tmp_path: Path, boxes: bytes) -> None:
    (tmp_path / "x.jxl").write_bytes(JXL_HEAD + boxes)
    with pytest.raises(ImageError, match=r"x\.jxl: is damaged or cut short"):
        load_image(tmp_path / "x.jxl")


def test_a_tiff_with_too_few_strips_is_damaged_not_black_below(tmp_path: Path) -> None:
    for data in (encoded("TIFF"), tiff(encoded("TIFF"), height=41)):
        (tmp_path / "x.tif").write_bytes(data)
        if data == encoded("TIFF"):
            assert load_image(tmp_path / "x.tif").shape == (3, 40, 52)
    with pytest.raises(ImageError, match="is damaged or cut short"):
        load_image(tmp_path / "x.tif")
    (tmp_path / "x.tif").write_bytes(tiff(encoded("TIFF"), height=2_000_000))
    with pytest.raises(ImageError, match="strips for 2080 of 104000000 pixels"):
        load_image(tmp_path / "x.tif")


def test_a_jpeg_2000_whose_alpha_is_no_component_is_damaged(tmp_path: Path) -> None:
    data = (Path(__file__).parent / "files" / "rgba12_premultiplied.jp2").read_bytes()
    entry = data.index(b"cdef") + 4 + 2 + 3 * 6
    (tmp_path / "x.jp2").write_bytes(patched(data, (entry, ">H", 131)))
    with pytest.raises(ImageError, match="is damaged or cut short"):
        load_image(tmp_path / "x.jp2")


def test_a_jpeg_2000_without_components_is_damaged(tmp_path: Path) -> None:
    data = (Path(__file__).parent / "files" / "rgb12.jp2").read_bytes()
    (tmp_path / "x.jp2").write_bytes(patched(data, (data.index(b"\xff\x4f\xff\x51") + 40, ">H", 0)))
    with pytest.raises(ImageError, match="is damaged or cut short"):
        load_image(tmp_path / "x.jp2")


def test_a_tiff_with_fewer_samples_than_colours_is_damaged(tmp_path: Path) -> None:
    data = (Path(__file__).parent / "files" / "rgb16_planes.tif").read_bytes()
    entry = data.index(struct.pack("<HHIH", 277, 3, 1, 3))
    (tmp_path / "x.tif").write_bytes(patched(data, (entry + 8, "<H", 2)))
    with pytest.raises(ImageError, match="is damaged or cut short"):
        load_image(tmp_path / "x.tif")


@pytest.mark.parametrize("mask", [0, 0b101, 0x1FF, 1 << 16])
def test_a_bmp_with_senseless_bit_fields_is_refused_without_a_crash(tmp_path: Path, mask: int) -> None:
    data = (Path(__file__).parent / "files" / "argb4444.bmp").read_bytes()
    (tmp_path / "x.bmp").write_bytes(patched(data, (54, "<I", mask)))
    with pytest.raises(ImageError, match="BMP with these bit fields is not read"):
        load_image(tmp_path / "x.bmp")
    for offset, form, value in ((10, "<I", 1 << 30), (18, "<i", -5), (22, "<i", 9999)):
        (tmp_path / "x.bmp").write_bytes(patched(data, (offset, form, value)))
        with pytest.raises(ImageError, match="is damaged or cut short"):
            load_image(tmp_path / "x.bmp")


def test_reading_in_several_threads_leaves_the_filters_of_warnings_alone() -> None:
    before = list(warnings.filters)
    inside = threading.Barrier(2)

    def other() -> None:
        with quiet_decoders():
            inside.wait()
            inside.wait()

    thread = threading.Thread(target=other)
    thread.start()
    with quiet_decoders():
        inside.wait()
        warnings.warn("not to be seen", stacklevel=1)
    warnings.warn("still not, the other thread reads", stacklevel=1)
    inside.wait()
    thread.join()
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="seen"):
        warnings.warn("seen", stacklevel=1)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("cut.png", PHOTO.read_bytes()[:2000], "is damaged or cut short"),
        ("foreign.pdf", b"%PDF-1.7\n" + bytes(100), "is not an image"),
        ("noise.tif", patched(encoded("TIFF", compression="tiff_lzw"), (9, ">I", (1 << 32) - 1)), "is damaged"),
        ("huge.png", png(60000, 60000, 8), "--max-pixels 3600000000"),
        ("empty.jpg", b"", "is empty"),
    ],
)  # fmt: skip
def test_the_command_line_refuses_hostile_files_with_one_line_and_exit_code_2(
    name: str, data: bytes, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(data)
    assert main(["compare", str(tmp_path / name), str(PHOTO)]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith(f"riqa: {tmp_path / name}: ") and said in err
