"""Map rows on implementations that the engine does not contain: Debian's codecs, operators of OpenCV, ImageMagick,
Pillow and SciPy, pasted through masks. The true severity is what the conventional consensus sees in the whole distorted
image."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from distortion_engine.augment import random_crop
from distortion_engine.catalog import AXES, AXIS_INDEX
from distortion_engine.masks import MaskSpec, render_mask
from distortion_engine.reading.image_io import load_image, to_uint8
from distortion_engine.render import EVIDENCE_OF_ONE_PIXEL, EVIDENCE_THRESHOLD, EVIDENCE_WINDOW_PX
from experiments.pixel_perfect.external_codecs import CODECS, encode_all
from experiments.pixel_perfect.foreign_later import LATER
from experiments.pixel_perfect.foreign_operators import MAGICK, OPENCV, Operator, magick
from experiments.pixel_perfect.map_accuracy import MapScores, score_single_pairs
from experiments.pixel_perfect.measures import Model, severity_seen
from experiments.pixel_perfect.single_pairs import SinglePair
from experiments.pixel_perfect.table import Row

LEAST_SEVERITY = 0.4  # as in the row of the engine's own distortions
MOST_BELOW = 0.07  # how far these rows may fall below those of the engine's own distortions
CODEC_AXES = {"cjpeg": "blocking", "cwebp": "smearing", "avifenc": "smearing", "cjxl": "smearing"}
_COARSE = 3  # of a codec's settings, from the lowest quality
_MASKS = ("whole", "blobs", "polygon")
_EXTENT, _SOFTNESS = (0.2, 0.7), 0.05


def measure_foreign(
    model: Model,
    photos: Sequence[Path],
    repetitions: int,
    engine: MapScores,
    size_px: int = 192,
    seed: int = 0,
    log: Callable[[str], None] = lambda text: None,
) -> tuple[list[Row], MapScores]:
    """Rows and scores of operators that are not the engine's, as far as they are installed.

    Args:
        model: what is measured.
        photos: held-out photographs.
        repetitions: pairs of every operator.
        engine: scores of the engine's own distortions, which the rows are compared with.
        size_px: side of the images.
        seed: decides what is drawn.
        log: receives lines of progress.
    """
    scores = score_single_pairs(model, foreign_pairs(photos, repetitions, size_px, seed))
    log(f"foreign implementations: {scores.pair_count} pairs")
    return foreign_rows(scores, engine, missing_tools()), scores


def foreign_rows(scores: MapScores, engine: MapScores, missing: Sequence[str] = ()) -> list[Row]:
    """The row of axes with the other required ones and every operator, worst first, below. missing: packages that would
    add operators."""
    samples = f"{scores.pair_count} pairs, consensus severity >= {LEAST_SEVERITY}"
    measures = [
        ("sign of that axis", "share", scores.sign, engine.sign),
        ("correlation of predicted and true intensity, masked", "number", scores.masked.value, engine.masked.value),
        ("IoU of thresholded intensity with the mask", "number", scores.overlap, engine.overlap),
    ]
    row = partial(_row, install=f"without apt-get install {' '.join(missing)}" if missing else "")
    name = "implementations the engine does not contain: dominant axis"
    rows = [row(name, "share", scores.axis, engine.axis, samples)]
    rows += [_row(*measure, part=True) for measure in measures]
    later = {operator.name for operator in LATER}
    groups = ("operators added after the engine was fixed", True), ("operators and codecs known before", False)
    for title, wanted in groups:
        of_group = [value for name, values in scores.pairs.items() if (name in later) == wanted for value in values]
        if of_group:
            rows.append(Row(f"{title}, mean over pairs", float(np.mean(of_group)), f"{len(of_group)} pairs",
                            unit="share", part=True))  # fmt: skip
    worst = sorted((float(np.mean(values)), name) for name, values in scores.pairs.items())
    rows += [Row(name, value, f"{len(scores.pairs[name])} pairs", unit="share", part=True) for value, name in worst]
    return rows


def missing_tools() -> list[str]:
    """Debian's packages of the tools that are not installed."""
    missing = [] if magick() else ["imagemagick"]
    return missing + [codec.package for codec in CODECS if shutil.which(codec.tool) is None]


