"""Pairs (reference, one distortion) with their true field: what the maps are checked on."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distortion_engine.augment import random_crop
from distortion_engine.catalog import DISTORTIONS
from distortion_engine.dataset import GRID_MARGIN_PX
from distortion_engine.masks import MASK_KINDS, MaskSpec
from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.recipe import Recipe, Step
from distortion_engine.render import render
from distortion_engine.severity import amount_for, max_severity

# Taken in turn by the repetitions of a distortion: "" is any other kind of mask.
MASK_TURNS = ("whole", "blobs", "polygon", "")
# The border of a mask as a share of its height map; polygons may be hard, blobs are soft.
_SOFTNESS = {"blobs": (0.05, 0.2, 0.4), "polygon": (0.0, 0.05, 0.2), "": (0.0, 0.05, 0.2, 0.4)}
_EXTENT = (0.1, 0.8)  # as the engine draws it


@dataclass(frozen=True)
class SinglePair:
    """A reference and the same image with one distortion.

    Args:
        distortion: its name.
        severity: of the distortion where its mask is 1.
        mask: kind of mask, "whole" for none.
        reference: (3, S, S) in [0, 1], rounded to 8 bits.
        test: (3, S, S) in [0, 1], rounded to 8 bits.
        field: (K, S, S) in [-1, 1].
        valid: (1, S, S) bool, where the field is known.
        photo: file name of the photograph.
    """

    distortion: str
    severity: float
    mask: str
    reference: Tensor
    test: Tensor
    field: Tensor
    valid: Tensor
    photo: str = ""


def single_pairs(
    photos: Sequence[Path],
    severities: tuple[float, float],
    repetitions: int,
    size_px: int = 192,
    seed: int = 0,
    names: Sequence[str] = (),
    same_crop: bool = False,
) -> Iterator[SinglePair]:
    """Yields pairs with one distortion each; they are a function of the arguments alone.

    Args:
        photos: files to draw from.
        severities: lowest and highest; the severity is uniform between them, or up to the largest that the distortion
            reaches. Distortions that do not reach the lowest are left out.
        repetitions: pairs of every distortion.
        size_px: side of the images.
        seed: decides what is drawn.
        names: distortions; empty for all that are trained.
        same_crop: whether the crop depends on photographs, size and seed alone, so that different distortions share it.
    """
    listed = tuple(names) or _trained()
    low, high = severities
    for number, name in enumerate(listed):
        top = min(high, max_severity(name))
        if top < low:
            continue
        for repetition in range(repetitions):
            rng = np.random.default_rng([seed, zlib.crc32(name.encode()), repetition])
            kind = MASK_TURNS[(number + repetition) % len(MASK_TURNS)]
            severity = float(rng.uniform(low, top))
            place = np.random.default_rng([seed, repetition]) if same_crop else rng
            yield _draw(photos, name, severity, kind, size_px, rng, place)


def out_of_reach(severity: float) -> list[str]:
    """The trained distortions whose curve ends below `severity`."""
    return [name for name in _trained() if max_severity(name) < severity]


def _trained() -> tuple[str, ...]:
    return tuple(name for name, spec in DISTORTIONS.items() if spec.trained)


def _draw(
    photos: Sequence[Path],
    name: str,
    severity: float,
    kind: str,
    size_px: int,
    rng: np.random.Generator,
    place: np.random.Generator,
) -> SinglePair:
    """place: draws photograph, crop and window; rng: all else."""
    photo = photos[int(place.integers(len(photos)))]
    crop = random_crop(_read(photo), size_px + GRID_MARGIN_PX, _seed(place))
    params = {key: float(value) for key, value in DISTORTIONS[name].sample_params(rng).items()}
    step = Step(name, severity, amount_for(name, severity), params, _mask(kind, rng), _seed(rng))
    top, left = (int(offset) for offset in place.integers(0, GRID_MARGIN_PX + 1, 2))
    window = (slice(None), slice(top, top + size_px), slice(left, left + size_px))
    pristine = torch.from_numpy(crop).permute(2, 0, 1).float() / 255
    rendered = render(pristine, Recipe((step,)))
    return SinglePair(
        name,
        severity,
        step.mask.kind,
        pristine[window],
        (rendered.image[window] * 255).round() / 255,
        rendered.field[window],
        rendered.validity[window] > 0.5,
        photo.name,
    )


def _mask(kind: str, rng: np.random.Generator) -> MaskSpec:
    if kind == "whole":
        return MaskSpec()
    softness = float(rng.choice(_SOFTNESS[kind]))
    if not kind:
        others = [other for other in MASK_KINDS if other not in MASK_TURNS]
        kind = others[int(rng.integers(len(others)))]
    return MaskSpec(kind, float(rng.uniform(*_EXTENT)), softness, _seed(rng))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31 - 1))


@lru_cache(maxsize=256)
def _read(photo: Path) -> np.ndarray:
    return to_uint8(load_image(photo))
