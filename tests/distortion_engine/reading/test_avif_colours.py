"""AVIF without a box of colours: those of the AV1 stream count, as they do for libavif."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from distortion_engine.reading.av1_header import sequence_colours
from distortion_engine.reading.avif_header import read_avif_header
from distortion_engine.reading.image_io import load_image

FILES = Path(__file__).parent / "files"
SHOWN = ("rgb8_p3", "rgb10_p3", "rgb12_p3", "linear", "bt709", "rgb8", "rgb10_limited_range", "rgba8", "grey10")


def without_box(name: str) -> bytes:
    """The file with its box nclx renamed to one that means nothing."""
    data = (FILES / f"{name}.avif").read_bytes()
    at = data.index(b"colr")
    assert data[at + 4 : at + 8] == b"nclx"
    return data[:at] + b"free" + data[at + 4 :]


@pytest.mark.parametrize("name", SHOWN)
def test_colours_of_the_stream_are_those_of_the_box(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.avif").write_bytes(without_box(name))
    whole = read_avif_header((FILES / f"{name}.avif").read_bytes())
    assert read_avif_header(without_box(name)).code_points == whole.code_points is not None
    assert load_image(tmp_path / "x.avif").equal(load_image(FILES / f"{name}.avif"))


@pytest.mark.parametrize("name", ["rgb8_pq", "rgb10_pq", "rgb8_hlg", "rgb10_hlg"])
def test_hdr_that_the_stream_alone_names_is_refused(tmp_path: Path, name: str, failure: Callable[..., str]) -> None:
    (tmp_path / "x.avif").write_bytes(without_box(name))
    assert f"function {name[-3:].strip('_').upper()} (" in failure(tmp_path / "x.avif")


def test_a_profile_alone_is_what_counts(tmp_path: Path) -> None:
    data = (FILES / "rgb10_adobe_rgb.avif").read_bytes()
    at = data.index(b"nclx") - 4
    alone = data[:at] + b"free" + data[at + 4 :]
    (tmp_path / "x.avif").write_bytes(alone)
    assert b"prof" in alone and read_avif_header(alone).code_points is None
    assert load_image(tmp_path / "x.avif").equal(load_image(FILES / "rgb10_adobe_rgb.avif"))


@pytest.mark.parametrize("name", ["rgb8_limited_bt709_420", "rgba8_limited_bt601_444_straight"])
def test_range_of_the_stream_is_that_of_the_box(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.avif").write_bytes(without_box(name))
    whole, alone = read_avif_header((FILES / f"{name}.avif").read_bytes()), read_avif_header(without_box(name))
    assert whole.limited is not None and alone.limited is not None
    assert whole.limited.matrix == alone.limited.matrix and whole.limited.range_bits != alone.limited.range_bits
    assert load_image(tmp_path / "x.avif").equal(load_image(FILES / f"{name}.avif"))


def test_range_of_the_stream_counts_beside_a_profile(tmp_path: Path) -> None:
    data = (FILES / "rgb8_limited_adobe_rgb.avif").read_bytes()
    (tmp_path / "x.avif").write_bytes(alone := data.replace(b"colrnclx", b"freenclx"))
    header = read_avif_header(alone)
    assert header.code_points is None and header.limited is not None
    assert load_image(tmp_path / "x.avif").equal(load_image(FILES / "rgb8_limited_adobe_rgb.avif"))


def test_range_of_a_grid_is_that_of_each_tile() -> None:
    limited = read_avif_header((FILES / "rgb8_limited_grid_stream.avif").read_bytes()).limited
    assert limited is not None and len(set(limited.range_bits)) == len(set(limited.number_bits)) == 2


def test_full_range_is_not_limited() -> None:
    for data in ((FILES / "rgb8.avif").read_bytes(), without_box("rgb8")):
        assert read_avif_header(data).limited is None


def test_damaged_streams_say_nothing_or_something_but_end() -> None:
    rng = np.random.default_rng(0)
    data = without_box("rgb10_pq")
    start = data.rindex(b"mdat") + 4
    for _ in range(300):
        units = bytearray(data[start : start + 60])
        for place in rng.integers(0, len(units), 3):
            units[place] = rng.integers(256)
        found = sequence_colours(bytes(units[: rng.integers(len(units))]))
        assert found is None or all(0 <= number < 256 for number in (*(found.code_points or ()), found.matrix))
