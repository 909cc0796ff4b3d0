"""Image files: damage to bytes, to header fields, to boxes and chunks, to profiles; read, and now and then compared."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from functools import cache

from experiments.fuzz.door import PHOTOS, ROOT, Case, Door, refuse, riqa
from experiments.fuzz.mutate import mutant
from experiments.fuzz.samples import Sample, make_samples, read_samples

FILES = ROOT / "tests" / "distortion_engine" / "reading" / "files"
"""Files of other encoders, one for every depth, alpha and colour space."""
_COMPARED_SHARE = 0.03  # of the cases; the others are read alone, in a hundredth of the time
_LONGEST = 400


@cache
def samples() -> list[Sample]:
    """The files that are damaged."""
    return [*make_samples(PHOTOS / "photo_1.png"), *read_samples(FILES)]


def read(arguments: Sequence[str]) -> int:
    """`load_image` of one file, or `riqa` where more is said; raises RuntimeError for values outside [0, 1]."""
    from distortion_engine.errors import ImageError
    from distortion_engine.reading.image_io import load_image

    if len(arguments) > 1:
        return riqa(arguments)
    try:
        image = load_image(arguments[0])
    except ImageError as error:
        if len(str(error)) > _LONGEST:
            raise RuntimeError(f"a refusal of {len(str(error))} letters") from error
        return refuse(error)
    if image.shape[0] != 3 or not (float(image.min()) >= 0 and float(image.max()) <= 1):
        raise RuntimeError(f"wrong values: {tuple(image.shape)}, {image.min()} to {image.max()}")
    if os.fstat(2).st_size:
        raise RuntimeError("a library wrote to stderr")
    return 0


def _whole() -> Case:
    return Case("whole", {"image": samples()[0].data}, ["image"])


def _make(rng: random.Random) -> Case:
    kinds, sample, data = mutant(rng, samples())
    compared = rng.random() < _COMPARED_SHARE
    arguments = ["compare", "image", str(PHOTOS / "photo_1.png"), "--align", "resize", "--weights", "riqa-small"]
    return Case(f"{sample.name}: {kinds}", {"image": data}, arguments if compared else ["image"])


DOOR = Door("images", _whole, _make, read)
