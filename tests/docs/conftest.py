"""What the tests of the documentation share: commands as pages have them, and a folder in which they can run."""

import csv
import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relational_iqa.storage.shipped import DEFAULT_WEIGHTS

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "riqa", "python", "torchrun", "make", ".ci/run", "pip", "ray", "apt-get", "tensorboard", "pytest",
    ".venv/bin/pytest", ".venv/bin/python",
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
    if how == "bright":
        return Image.eval(image, lambda value: min(255, value + 20))
    return Image.eval(image, lambda value: value // 32 * 32)


def build_sandbox(folder: Path) -> None:
    """Everything that a command of the pages names, small; the experiments as they are."""
    scenes = [Image.open(path).crop((20, 20, 116, 100)) for path in sorted((ROOT / "tests/images").glob("photo_*.png"))]
    names = "A R a.png ref.png original.png q80.jpg one.png photo.jpg"
    worse = "B b.png b.jpg q40.jpg two.png copy.jpg"
    worst = "C c.png q15.jpg blurred.png three.png"
    for listed, how in ((names, ""), (worse, "banded"), (worst, "blurred")):
        for name in listed.split():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            kind = "JPEG" if name.endswith(".jpg") else "PNG"
            (damaged(scenes[0], how) if how else scenes[0]).save(folder / name, kind)
    Image.open(ROOT / "distortion_engine/generation/sample_photo.webp").save(folder / "mine.jpg", quality=95)
    mask = Image.new("L", scenes[0].size)
    mask.paste(255, (0, 0, 48, 80))
    mask.save(folder / "face.png")
    folders = {"NEW": "", "ORIGINALS": "", "OLD": "blurred", "OTHER": "banded", "BENCHMARK/reference_images": ""}
    for place, how in folders.items():
        (folder / place).mkdir(parents=True)
        for number, scene in enumerate(scenes[:2]):
            (damaged(scene, how) if how else scene).save(folder / place / f"{number}.png")
    (folder / "ENCODES").mkdir()
    for quality in (20, 60):
        for suffix in ("jpg", "webp"):
            scenes[0].save(folder / f"ENCODES/original_{quality}.{suffix}", quality=quality)
    for place in ("PHOTOS", "TRAINING"):
        shutil.copytree(ROOT / "tests/images", folder / place, ignore=shutil.ignore_patterns("*.md"))
    turned = [scene.transpose(Image.Transpose.ROTATE_180) for scene in scenes]  # a fit needs ten images or more
    for place, rated in (("my_test", scenes), ("my_codec_test", scenes), ("ratings", scenes + turned)):
        rows = [("image", "reference", "score", "scene")]
        (folder / place).mkdir()
        for number, scene in enumerate(rated):
            scene.save(folder / place / f"{number}.png")
            for score, how in ((1, "blurred"), (2, "banded"), (3, "bright"))[: 2 if rated is scenes else 3]:
                damaged(scene, how).save(folder / place / f"{number}_{how}.png")
                rows.append((f"{number}_{how}.png", f"{number}.png", str(score), str(number)))
        with open(folder / place / "scores.csv", "w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
    with open(folder / "my_scores.csv", "w", newline="", encoding="utf-8") as stream:
        scored = [(f"ratings/{image}", score, scene) for image, _, score, scene in rows[1:]]
        csv.writer(stream).writerows([("image", "score", "scene"), *scored])
    build_published_sets(folder, scenes)
    (folder / "runs/mine").mkdir(parents=True)
    shutil.copy(ROOT / f"relational_iqa/weights/{DEFAULT_WEIGHTS}.safetensors", folder / "runs/mine/mine.safetensors")
    for name in ("experiments", "tests"):
        os.symlink(ROOT / name, folder / name)


def build_published_sets(folder: Path, scenes: list[Image.Image]) -> None:
    """A few images of data sets that pages train on, laid out as they are distributed: TID2013 and BAPPS."""
    tid, bapps = folder / "tid2013", folder / "2afc/train/traditional"
    for place in (*(tid / name for name in ("reference_images", "distorted_images")),
                  *(bapps / name for name in ("ref", "p0", "p1", "judge"))):  # fmt: skip
        place.mkdir(parents=True)
    lines = []
    for number, scene in enumerate(scenes, start=1):
        scene.save(tid / f"reference_images/I{number:02d}.BMP")
        for level, how in ((1, "bright"), (3, "banded"), (5, "blurred")):
            damaged(scene, how).save(tid / f"distorted_images/i{number:02d}_08_{level}.bmp")
            lines.append(f"{6 - level / 2} i{number:02d}_08_{level}.bmp")
        triplet = {"ref": scene, "p0": damaged(scene, "banded"), "p1": damaged(scene, "blurred")}
        for part, image in triplet.items():
            image.resize((64, 64)).save(bapps / part / f"{number:06d}.png")
        np.save(bapps / "judge" / f"{number:06d}.npy", np.array([0.2], dtype=np.float32))
    (tid / "mos_with_names.txt").write_text("\n".join(lines), encoding="utf-8")


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
