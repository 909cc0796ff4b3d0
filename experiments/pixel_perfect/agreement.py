"""Row 10: agreement with people. Only on demand and once, at the end: nothing may be tuned to these numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image
from experiments.pixel_perfect.measures import Model
from experiments.pixel_perfect.table import Row
from relational_iqa.benchmarks.correlation import MIN_SAMPLES, krcc, plcc, srcc
from relational_iqa.benchmarks.readers.rated import RatedImage, read_rated
from relational_iqa.conventional import METRICS

DATASETS = ("tid2013_i03", "tub_jpeg", "srij_dev")
OURS = "relational-iqa"


def measure_agreement(
    model: Model,
    root: Path,
    datasets: Sequence[str] = DATASETS,
    log: Callable[[str], None] = lambda text: None,
) -> tuple[list[Row], dict[str, Any]]:
    """Rows (SRCC over all images of a set) and details (SRCC, KRCC, PLCC, and the mean SRCC within scenes) of ours, in
    reference mode, beside every conventional metric. Raises UsageError for a missing set or one without references."""
    # Every set is read before the first is scored: a missing file is told at once.
    tables = {name: read_rated(root / name) for name in datasets}
    for name, images in tables.items():
        if any(image.reference is None for image in images):
            raise UsageError(f"{root / name}: some images have no reference; reference mode needs one for each")
    rows: list[Row] = []
    details: dict[str, Any] = {}
    for name, images in tables.items():
        details[name] = compare_with_people(images, predict(model, images))
        log(f"{name}: {len(images)} rated images")
        rows += _rows(name, len(images), details[name])
    return rows, details


def predict(model: Model, images: Sequence[RatedImage]) -> dict[str, list[float]]:
    """Predicted quality of every image by ours and by each conventional metric, all of them higher for better."""
    predicted: dict[str, list[float]] = {name: [] for name in (OURS, *METRICS)}
    for rated in images:
        if rated.reference is None:
            raise UsageError(f"{rated.image}: has no reference; reference mode needs one")
        test, reference = load_image(rated.image), load_image(rated.reference)
        if test.shape != reference.shape:
            raise UsageError(
                f"{rated.image} is {test.shape[-1]}x{test.shape[-2]} px, its reference "
                f"{reference.shape[-1]}x{reference.shape[-2]}; a rated image and its reference need one size"
            )
        predicted[OURS].append(model.quality(test, reference))
        for name, metric in METRICS.items():
            value = float(metric.function(test[None], reference[None])[0])
            predicted[name].append(value if metric.higher_is_better else -value)
    return predicted


def compare_with_people(
    images: Sequence[RatedImage], predicted: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, float]]:
    """By predictor: srcc, krcc, plcc over all images, and srcc_within_scenes, the mean over scenes of enough images."""
    scores = np.array([rated.score for rated in images])
    scenes = np.array([rated.scene for rated in images])
    result = {}
    for name, values in predicted.items():
        array = np.asarray(values)
        within = [srcc(array[scenes == scene], scores[scenes == scene])
                  for scene in np.unique(scenes) if (scenes == scene).sum() >= MIN_SAMPLES]  # fmt: skip
        known = [value for value in within if np.isfinite(value)]
        result[name] = {
            "srcc": srcc(array, scores),
            "krcc": krcc(array, scores),
            "plcc": plcc(array, scores),
            "srcc_within_scenes": float(np.mean(known)) if known else float("nan"),
        }
    return result


def _rows(dataset: str, count: int, result: Mapping[str, Mapping[str, float]]) -> list[Row]:
    ours = result[OURS]
    note = f"within scenes {ours['srcc_within_scenes']:.3f}"
    rows = [Row(f"SRCC with people, {dataset}", _known(ours["srcc"]), f"{count} images", note=note)]
    rows += [Row(name, _known(values["srcc"]), part=True) for name, values in result.items() if name != OURS]
    return rows


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
