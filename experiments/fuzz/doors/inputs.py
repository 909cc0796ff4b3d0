"""What the cases of several doors consist of."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
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


def made_by_riqa(arguments: Sequence[str], out: str) -> dict[str, bytes]:
    """The files below the folder `out` after a run of `riqa` in an empty folder."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        run_quietly(arguments, Path(name))
        folder = Path(name) / out
        return {str(path.relative_to(name)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
