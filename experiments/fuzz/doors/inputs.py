"""What the cases of several doors consist of."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image

from experiments.fuzz.child import run_quietly
from experiments.fuzz.door import PHOTOS
from experiments.fuzz.mutate import mutant
from experiments.fuzz.samples import Sample

IMAGES = ("a.png", "b.png")


@cache
def images() -> dict[str, bytes]:
    """Two small versions of one scene by name."""
    with Image.open(PHOTOS / "photo_1.png") as photo:
        corner = photo.convert("RGB").crop((0, 0, 32, 32))
    return {IMAGES[0]: _png(corner), IMAGES[1]: _png(corner.quantize(8).convert("RGB"))}


def _png(image: Image.Image) -> bytes:
    content = BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def damaged_bytes(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """Flipped bits, cuts, splices and the like: what was done, and the result."""
    kinds, _, result = mutant(rng, [Sample("", "bytes", data)])
    return kinds, result


def made_by_riqa(arguments: Sequence[str], out: str, given: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The files below the folder `out` after a run of `riqa` in a folder of its own with the files `given`."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        for file, content in (given or {}).items():
            (Path(name) / file).write_bytes(content)
        run_quietly(arguments, Path(name))
        folder = Path(name) / out
        return {str(path.relative_to(name)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
