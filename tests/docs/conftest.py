"""What the tests of the documentation share: commands as pages have them, and a folder in which they can run."""

import csv
import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from relational_iqa.weights_io import DEFAULT_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "riqa", "python", "torchrun", "make", ".ci/run", "pip", "ray", "apt-get", "tensorboard", ".venv/bin/pytest",
    ".venv/bin/python",
}  # fmt: skip
# What stands for something in a synopsis and is no name of a file.
MEANT = {"DATASET": "csv", "ROOT": "my_test", "A,B,...": "psnr,ssim", "HEAD:6379": "127.0.0.1:6379"}


@dataclass(frozen=True)
class Command:
    """A command as the page has it, without comment and line breaks."""

    page: str
    line: int
    text: str

    @property
    def argv(self) -> list[str]:
        """Words of it; brackets and dots of a synopsis are gone."""
        words = shlex.split(re.sub(r"[\[\]]", "", self.text) if " [--" in self.text else self.text)
        return [MEANT.get(word, word) for word in words if word != "..."]


def read_commands(page: Path) -> list[Command]:
    """Those of fenced shell blocks, all lines, and of indented blocks, the lines that begin with a program."""
    found, fence, pending, start = [], None, "", 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("```"):
            fence = None if fence is not None else line[3:].strip()
            continue
        shell = fence in ("bash", "sh", "shell", "console")
        if fence is not None and not shell or fence is None and not line.startswith("    "):
            continue
        text = re.sub(r"(^|\s+)#.*", "", line).strip()
        if pending or (text and (shell or text.split()[0] in PROGRAMS)):
            start = start if pending else number
            pending += text.removesuffix("\\").rstrip() + " "
            if not text.endswith("\\"):
                found.append(Command(page.name, start, pending.strip()))
                pending = ""
    return found


def damaged(image: Image.Image, how: str) -> Image.Image:
    """A worse version of an image."""
    width, height = image.size
    if how == "blurred":
        return image.resize((width // 3, height // 3)).resize((width, height))
    return Image.eval(image, lambda value: value // 32 * 32)


def build_sandbox(folder: Path) -> None:
    """Everything that a command of the pages names, small; the experiments as they are."""
    scenes = [Image.open(path).crop((20, 20, 116, 100)) for path in sorted((ROOT / "tests/images").glob("photo_*.png"))]
    names = "A R a.png ref.png original.png q80.jpg one.png photo.jpg"
    worse = "B b.png b.jpg q40.jpg two.png"
    worst = "C c.png q15.jpg blurred.png three.png"
    for listed, how in ((names, ""), (worse, "banded"), (worst, "blurred")):
        for name in listed.split():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            kind = "JPEG" if name.endswith(".jpg") else "PNG"
            (damaged(scenes[0], how) if how else scenes[0]).save(folder / name, kind)
    Image.open(ROOT / "distortion_engine/sample_photo.webp").save(folder / "mine.jpg", quality=95)
    mask = Image.new("L", scenes[0].size)
    mask.paste(255, (0, 0, 48, 80))
    mask.save(folder / "face.png")
    folders = {"NEW": "", "ORIGINALS": "", "OLD": "blurred", "OTHER": "banded", "BENCHMARK/reference_images": ""}
    for place, how in folders.items():
        (folder / place).mkdir(parents=True)
        for number, scene in enumerate(scenes[:2]):
            (damaged(scene, how) if how else scene).save(folder / place / f"{number}.png")
    for place in ("PHOTOS", "TRAINING"):
        shutil.copytree(ROOT / "tests/images", folder / place, ignore=shutil.ignore_patterns("*.md"))
    for place in ("my_test", "my_codec_test", "ratings"):
        rows = [("image", "reference", "score", "scene")]
        (folder / place).mkdir()
        for number, scene in enumerate(scenes):
            scene.save(folder / place / f"{number}.png")
            for score, how in ((1, "blurred"), (2, "banded")):
                damaged(scene, how).save(folder / place / f"{number}_{how}.png")
                rows.append((f"{number}_{how}.png", f"{number}.png", str(score), str(number)))
        with open(folder / place / "scores.csv", "w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
    (folder / "runs/mine").mkdir(parents=True)
    shutil.copy(ROOT / f"relational_iqa/weights/{DEFAULT_WEIGHTS}.safetensors", folder / "runs/mine/mine.safetensors")
    for name in ("experiments", "tests"):
        os.symlink(ROOT / name, folder / name)


@pytest.fixture(scope="session")
def commands_of() -> Callable[[Path], list[Command]]:
    """The function that reads the commands of a page."""
    return read_commands


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the working directory, with a small file under every name that the pages use."""
    build_sandbox(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
