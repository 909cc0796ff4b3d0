"""Videos through the program ffmpeg: frames as RGB through a pipe, one at a time; nothing is written to disk.

ffmpeg is asked for RGB of full range, or for samples that are converted here (`video_samples.py`). Its converter takes
matrix and range from the header of the stream, and BT.601 where the header says nothing, which is wrong for most files
of high definition. So the header is read first, and what
it leaves open is decided here as players do: BT.709 from 1280 x 720 pixels on, BT.601 below, limited range.

The program is that of RIQA_FFMPEG, else the one on the PATH, else that of the package imageio-ffmpeg (extra [video]).
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from distortion_engine.errors import ImageError, UsageError
from distortion_engine.jobs.printable import printable
from distortion_engine.reading.code_points import BT2020_PRIMARIES, HLG, PQ, UNSPECIFIED, profile_of_code_points
from distortion_engine.reading.light import Light
from relational_iqa.sequences.video_samples import GREY, RGB, asked_format, bits_of, empty_frame, to_rgb

MATRICES = {
    "bt709": "bt709", "bt470bg": "bt470", "smpte170m": "smpte170m", "smpte240m": "smpte240m", "fcc": "fcc",
    "bt2020nc": "bt2020", "bt2020_ncl": "bt2020",
}  # fmt: skip
"""Matrix as the header names it -> as the converter of ffmpeg names it."""
HDR = {"smpte2084": PQ, "arib-std-b67": HLG}
"""Transfer as the header names it -> its number in ITU-T H.273."""
_PRIMARIES = {
    "bt709": 1, "bt470m": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "bt2020": BT2020_PRIMARIES, "smpte431": 11,
    "smpte432": 12,
}  # fmt: skip
_HIGH_DEFINITION = (1280, 720)
_INSTALL = 'install ffmpeg, or pip install "relational-iqa[video]", or name the program in RIQA_FFMPEG'


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video before its frames are read.

    Args:
        width: of a frame in pixels, as it is shown (turned upright).
        height: of a frame in pixels.
        fps: frames a second; None where the file tells none.
        frames: about how many frames there are, by the duration; None where the file tells none.
        pixel_format: as ffmpeg names it, such as yuv420p10le.
        matrix: of the converter, one of the values of MATRICES; None for RGB and grey.
        limited: whether black is 16 and white 235 of 255.
        deep: whether samples have more than 8 bits, or are HDR.
        light: what the values of HDR mean; None for SDR.
        notes: what the header leaves open, and what a person should know.
    """

    width: int
    height: int
    fps: float | None
    frames: int | None
    pixel_format: str
    matrix: str | None
    limited: bool
    deep: bool
    notes: tuple[str, ...] = ()
    light: Light | None = None


def find_ffmpeg() -> str:
    """The program. Raises UsageError where there is none."""
    named = os.environ.get("RIQA_FFMPEG")
    if named:
        found = shutil.which(named)
        if found is None:
            raise UsageError(f"RIQA_FFMPEG={named}: no such program; {_INSTALL}")
        return found
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise UsageError(f"a video needs ffmpeg, which is not there: {_INSTALL}") from error


