"""JPEG XL without libjxl's functions: what the header says is what libjxl says, and decides what is read."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from distortion_engine.reading import libjxl
from distortion_engine.reading.image_io import load_image
from distortion_engine.reading.jpegxl_header import read_jpegxl_header

FILES = Path(__file__).parent / "files"
CASES = [case for case in json.loads((FILES / "cases.json").read_text()) if case["file"].endswith(".jxl")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_the_header_tells_bits_and_colour_space(case: dict[str, str]) -> None:
    header = read_jpegxl_header((FILES / case["file"]).read_bytes())
    plain_alpha = case["file"] != "rgba16_d0.jxl"  # its alpha has 8 bits
    assert header.srgb == (case["colour"] == "sRGB" and "float" not in case["depth"] and plain_alpha)
    assert header.bits == int(case["depth"].split(",")[0]) and not header.animated


@pytest.mark.parametrize("case", [case for case in CASES if case["tolerance"]], ids=lambda case: case["file"])
def test_without_libjxl_a_file_is_read_rightly_or_refused_by_name(
    case: dict[str, float], failure: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libjxl, "load_libjxl", lambda: None)
    path = FILES / str(case["file"])
    if not read_jpegxl_header(path.read_bytes()).srgb:
        assert "JPEG XL with another colour space than sRGB" in failure(path)
        return
    with np.load(FILES / "expected.npz") as values:
        expected = values[case["file"]] / 65535
    assert np.abs(load_image(path).permute(1, 2, 0).numpy() - expected).max() * 255 <= max(case["tolerance"], 1.1)
