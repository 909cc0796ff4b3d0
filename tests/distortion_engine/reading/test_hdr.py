"""HDR and raw: files whose light is known are read as that light, shown on a display of 1000 cd/m² by PU21."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from distortion_engine.errors import ImageError
from distortion_engine.reading import light
from distortion_engine.reading.image_io import load_image
from relational_iqa.tiling.aligned_images import open_images
from relational_iqa.tiling.stored_image import StoredImage, open_image
from tests.distortion_engine.reading import hdr_files as made

FILES = Path(__file__).parent / "files"
Failure = Callable[..., str]


def values(path: Path, **options: Any) -> np.ndarray:
    """What is compared of a file, (H, W, 3)."""
    return open_image(path, **options).pixels().permute(1, 2, 0).numpy()


# -- formulas ----------------------------------------------------------------------------------------------------------


def test_pq_and_hlg_give_the_light_of_the_standards() -> None:
    nits = np.array([0.0, 0.01, 1, 100, 203, 1000, 10000], np.float32)
    np.testing.assert_allclose(light.nits_of_pq(made.pq(nits).astype(np.float32)), nits, rtol=2e-3, atol=1e-4)
    assert light.nits_of_pq(np.array([0.58], np.float32))[0] == pytest.approx(203, rel=0.01)  # BT.2408, table 1
    grey = np.full((1, 1, 3), 0.75, np.float32)
    assert light.nits_of_hlg(grey)[0, 0] == pytest.approx([203] * 3, rel=0.01)  # BT.2408, table 1
    assert light.nits_of_hlg(np.ones((1, 1, 3), np.float32))[0, 0] == pytest.approx([1000] * 3, rel=1e-3)
    colours = np.array([[[300, 200, 100], [5, 10, 20], [0.5, 0.1, 0.9], [600, 5, 40]]], np.float64)
    np.testing.assert_allclose(light.nits_of_hlg(made.hlg(colours).astype(np.float32)), colours, rtol=1e-3)


def test_pu21_is_that_of_its_paper_and_rises() -> None:
    nits = np.geomspace(0.005, 10000, 200)
    np.testing.assert_allclose(light.pu21(nits), made.pu(nits), rtol=1e-12, atol=1e-9)
    assert light.pu21(np.array([0.005, 100, 10000])) == pytest.approx([0, 256.4, 595.4], abs=0.05)
    assert (np.diff(light.encoded(np.geomspace(0.01, 1000, 200))) > 0).all()
    assert light.encoded(np.array([0.0, 1000.0, 4000.0])) == pytest.approx([0, 1, 1], abs=1e-9)


def test_primaries_are_those_of_bt2087_and_white_stays_white() -> None:
    bt2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), (0.3127, 0.3290))
    matrix = [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
    np.testing.assert_allclose(light.to_srgb_primaries(bt2020), matrix, atol=2e-4)
    theatre = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351))
    np.testing.assert_allclose(light.to_srgb_primaries(theatre).sum(1), 1, atol=1e-5)


def test_sdr_beside_hdr_has_its_white_at_203() -> None:
    linear = np.array([0.0, 0.001, 0.18, 1.0])
    found = light.sdr_shown(made.srgb(linear).astype(np.float32))
    np.testing.assert_allclose(found, made.shown(linear * 203, bt2020=False), atol=1e-4)
    assert light.white_shown() == pytest.approx(found[-1], abs=1e-6)


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("transfer", "coded"), [(16, made.pq), (18, made.hlg)], ids=["PQ", "HLG"])
def test_png_avif_and_heic_of_known_light(tmp_path: Path, transfer: int, coded: Callable[..., np.ndarray]) -> None:
    nits = np.minimum(made.scene(), 1000 if transfer == 18 else 4000)
    expected, code = made.shown(nits), coded(nits)
    assert np.abs(values(made.write_png(tmp_path / "x.png", code, transfer)) - expected).max() < 1e-3
    ten = np.round(code * 1023).astype(np.uint16)
    data = imagecodecs.avif_encode(
        ten, level=100, bitspersample=10, pixelformat="444", primaries=9, transfer=transfer, matrix=0
    )
    (tmp_path / "x.avif").write_bytes(data)
    found = open_image(tmp_path / "x.avif")
    assert np.abs(values(tmp_path / "x.avif") - expected).max() < 0.01
    name = "PQ" if transfer == 16 else "HLG"
    note = next(note for note in found.notes if note.kind == "hdr")
    assert note.tell and note.text == f"HDR ({name}) shown on a display of 1000 cd/m², encoded by PU21"


def test_heic_is_read_in_sdr_and_hdr(tmp_path: Path) -> None:
    library = pytest.importorskip("pillow_heif")
    nits = made.scene()
    for transfer, code, expected in ((16, made.pq(nits), made.shown(nits)), (13, *[made.srgb(nits / 4000)] * 2)):
        pixels = np.round(code * 65535).astype(np.uint16)
        image = library.from_bytes("RGB;16", pixels.shape[1::-1], pixels.tobytes())
        numbers = {"color_primaries": 9 if transfer == 16 else 1, "transfer_characteristics": transfer}
        image.save(tmp_path / "x.heic", quality=-1, chroma=444, **numbers, matrix_coefficients=0, full_range_flag=1)
        found = values(tmp_path / "x.heic")
        assert found.shape == expected.shape and np.abs(found - expected).max() < 0.01
        assert open_image(tmp_path / "x.heic").is_hdr == (transfer == 16)


@pytest.mark.parametrize(("name", "transfer"), [("pq", 16), ("hlg", 18)])
def test_jpeg_xl_of_cjxl_means_the_light_of_its_codes(name: str, transfer: int) -> None:
    lossless, lossy = FILES / f"{name}_d0.jxl", FILES / f"{name}_d1.jxl"
    code = imagecodecs.jpegxl_decode(lossless.read_bytes()).astype(np.float32) / 65535
    nits = light.nits_of_pq(code) if transfer == 16 else light.nits_of_hlg(code)
    expected = made.shown(nits.astype(np.float64))
    assert np.abs(values(lossless) - expected).max() < 1e-3
    difference = np.abs(values(lossy) - expected)
    assert 0 < difference.mean() < 0.06  # of noise at distance 1


def test_linear_light_of_openexr_and_tiff(tmp_path: Path) -> None:
    library = pytest.importorskip("OpenEXR")
    nits = made.scene()
    bt709 = made.shown(nits, bt2020=False)
    assert np.abs(values(made.write_tiff(tmp_path / "x.tif", nits)) - bt709).max() < 1e-3
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    planes = {"RGB": (nits / 203).astype(np.float32)}
    with library.File(header, planes) as file:
        file.write(str(tmp_path / "x.exr"))
    assert np.abs(values(tmp_path / "x.exr") - bt709).max() < 1e-3
    places = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)
    with library.File({**header, "whiteLuminance": 100.0, "chromaticities": places}, planes) as file:
        file.write(str(tmp_path / "y.exr"))
    assert np.abs(values(tmp_path / "y.exr") - made.shown(nits * 100 / 203)).max() < 1e-3
    assert "1 is 100 cd/m²" in open_image(tmp_path / "y.exr").notes[0].text


def test_transparent_openexr_lies_on_the_reference_white(tmp_path: Path) -> None:
    library = pytest.importorskip("OpenEXR")
    half = np.dstack([np.full((20, 20, 3), 0.5 * 0.4), np.full((20, 20), 0.5)]).astype(np.float32)
    half[:, 10:] = 0
    with library.File({"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}, {"RGBA": half}) as file:
        file.write(str(tmp_path / "x.exr"))
    found = values(tmp_path / "x.exr")
    white, colour = made.shown(np.array([203.0, 203.0 * 0.4]), bt2020=False)
    assert found[0, 0] == pytest.approx((colour + white) / 2, abs=1e-3)
    assert found[0, 15] == pytest.approx(white, abs=1e-4)


def test_a_jpeg_with_a_gain_map_is_its_sdr_picture_or_its_light(tmp_path: Path) -> None:
    nits = np.full((64, 64, 3), 100.0)
    nits[:, 32:] = 800
    path = made.write_gain_map(tmp_path / "x.jpg", nits)
    assert not open_image(path).is_hdr
    found = values(path, gain_map=True)
    expected = made.shown(nits, bt2020=False)
    assert np.abs(found - expected)[:, [4, 60]].max() < 0.02  # of 8 bit JPEG; the edge is blurred by the map
    assert "HDR (gain map, 1 is 203 cd/m²)" in open_image(path, gain_map=True).notes[0].text


def test_dng_is_developed_to_srgb_without_a_look_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    linear = np.empty((96, 128, 3))
    linear[:48], linear[48:] = (0.5, 0.2, 0.05), (0.1, 0.1, 0.1)
    linear[:, 100:] = 0.9
    found = values(made.write_dng(tmp_path / "x.dng", linear))
    assert found.shape == linear.shape
    for row, column in ((20, 40), (75, 40), (20, 115)):
        assert found[row, column] == pytest.approx(made.srgb(linear[row, column]), abs=0.01)
    assert any(note.kind == "raw" and note.tell for note in open_image(tmp_path / "x.dng").notes)
    (tmp_path / "y.dng").write_bytes((tmp_path / "x.dng").read_bytes()[:3000])
    with pytest.raises(ImageError, match=r"y\.dng: is damaged or cut short \([A-Z][^']*\); save or download"):
        open_image(tmp_path / "y.dng")


# -- what is refused, and what stays -----------------------------------------------------------------------------------


def test_hdr_and_sdr_are_shown_in_one_space_and_hdr_of_two_kinds_too(tmp_path: Path) -> None:
    nits = np.minimum(made.scene(), 203)
    made.write_png(tmp_path / "pq.png", made.pq(nits), 16, primaries=1)
    made.write_png(tmp_path / "hlg.png", made.hlg(nits), 18)
    code = np.round(made.srgb(nits / 203) * 65535).astype(np.uint16)
    (tmp_path / "sdr.png").write_bytes(imagecodecs.png_encode(code))
    pq, sdr = open_images([tmp_path / "pq.png", tmp_path / "sdr.png"])
    assert float((pq.pixels() - sdr.pixels()).abs().max()) < 1e-3
    assert [image.is_hdr for image in (pq, sdr)] == [True, True] and "SDR, its white at 203 cd/m²" in sdr.notes[-1].text
    part: StoredImage = sdr[..., 4:20, 3:40]
    assert float((part.pixels() - sdr.pixels()[:, 4:20, 3:40]).abs().max()) == 0
    alone, same = open_images([tmp_path / "sdr.png", tmp_path / "sdr.png"])
    assert not alone.is_hdr and float((alone.pixels() - load_image(tmp_path / "sdr.png")).abs().max()) == 0
    grey = slice(0, 16)  # of which both kinds of primaries are one
    pair = open_images([tmp_path / "pq.png", tmp_path / "hlg.png"])
    assert float((pair[0].pixels() - pair[1].pixels())[:, grey].abs().max()) < 2e-3


def test_load_image_takes_no_light_for_srgb(tmp_path: Path, failure: Failure) -> None:
    path = made.write_png(tmp_path / "pq.png", made.pq(made.scene()), 16)
    assert "HDR with transfer function PQ (SMPTE ST 2084) is not read; riqa compare" in failure(path)
    assert "HDR in linear light is not read" in failure(made.write_tiff(tmp_path / "x.tif", made.scene()))


def test_bad_light_is_refused_by_name(tmp_path: Path, failure: Failure) -> None:
    holes = made.scene()
    holes[3, 4] = np.nan
    with pytest.raises(ImageError, match="NaN"):
        open_image(made.write_tiff(tmp_path / "x.tif", holes))
    values = (made.scene() / 203).astype(np.float32)  # without a profile nobody knows that it is linear
    (tmp_path / "y.tif").write_bytes(imagecodecs.tiff_encode(values, photometric="rgb"))
    assert "expected [0, 1]" in (said := failure(tmp_path / "y.tif")) and "ICC profile of linear light" in said


@pytest.mark.parametrize(
    ("start", "module", "extra"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "pillow_heif", "heif"),
        (b"v/1\x01\x02\0\0\0", "OpenEXR", "exr"),
        (b"II*\0\x10\0\0\0CR\x02\0", "rawpy", "raw"),
    ],
)
def test_without_its_extra_a_file_names_what_to_install(
    tmp_path: Path, failure: Failure, monkeypatch: pytest.MonkeyPatch, start: bytes, module: str, extra: str
) -> None:
    (tmp_path / "x").write_bytes(start + bytes(200))
    monkeypatch.setitem(sys.modules, module, None)
    assert f'pip install "relational-iqa[{extra}]"' in failure(tmp_path / "x")
    monkeypatch.undo()
    if module in sys.modules or __import__("importlib.util").util.find_spec(module):
        said = failure(tmp_path / "x")
        assert "is damaged or cut short" in said or "(Unsupported file format or not RAW file) is not read" in said
