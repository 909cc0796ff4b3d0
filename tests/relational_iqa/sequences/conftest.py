"""Made videos, and a model that judges brightness."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from relational_iqa.results.score import Score
from tests.relational_iqa.commands.helpers import BrightnessModel

WIDTH, HEIGHT = 32, 24


class FrameModel(BrightnessModel):
    """As `BrightnessModel`, for frames; counts the images that it has seen."""

    def __init__(self) -> None:
        super().__init__(0.9)
        self.meta = {"name": "brightness", "sha256": "0"}
        self.compared = 0

    def scores(self, images: Sequence[Any], reference: Any) -> Iterator[Score]:
        self.compared += 1
        for image in images:
            yield self.score(image, reference)

    def order_confidences(self, scores: Sequence[Score]) -> np.ndarray:
        return np.full((len(scores), len(scores)), 0.9)

    def compare(self, a: Any, b: Any, reference: Any = None, **options: Any) -> Any:
        return super().compare(a, b, reference, **options)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FrameModel:
    """In place of the networks in `riqa sequence`."""
    found = FrameModel()
    monkeypatch.setattr("relational_iqa.commands.sequence.load_system", lambda *_: found)
    return found


@pytest.fixture(autouse=True)
def ffmpeg(monkeypatch: pytest.MonkeyPatch) -> str:
    """The ffmpeg of the tests: that of RIQA_FFMPEG, else that of imageio-ffmpeg."""
    program = os.environ.get("RIQA_FFMPEG") or imageio_ffmpeg.get_ffmpeg_exe()
    assert shutil.which(program)
    monkeypatch.setenv("RIQA_FFMPEG", program)
    return program


@pytest.fixture
def encode(ffmpeg: str) -> Callable[..., str]:
    """Runs ffmpeg with some input and options; the path of what it wrote."""

    def run(source: Sequence[str], target: Path, *options: str) -> str:
        command = [ffmpeg, "-nostdin", "-v", "error", "-y", *source, *options, str(target)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return str(target)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., str]:
    """Writes a folder of grey frames with some texture, by their mean levels (0 to 255)."""

    def write(name: str, levels: Sequence[float], number: int = 0) -> str:
        texture = np.random.default_rng(0).integers(-8, 9, (HEIGHT, WIDTH, 1))
        (tmp_path / name).mkdir()
        for index, level in enumerate(levels):
            pixels = np.clip(texture + level, 0, 255).astype(np.uint8).repeat(3, axis=2)
            Image.fromarray(pixels).save(tmp_path / name / f"{name}_{index + number}.png")
        return str(tmp_path / name)

    return write