def read_facts(path: str) -> VideoFacts:
    """Size, rate and colour of a video, from its first frame.

    Raises:
        UsageError: where ffmpeg is not there.
        ImageError: for a file without a video that ffmpeg decodes, and for colours that cannot be shown.
    """
    command = [*_input(path), "-frames:v", "1", "-vf", "showinfo", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    text = said.stderr.decode("utf-8", "replace")
    frame = re.search(r"Parsed_showinfo.* n: *0 .*\bfmt:(\S+) .*\bs:(\d+)x(\d+) i:(\w)", text)
    if frame is None:
        raise ImageError(
            f"{path}: ffmpeg finds no video in it ({_last_line(text)}); give a video or a folder of frames"
        )
    pixel_format, width, height = frame[1], int(frame[2]), int(frame[3])
    colour = {key: value for key, value in re.findall(r"\bcolor_(range|space|primaries|trc):(\S+)", text)}
    rate = re.search(r"frame_rate: *(\d+)/(\d+)", text)
    fps = int(rate[1]) / int(rate[2]) if rate and int(rate[1]) and int(rate[2]) else None
    lasts = re.search(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", text)
    seconds = int(lasts[1]) * 3600 + int(lasts[2]) * 60 + float(lasts[3]) if lasts else None
    notes = []
    if frame[4] in "TB":
        notes.append("is interlaced: both fields of a frame are compared as one picture")
    shape = re.search(r"\bsar:(\d+)/(\d+)", frame[0])
    if shape and shape[1] != shape[2] and "0" not in (shape[1], shape[2]):
        notes.append(f"has pixels of {shape[1]}:{shape[2]}, which are compared as squares")
    light = _light(path, colour)
    if light is not None:
        notes.append(f"is {light.said}")
    matrix, limited, assumed = _colour(path, pixel_format, width, height, colour, light is not None)
    return VideoFacts(
        width, height, fps, round(seconds * fps) if seconds and fps else None, pixel_format, matrix, limited,
        light is not None or bits_of(pixel_format) > 8,
        (*notes, *assumed), light,
    )  # fmt: skip


def decode(path: str, facts: VideoFacts) -> Generator[np.ndarray]:
    """The frames in order, each once, whatever times they have: (H, W, 3), uint8 or (above 8 bits) uint16 of full
    range. One frame is in memory at a time; the program is ended when the iterator is closed.

    Raises ImageError where ffmpeg fails, after the frames that it gave.
    """
    kind, spread = asked_format(facts.pixel_format, facts.matrix, facts.deep), "tv" if facts.limited else "pc"
    options = f"flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp:in_range={spread}"
    options += f":out_range={'pc' if kind.startswith('rgb') else spread}"
    if facts.matrix is not None and kind.startswith("rgb"):
        options += f":in_color_matrix={facts.matrix}"
    once = ["-vsync", "0"] if _is_old(find_ffmpeg()) else ["-fps_mode", "passthrough"]
    filters = f"scale={options},format={kind}"
    raw = ["-pix_fmt", kind, "-f", "rawvideo", "-"]
    command = [*_input(path), "-v", "error", *once, "-vf", filters, *raw]
    complaints = tempfile.TemporaryFile()  # a pipe that nobody reads would stop the program when it is full
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
    try:
        if program.stdout is None:
            raise ImageError(f"{path}: ffmpeg has no output")
        while True:
            values = empty_frame(kind, facts.height, facts.width)
            got = _fill(program.stdout, values.reshape(-1).data.cast("B"))
            if got < values.nbytes:
                break
            yield to_rgb(values, kind, facts.matrix, facts.limited)
        if program.wait() or got:
            complaints.seek(0)
            told = complaints.read(1 << 16).decode("utf-8", "replace")
            raise ImageError(f"{path}: ffmpeg ended before the video did: {_last_line(told)}")
    finally:
        program.kill()
        if program.stdout is not None:
            program.stdout.close()
        program.wait()
        complaints.close()


def _input(path: str) -> list[str]:
    """The program with a file as its input; no address in the file leads to the network."""
    address = "file:" + str(Path(path).absolute())
    quiet = ["-nostdin", "-hide_banner", "-nostats", "-protocol_whitelist", "file,pipe"]
    return [find_ffmpeg(), *quiet, "-i", address, "-map", "0:v:0", "-an", "-sn", "-dn"]


def _light(path: str, colour: dict[str, str]) -> Light | None:
    """What the values of HDR mean: of BT.2020 where the header names no primaries. Raises ImageError for primaries that
    are not known."""
    transfer = HDR.get(colour.get("trc", ""))
    if transfer is None:
        return None
    named = colour.get("primaries", "unknown")
    number = UNSPECIFIED if named in ("unknown", "reserved") else _PRIMARIES.get(named, 0)
    found = profile_of_code_points(path, number, transfer)
    return found if isinstance(found, Light) else None


def _colour(
    path: str, pixel_format: str, width: int, height: int, colour: dict[str, str], is_hdr: bool
) -> tuple[str | None, bool, list[str]]:
    """Matrix, whether the range is limited, and what was assumed."""
    notes = []
    if colour.get("primaries") == "bt2020" and not is_hdr:
        notes.append("has the primaries of BT.2020, which are shown as those of sRGB")
    limited = colour.get("range", "unknown") != "pc"
    if pixel_format.startswith(RGB):
        return None, colour.get("range") == "tv", notes
    if pixel_format.startswith(GREY):
        return None, limited, notes
    if pixel_format.startswith("yuvj"):
        limited = False
    named = colour.get("space", "unknown")
    if named in MATRICES:
        return MATRICES[named], limited, notes
    if named not in ("unknown", "reserved"):
        raise ImageError(
            f"{path}: has the colour matrix {named}; expected one of {', '.join(MATRICES)}: convert it first"
        )
    if is_hdr:
        return "bt2020", limited, [*notes, "names no colour matrix: taken as BT.2020, since it is HDR"]
    high = width >= _HIGH_DEFINITION[0] or height >= _HIGH_DEFINITION[1]
    matrix = "bt709" if high else "smpte170m"
    notes.append(f"names no colour matrix: taken as {'BT.709' if high else 'BT.601'}, by its size")
    return matrix, limited, notes


def _is_old(program: str) -> bool:
    """Whether the program is older than 5.1, which brought -fps_mode."""
    said = subprocess.run([program, "-version"], capture_output=True, check=False).stdout.decode("utf-8", "replace")
    version = re.match(r"ffmpeg version n?(\d+)\.(\d+)", said)
    return version is not None and (int(version[1]), int(version[2])) < (5, 1)


def _fill(stream: IO[bytes], target: memoryview) -> int:
    """Reads until the target is full or the stream ends; how many bytes came."""
    got = 0
    while got < len(target):
        part = stream.read(min(1 << 22, len(target) - got))
        if not part:
            break
        target[got : got + len(part)] = part
        got += len(part)
    return got


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if re.search(r"rror|nvalid|not found|No such|does not", line)]
    return printable((wrong or lines or ["it says nothing"])[0])[:200]
