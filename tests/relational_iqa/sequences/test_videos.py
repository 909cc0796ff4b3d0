"""Videos through ffmpeg: colours by the standards, every frame once, nothing on disk, plain words for bad input."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.reading.light import nits_of_pq, nits_of_shown
from relational_iqa.sequences.comparing import SequenceComparison
from relational_iqa.sequences.ffmpeg import decode, find_ffmpeg, read_facts
from relational_iqa.sequences.sources import Video, open_source
from relational_iqa.sequences.video_samples import KR_KB, bits_of, to_rgb
from tests.relational_iqa.sequences.conftest import FrameModel

COLOURS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [120, 200, 40], [30, 60, 90], [200, 180, 160]]
)
SIDE = 16
LUMA = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}
"""Matrix -> weights of red and blue (BT.709, BT.601, BT.2020)."""


def y4m(path: Path, matrix: str, limited: bool, width: int = SIDE * len(COLOURS), height: int = 32) -> str:
    """One frame of colour bars as 8-bit YUV 4:4:4, by the formulas of the standards; the header names no matrix."""
    red, blue = LUMA[matrix]
    rgb = COLOURS[np.minimum(np.arange(width) // SIDE, len(COLOURS) - 1)] / 255
    luma = rgb @ np.array([red, 1 - red - blue, blue])
    cb, cr = (rgb[:, 2] - luma) / (2 * (1 - blue)), (rgb[:, 0] - luma) / (2 * (1 - red))
    planes = (
        [16 + 219 * luma, 128 + 224 * cb, 128 + 224 * cr] if limited else [255 * luma, 128 + 255 * cb, 128 + 255 * cr]
    )
    rows = [np.clip(np.round(plane), 0, 255).astype(np.uint8)[None].repeat(height, 0) for plane in planes]
    head = f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C444 XCOLORRANGE={'LIMITED' if limited else 'FULL'}\n"
    path.write_bytes(head.encode() + b"FRAME\n" + b"".join(plane.tobytes() for plane in rows))
    return str(path)


def first_frame(path: str) -> np.ndarray:
    return next(decode(path, read_facts(path)))


def bars(frame: np.ndarray) -> np.ndarray:
    """The colour in the middle of each bar."""
    return frame[frame.shape[0] // 2, SIDE // 2 :: SIDE][: len(COLOURS)].astype(int)


@pytest.mark.parametrize("limited", [True, False], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", LUMA)
def test_colours_are_those_that_were_encoded_whatever_matrix_and_range_the_stream_names(
    matrix: str, limited: bool, tmp_path: Path, encode: Callable[..., str]
) -> None:
    source = y4m(tmp_path / "bars.y4m", matrix, limited)
    named = "tv" if limited else "pc"
    tag = f"setparams=colorspace={matrix}:range={named}"
    video = encode(["-i", source], tmp_path / "bars.mkv", "-vf", tag, "-c:v", "ffv1", "-color_range", named)
    facts = read_facts(video)
    assert facts.limited is limited and not facts.notes and facts.fps == 25
    assert np.abs(bars(first_frame(video)) - COLOURS).max() <= 2


@pytest.mark.parametrize(("width", "height", "matrix"), [(128, 32, "smpte170m"), (1280, 64, "bt709")])
def test_a_stream_without_a_matrix_has_that_of_its_size_and_a_note(
    width: int, height: int, matrix: str, tmp_path: Path
) -> None:
    video = y4m(tmp_path / "bars.y4m", matrix, True, width, height)
    assert np.abs(bars(first_frame(video)) - COLOURS).max() <= 2
    assert any("names no colour matrix" in note for note in read_facts(video).notes)


def test_ten_bits_arrive_as_sixteen(tmp_path: Path, encode: Callable[..., str]) -> None:
    ramp = np.linspace(0, 1023, 64).round()
    raw = tmp_path / "ramp.gray"
    raw.write_bytes(ramp.astype("<u2")[None].repeat(32, 0).tobytes())
    source = ["-f", "rawvideo", "-pix_fmt", "gray10le", "-s", "64x32", "-color_range", "pc", "-i", str(raw)]
    video = encode(source, tmp_path / "ramp.mkv", "-c:v", "ffv1", "-color_range", "pc")
    frame = first_frame(video)
    assert frame.dtype == np.uint16 and len(np.unique(frame)) == 64
    assert np.abs(frame[0, :, 1] / 65535 - ramp / 1023).max() < 2e-3


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("layout", ["gray", "yuv420p"])
@pytest.mark.parametrize("spread", ["tv", "pc"])
def test_white_is_white_and_black_is_black(
    layout: str, deep: bool, spread: str, tmp_path: Path, encode: Callable[..., str]
) -> None:
    """The converter of ffmpeg makes deeper white 0.4 % darker, and leaves grey of limited range as it is."""
    step, kind = (4, "<u2") if deep else (1, "u1")
    low, high, neutral = (16 * step, 235 * step, 128 * step) if spread == "tv" else (0, 256 * step - 1, 128 * step)
    luma = np.linspace(low, high, 64).round().astype(kind)
    planes = luma[None].repeat(32, 0).tobytes()
    if layout == "yuv420p":
        planes += np.full(2 * 32 * 16, neutral, kind).tobytes()
    raw = tmp_path / "ramp.raw"
    raw.write_bytes(planes)
    named = layout + ("10le" if deep else "")
    source = ["-f", "rawvideo", "-pix_fmt", named, "-s", "64x32", "-i", str(raw)]
    tags = f"setparams=range={spread}:colorspace=bt709"
    frame = first_frame(encode(source, tmp_path / "ramp.mkv", "-vf", tags, "-c:v", "ffv1"))
    top = 65535 if deep else 255
    expected = (luma.astype(float) - low) / (high - low) * top
    assert frame.dtype == (np.uint16 if deep else np.uint8)
    assert np.abs(frame[16] - expected[:, None]).max() <= (33 if deep else 1)  # half a code of ten bits


@pytest.mark.parametrize("matrix", KR_KB)
def test_deep_colours_keep_their_values(matrix: str) -> None:
    """By the literal equations of H.273: luma is a weighted sum of R, G and B, chroma the scaled distance to it."""
    kr, kb = KR_KB[matrix]
    rgb = np.random.default_rng(0).uniform(size=(4, 5, 3))
    luma = kr * rgb[..., 0] + (1 - kr - kb) * rgb[..., 1] + kb * rgb[..., 2]
    blue, red = (rgb[..., 2] - luma) / (2 * (1 - kb)), (rgb[..., 0] - luma) / (2 * (1 - kr))
    codes = np.stack([4096 + luma * 56064, 32768 + blue * 57344, 32768 + red * 57344]).round().astype("<u2")
    assert np.abs(to_rgb(codes, "yuv444p16le", matrix, True) / 65535 - rgb).max() < 1e-4


def test_bits_of_pixel_formats() -> None:
    formats = {"yuv420p": 8, "yuvj420p": 8, "nv12": 8, "rgb24": 8, "yuv420p10le": 10, "p010le": 10, "gray12be": 12,
               "nv20le": 10, "xv36le": 12, "y210le": 10, "rgb48le": 16, "yuva444p16le": 16, "rgbf32le": 16}  # fmt: skip
    assert {name: bits_of(name) for name in formats} == formats


@pytest.mark.parametrize(("transfer", "named", "code"), [("smpte2084", "PQ", 520), ("arib-std-b67", "HLG", 512)])
def test_hdr_is_light_as_a_display_shows_it(
    transfer: str, named: str, code: int, tmp_path: Path, encode: Callable[..., str]
) -> None:
    """Grey of a 10 bit code: 100 cd/m² in PQ (0.508 of the range), 50.7 in HLG (half of it)."""
    raw = tmp_path / "grey.yuv"
    luma = round(64 + code / 1023 * 876)
    raw.write_bytes(np.full(64 * 32, luma, "<u2").tobytes() + np.full(64 * 32, 512, "<u2").tobytes() * 2)
    source = ["-f", "rawvideo", "-pix_fmt", "yuv444p10le", "-s", "64x32", "-i", str(raw)]
    colours = f"setparams=color_trc={transfer}:colorspace=bt2020nc:color_primaries=bt2020:range=limited"
    video = encode(source, tmp_path / "grey.mkv", "-vf", colours, "-c:v", "ffv1")
    facts = read_facts(video)
    assert facts.light is not None and facts.light.transfer == named and facts.deep
    assert facts.notes == (f"is HDR ({named}) shown on a display of 1000 cd/m², encoded by PU21",)
    (frame,) = open_source(video).frames()
    image = frame.open()
    assert image.is_hdr
    expected = nits_of_pq(np.float32(code / 1023)) if named == "PQ" else 1000 * (0.5**2 / 3) ** 1.2
    assert nits_of_shown(image.pixels().numpy()) == pytest.approx(float(expected), rel=0.01)
    (tmp_path / "sdr").mkdir()
    Image.new("RGB", (64, 32), (90, 90, 90)).save(tmp_path / "sdr/1.png")
    both = SequenceComparison(FrameModel(), [open_source(video), open_source(f"{tmp_path}/sdr")], ["hdr", "sdr"])
    assert len(list(both.rows())) == 1 and both.shown[video] == facts.notes[0]
    assert both.shown[f"{tmp_path}/sdr"].startswith("is SDR, its white at 203 cd/m², shown on a display of 1000")


def test_every_frame_comes_once_whatever_times_the_frames_have(tmp_path: Path, encode: Callable[..., str]) -> None:
    source = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.4"]
    uneven = encode(source, tmp_path / "uneven.mkv", "-vf", "setpts='N*N/25/TB'", "-c:v", "ffv1", "-fps_mode", "vfr")
    even = encode(source, tmp_path / "even.mkv", "-c:v", "ffv1")
    frames = [list(decode(path, read_facts(path))) for path in (uneven, even)]
    assert len(frames[0]) == len(frames[1]) == 10
    assert all(np.array_equal(one, other) for one, other in zip(*frames, strict=True))


def test_frames_go_through_a_pipe_and_a_reader_that_stops_ends_the_program(
    tmp_path: Path, encode: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    video = encode(["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=4"], tmp_path / "long.mkv", "-c:v", "ffv1")
    before = sorted(os.listdir(tmp_path))
    source = open_source(video)
    assert isinstance(source, Video) and source.count == 100
    frames = source.frames()
    first = next(frames)
    assert first.open().shape == (3, 48, 64) and sorted(os.listdir(tmp_path)) == before
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    running = len(children.read_text().split()) if children.exists() else 1
    frames.close()
    assert running >= 1
    assert not children.exists() or len(children.read_text().split()) == running - 1


def test_what_is_no_video_or_cannot_be_compared_is_said_in_one_line(
    tmp_path: Path, encode: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "a.mp4"
    text.write_text("no video")
    with pytest.raises(ImageError, match=r"a\.mp4: ffmpeg finds no video in it"):
        open_source(str(text))
    with pytest.raises(UsageError, match="no such folder or file"):
        open_source(str(tmp_path / "none.mp4"))
    monkeypatch.setenv("RIQA_FFMPEG", "no-such-program")
    with pytest.raises(UsageError, match=r"RIQA_FFMPEG=no-such-program: no such program.*relational-iqa\[video\]"):
        find_ffmpeg()


def test_the_program_of_the_path_comes_before_that_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import imageio_ffmpeg

    own = tmp_path / "ffmpeg"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.delenv("RIQA_FFMPEG")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() == str(own)
    own.unlink()
    assert find_ffmpeg() == imageio_ffmpeg.get_ffmpeg_exe()


def test_a_video_never_leads_to_the_network(tmp_path: Path) -> None:
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(ImageError, match="no video"):
        open_source(str(playlist))
