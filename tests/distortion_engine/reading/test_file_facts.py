"""What a file is, by its header: format, quality setting, size, date."""

import io
import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distortion_engine.reading.file_facts import file_facts, libjpeg_luma, read_file_facts
from distortion_engine.reading.jpeg_header import read_jpeg_header

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8))


def encoded(kind: str, picture: Image.Image = PICTURE, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 90, 99, 100])
def test_the_quality_of_libjpeg_is_found_again(quality: int) -> None:
    """Pillow writes by libjpeg(-turbo), whose tables the formula gives."""
    data = encoded("JPEG", quality=quality)
    assert file_facts("x.jpg", data).setting == f"quality {quality}"
    assert read_jpeg_header(data).tables[0] == libjpeg_luma(quality)


def test_of_tables_of_another_encoder_the_nearest_quality_is_told() -> None:
    """A flat table of 10s in Pillow's order, row by row; the mean of libjpeg's luma table is 9.7 at quality 92."""
    data = encoded("JPEG", qtables=[[10] * 64])
    said = file_facts("x.jpg", data).setting
    assert said.startswith("quality about ") and 88 <= int(said.split()[-1]) <= 95


@pytest.mark.parametrize(
    ("kind", "options", "name", "setting"),
    [
        ("PNG", {}, "PNG", "lossless, 8 bits a channel"),
        ("WEBP", {"lossless": True}, "WebP", "lossless"),
        ("WEBP", {"quality": 60}, "WebP", "lossy"),
        (
            "WEBP",
            {"quality": 60, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"},
            "WebP",
            "lossy",
        ),  # in a VP8X container
        ("BMP", {}, "BMP", "uncompressed"),
        ("JPEG2000", {"irreversible": True, "quality_layers": [20]}, "JPEG 2000", "lossy"),
        ("JPEG2000", {"irreversible": False}, "JPEG 2000", ""),
    ],
)
def test_formats_are_told_with_what_the_header_says_of_their_loss(
    kind: str, options: dict[str, object], name: str, setting: str
) -> None:
    facts = file_facts("x", encoded(kind, **options))
    assert (facts.format, facts.setting, facts.size) == (name, setting, (40, 24))


def test_sixteen_bits_of_a_png_are_told() -> None:
    deep = Image.fromarray(np.zeros((20, 20), np.uint16))
    assert file_facts("x", encoded("PNG", deep)).setting == "lossless, 16 bits a channel"


def test_what_is_no_image_has_only_a_size_in_bytes() -> None:
    facts = file_facts("x.bin", b"\xff\xd8 no image at all")
    assert (facts.format, facts.setting, facts.size, facts.nbytes) == ("image", "", None, 18)


def test_a_file_has_a_name_without_folders_and_a_date(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded("PNG"))
    os.utime(path, (0, 1_700_000_000))
    facts = read_file_facts(path)
    assert (facts.name, facts.nbytes) == ("photo.png", path.stat().st_size)
    assert facts.modified == datetime.fromtimestamp(1_700_000_000)


@pytest.mark.parametrize("cut", [3, 30, 100, 300])
def test_files_that_end_early_raise_nothing(cut: int) -> None:
    for kind in ("JPEG", "PNG", "WEBP", "JPEG2000"):
        assert file_facts("x", encoded(kind)[:cut]).nbytes <= cut
