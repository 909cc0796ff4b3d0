"""JPEG: damage that libjpeg only warns of is found, padding is none; scan bombs; segments."""

import io
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from distortion_engine.reading.image_io import load_image
from distortion_engine.reading.jpeg_header import read_jpeg_header

PHOTO = Path(__file__).parents[2] / "images" / "photo_1.png"
END = b"\xff\xd9"
KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "4:4:4": {"subsampling": 0},
    "restarts": {"restart_marker_blocks": 4},
    "RGB": {"keep_rgb": True},
    "grey": {"mode": "L"},
    "CMYK": {"mode": "CMYK"},
}


def jpeg(mode: str = "RGB", **options: Any) -> bytes:
    content = io.BytesIO()
    with Image.open(PHOTO) as photo:
        photo.convert("RGB").convert(mode).save(content, "JPEG", quality=90, **options)
    return content.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_damage_inside_a_jpeg_that_ends_well_is_refused(tmp_path: Path, kind: str, failure: Callable[..., str]) -> None:
    whole = jpeg(**KINDS[kind])
    size = len(whole)
    hurt = {
        "half of the data": whole[: size // 2] + END,
        "30 % zeroed": whole[: size // 2] + bytes(size * 3 // 10) + whole[size // 2 + size * 3 // 10 :],
        "cut": whole[: size // 2],
    }
    (tmp_path / "x.jpg").write_bytes(whole)
    load_image(tmp_path / "x.jpg")
    for data in hurt.values():
        (tmp_path / "x.jpg").write_bytes(data)
        assert "x.jpg: is damaged or cut short" in failure(tmp_path / "x.jpg")


def test_damage_is_found_however_the_program_has_set_up_logging(
    tmp_path: Path, failure: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    whole = jpeg()
    (tmp_path / "x.jpg").write_bytes(whole[: len(whole) // 2] + END)
    logger = logging.getLogger("imagecodecs")
    before = dict(vars(logger))
    try:
        logging.disable(logging.CRITICAL)
        logger.disabled = True
        assert "premature end of data segment" in failure(tmp_path / "x.jpg")
    finally:
        logging.disable(logging.NOTSET)
        logger.disabled = False
    assert "premature end of data segment" in failure(tmp_path / "x.jpg")
    assert caplog.records == [] and vars(logger).keys() == before.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_padding_before_the_end_and_data_after_it_are_no_damage(tmp_path: Path, kind: str) -> None:
    whole = jpeg(**KINDS[kind])
    (tmp_path / "x.jpg").write_bytes(whole)
    wanted = load_image(tmp_path / "x.jpg")
    for data in (whole[:-2] + bytes(40) + END, whole[:-2] + b"\xff" * 40 + END, whole + bytes(999), whole + whole):
        (tmp_path / "x.jpg").write_bytes(data)
        assert load_image(tmp_path / "x.jpg").equal(wanted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turn", [1, 6])
def test_the_pixels_are_those_of_pillow(tmp_path: Path, kind: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    (tmp_path / "x.jpg").write_bytes(jpeg(exif=exif, **KINDS[kind]))
    with Image.open(tmp_path / "x.jpg") as image:
        assert load_image(tmp_path / "x.jpg").equal(load_image(image))


@pytest.mark.parametrize("kind", ["baseline", "progressive", "4:4:4", "restarts", "grey"])
def test_usual_files_are_decoded_once(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.jpg").write_bytes(jpeg(**KINDS[kind]))
    whole = load_image(tmp_path / "x.jpg")
    monkeypatch.setattr(JpegImageFile, "load", lambda image: pytest.fail("decoded by Pillow, too"))
    assert load_image(tmp_path / "x.jpg").equal(whole)


def without_tables(data: bytes) -> bytes:
    """A frame of Motion JPEG: the Huffman tables of annex K are understood."""
    at, kept = 2, data[:2]
    while data[at + 1] != 0xDA:
        length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        kept += b"" if data[at + 1] == 0xC4 else data[at : at + length]
        at += length
    return kept + data[at:]


def test_frames_of_cameras_with_stray_bytes_are_read(tmp_path: Path) -> None:
    """As djpeg and browsers read them: nothing of the picture is lost."""
    whole, restarts = jpeg(), jpeg(restart_marker_blocks=4)
    scan, progressive = whole.index(b"\xff\xda"), jpeg(progressive=True)
    later = progressive.rindex(b"\xff\xc4")
    stray = bytes(range(0x31, 0x31 + 8))
    for wanted, data in (
        (whole, without_tables(whole)),
        (whole, without_tables(whole)[:-2] + stray + END + stray),
        (whole, whole[:scan] + bytes(range(0x31, 0x61)) + whole[scan:]),
        (whole, whole[:-2] + b"\x37" + END),
        (progressive, progressive[:later] + stray + progressive[later:]),
        (restarts, restarts.replace(b"\xff\xd4", stray + b"\xff\xd4")),
    ):
        (tmp_path / "x.jpg").write_bytes(wanted)
        image = load_image(tmp_path / "x.jpg")
        (tmp_path / "x.jpg").write_bytes(data)
        assert load_image(tmp_path / "x.jpg").equal(image)


@pytest.mark.parametrize("kind", ["baseline", "restarts", "progressive"])
def test_more_skipped_bytes_than_a_few_are_lost_data(tmp_path: Path, kind: str, failure: Callable[..., str]) -> None:
    whole = jpeg(**KINDS[kind])
    (tmp_path / "x.jpg").write_bytes(whole[:-2] + bytes(range(0x31, 0x31 + 20)) + END)
    assert "extraneous bytes before marker 0xd9" in failure(tmp_path / "x.jpg")


def test_data_that_are_lost_between_scans_are_not_taken_for_stray_bytes(
    tmp_path: Path, failure: Callable[..., str]
) -> None:
    whole = jpeg(progressive=True)
    later = whole.rindex(b"\xff\xc4")
    (tmp_path / "x.jpg").write_bytes(whole[:later] + bytes(range(0x31, 0x61)) + whole[later:])
    assert "extraneous bytes before marker 0xc4" in failure(tmp_path / "x.jpg")


def test_a_bomb_of_scans_is_refused_at_once(tmp_path: Path, failure: Callable[..., str]) -> None:
    whole = jpeg(progressive=True)
    last = whole.rindex(b"\xff\xda")
    bomb = whole[:last] + whole[last:-2] * 1000 + END
    (tmp_path / "x.jpg").write_bytes(bomb)
    start = time.process_time()
    assert "JPEG of 1009 scans (limit 100) is not read" in failure(tmp_path / "x.jpg")
    assert time.process_time() - start < 2


def test_hierarchical_jpeg_is_refused_by_name_and_unending_12_bit_as_damaged(
    tmp_path: Path, failure: Callable[..., str]
) -> None:
    whole = jpeg()
    frame = whole.index(b"\xff\xc0")
    (tmp_path / "x.jpg").write_bytes(whole[:frame] + b"\xff\xc5" + whole[frame + 2 :])
    assert "x.jpg: hierarchical JPEG is not read" in failure(tmp_path / "x.jpg")
    twelve = (Path(__file__).parent / "files" / "rgb12.jpg").read_bytes()
    (tmp_path / "x.jpg").write_bytes(twelve[: len(twelve) // 2])
    assert "is damaged or cut short" in failure(tmp_path / "x.jpg")


def test_the_segments_are_read_as_pillow_reads_them() -> None:
    rng = np.random.default_rng(0)
    profile = rng.bytes(150_000)  # in three segments
    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg(icc_profile=profile, exif=exif, progressive=True)
    header = read_jpeg_header(data)
    with Image.open(io.BytesIO(data)) as image:
        assert (header.width, header.height) == image.size
        assert header.exif == image.info["exif"]
    assert header.profile == profile and header.process == 2 and header.precision == 8
    assert header.sampling == ((2, 2), (1, 1), (1, 1)) and header.scans == 10
    assert header.end == len(data) - 2 and data[header.first_scan : header.first_scan + 2] == b"\xff\xda"
    assert read_jpeg_header(data[:1000]).end is None
    coded = {kind: read_jpeg_header(jpeg(**options)).ycbcr for kind, options in KINDS.items()}
    assert [kind for kind, ycbcr in coded.items() if not ycbcr] == ["RGB", "grey", "CMYK"]