def foreign_pairs(photos: Sequence[Path], repetitions: int, size_px: int = 192, seed: int = 0) -> Iterator[SinglePair]:
    """Pairs of every operator and codec that is installed, in a strength drawn among those that are severe enough on
    the crop; none where there is no such. A function of arguments and tools alone."""
    operators = list(enumerate((*OPENCV, *(MAGICK if magick() else ()))))
    operators += list(enumerate(LATER, 200))  # so that the draws of the others stay what they were
    for number, operator in operators:
        for repetition in range(repetitions):
            rng = np.random.default_rng([seed, number, repetition])
            pixels = _crop(photos, size_px, rng)
            yield from _first_strong(operator.name, operator.axis, operator.sign, _tensor(pixels),
                                     _applied(operator, pixels, rng), rng)  # fmt: skip
    for number, codec in enumerate(CODECS):
        if shutil.which(codec.tool) is None:
            continue
        coarse = replace(codec, settings=codec.settings[:_COARSE])
        for repetition in range(repetitions):
            rng = np.random.default_rng([seed, 100 + number, repetition])
            reference = _tensor(_crop(photos, size_px, rng))
            decoded = encode_all(coarse, reference)[torch.from_numpy(rng.permutation(_COARSE))]
            yield from _first_strong(codec.tool, CODEC_AXES[codec.tool], 1, reference, decoded, rng)


def _applied(operator: Operator, pixels: np.ndarray, rng: np.random.Generator) -> Iterator[Tensor]:
    for i in rng.permutation(len(operator.settings)):
        yield _tensor(operator.run(pixels, operator.settings[int(i)], rng))


def _first_strong(
    name: str, axis: str, sign: int, reference: Tensor, candidates: Iterable[Tensor], rng: np.random.Generator
) -> Iterator[SinglePair]:
    """The first candidate that is severe enough, whole or through a mask; nothing where none is."""
    for distorted in candidates:
        severity = min(1.0, float(severity_seen(distorted[None], reference[None])))
        if severity >= LEAST_SEVERITY:
            break
    else:
        return
    kind = _MASKS[int(rng.integers(len(_MASKS)))]
    spec = MaskSpec() if kind == "whole" else MaskSpec(kind, float(rng.uniform(*_EXTENT)), _SOFTNESS, _seed(rng))
    mask = render_mask(spec, reference)
    test = ((reference + mask * (distorted - reference)) * 255).round() / 255
    field = torch.zeros(len(AXES), *reference.shape[-2:])
    field[AXIS_INDEX[axis]] = sign * severity * mask[0]
    yield SinglePair(name, severity, kind, reference, test, field, _changed(test, reference) | (mask <= 0))


def _changed(test: Tensor, reference: Tensor) -> Tensor:
    """(1, H, W) bool: where something was changed near by, by the engine's rule of what is evidence."""
    change = (test - reference).abs().amax(0, keepdim=True)[None]
    around = partial(F.avg_pool2d, kernel_size=EVIDENCE_WINDOW_PX, stride=1, padding=EVIDENCE_WINDOW_PX // 2,
                     count_include_pad=False)  # fmt: skip
    return ((around(change) > EVIDENCE_THRESHOLD) | (around((change >= EVIDENCE_OF_ONE_PIXEL).float()) > 0))[0]


def _crop(photos: Sequence[Path], size_px: int, rng: np.random.Generator) -> np.ndarray:
    photo = photos[int(rng.integers(len(photos)))]
    return np.ascontiguousarray(random_crop(to_uint8(load_image(photo)), size_px, _seed(rng)))


def _tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31 - 1))


def _row(
    name: str, unit: str, value: float, own: float, samples: str = "", install: str = "", part: bool = False
) -> Row:
    known = np.isfinite(own)
    note = "; ".join(text for text in (f"engine's own: {own:.3f}" if known else "", install) if text)
    return Row(name, value if np.isfinite(value) else None, samples, own - MOST_BELOW if known else None,
               "share" if unit == "share" else "number", note=note, part=part)  # fmt: skip
