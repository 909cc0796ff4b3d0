"""What the makers of image files share: a picture, a folder to work in, other people's programs, closed forms."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "tests" / "images" / "photo_1.png"
HEIGHT, WIDTH = 16, 24
ICC = Path("/usr/share/color/icc/ghostscript")  # package libgs-common of Debian
CONVERT = "/usr/bin/convert"


@dataclass(frozen=True)
class Case:
    """One file and what has to come of it.

    Args:
        file: its name.
        depth: bits a sample, with a word for floats.
        alpha: "none", "straight" or "premultiplied".
        colour: how the file says what its colours are.
        orientation: 1 to 8 (EXIF), or what turns it.
        made: programs that encoded and decoded it.
        tolerance: largest difference from the decoded values, of 255; None where the file is refused.
        refused: part of the message, None where the file is read.
    """

    file: str
    depth: str
    alpha: str
    colour: str
    orientation: str
    made: str
    tolerance: float | None
    refused: str | None = None


@dataclass
class Workshop:
    """Folder of intermediate files, folder of results, and the cases so far with the values expected of them."""

    work: Path
    out: Path
    cases: list[Case]
    expected: dict[str, np.ndarray]

    def run(self, *command: str | Path) -> None:
        """Runs a program in the folder of intermediate files; raises where it fails."""
        done = subprocess.run([str(part) for part in command], cwd=self.work, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stderr[-500:]}")

    def add(self, case: Case, values: np.ndarray | None = None) -> None:
        """Keeps a case whose file lies in `out`. `values`: (H, W, 3) sRGB in [0, 1]; None where it is refused."""
        assert (self.out / case.file).exists(), case.file
        self.cases.append(case)
        if values is not None:
            assert values.ndim == 3 and values.shape[2] == 3, (case.file, values.shape)
            self.expected[case.file] = np.round(np.clip(values, 0, 1) * 65535).astype(np.uint16)

    def png(self, name: str, values: np.ndarray, bits: int = 16) -> Path:
        """Writes (H, W) or (H, W, C) in [0, 1] as PNG."""
        kind = np.uint8 if bits == 8 else np.uint16
        path = self.work / name
        path.write_bytes(
            imagecodecs.png_encode(np.ascontiguousarray(np.round(values * ((1 << bits) - 1)).astype(kind)))
        )
        return path

    def by_profile(self, path: Path) -> np.ndarray:
        """(H, W, 3) in [0, 1] of a file with an ICC profile, converted to sRGB by ImageMagick, without its alpha."""
        intent = ["-intent", "perceptual", "-black-point-compensation"]
        to_srgb = ["-alpha", "off", "-depth", "16", "-profile", ICC / "srgb.icc", "PNG48:converted.png"]
        self.run(CONVERT, path, *intent, *to_srgb)
        return read_png(self.work / "converted.png")

    def plain(self, path: Path) -> np.ndarray:
        """(H, W, 3) in [0, 1] of a file as ImageMagick decodes it, without its alpha and profile."""
        self.run(CONVERT, path, "-alpha", "off", "+profile", "*", "-colorspace", "sRGB", "-depth", "16", "PNG48:p.png")
        return read_png(self.work / "p.png")

    def rgba(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Straight colours (H, W, 3) and alpha (H, W, 1) in [0, 1] of a file as ImageMagick decodes it."""
        self.run(CONVERT, path, "+profile", "*", "-colorspace", "sRGB", "-depth", "16", "PNG64:p.png")
        values = read_png(self.work / "p.png")
        return values[:, :, :3], values[:, :, 3:]

    def table(self) -> list[dict[str, Any]]:
        """The cases as JSON."""
        return [asdict(case) for case in self.cases]


Maker = Callable[[Workshop], None]


def picture() -> np.ndarray:
    """(16, 24, 3) float64 in [0, 1]: a photograph on the left; on the right dark greys, ramps and saturated colours."""
    with Image.open(PHOTO) as opened:
        photo = np.asarray(opened.convert("RGB").resize((WIDTH // 2, HEIGHT), Image.Resampling.LANCZOS)) / 255
    colours = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (0.8, 0.3, 0.1), (0.1, 0.5, 0.4)]
    ramp = np.linspace(0, 1, 4)
    rows = [np.outer(np.repeat(ramp, 3), (1, 1, 1)), np.outer(np.repeat(ramp, 3) / 8, (1, 1, 1))]
    rows += [np.repeat([colours[i], colours[i + 1], colours[(i + 2) % 8]], 4, axis=0) for i in range(0, 6)]
    return np.concatenate([photo, np.repeat(rows, 2, axis=0)], axis=1)


def alpha_ramp() -> np.ndarray:
    """(16, 24, 1): transparent on the left, opaque on the right."""
    return np.broadcast_to(np.linspace(0, 1, WIDTH)[None, :, None], (HEIGHT, WIDTH, 1)).copy()


def read_png(path: Path) -> np.ndarray:
    """(H, W, C) in [0, 1], as stored."""
    values = imagecodecs.png_decode(path.read_bytes())
    values = values / (255 if values.dtype == np.uint8 else 65535)
    return values if values.ndim == 3 else values[:, :, None]


def rgb_of(values: np.ndarray) -> np.ndarray:
    """Three channels of one or three."""
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values


def over_white(values: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Straight alpha laid over white."""
    return values * alpha + 1 - alpha


def srgb_encoded(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, of light in [0, 1]."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def srgb_decoded(encoded: np.ndarray) -> np.ndarray:
    """Light in [0, 1] of sRGB values."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


# CSS Color 4, section 10 (sample code): from linear RGB of the space to linear sRGB, all of white D65.
P3_TO_SRGB = np.array(
    [
        [1.2249401762805598, -0.2249401762805597, 0.0],
        [-0.0420569547096882, 1.0420569547096882, 0.0],
        [-0.0196375545903344, -0.0786360455506319, 1.0982736001409663],
    ]
)
BT2020_TO_SRGB = np.array(
    [
        [1.6604910021084345, -0.5876411387885495, -0.0728498633198847],
        [-0.1245504745215907, 1.1328998971259603, -0.0083494226043695],
        [-0.0181507633549053, -0.1005788980080073, 1.1187296613629127],
    ]
)


def to_srgb_from(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """sRGB of values that are encoded by the curve of sRGB in other primaries."""
    return srgb_encoded(srgb_decoded(values) @ matrix.T)
