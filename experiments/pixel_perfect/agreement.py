"""Agreement with people. Only on demand and once, at the end: nothing may be tuned to these numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Bounds:
    """What is asked of a rated set, as (bound, aim).

    Args:
        with_reference: SRCC over all images.
        within_scenes: mean SRCC within a scene, with a reference.
        pairs: share of right verdicts without a reference on pairs of one scene that are a deviation apart.
    """

    with_reference: tuple[float, float] | None = None
    within_scenes: tuple[float, float] | None = None
    pairs: tuple[float, float] | None = None


DATASETS = {
    "tid2013_i03": Bounds(with_reference=(0.935, 0.95), pairs=(0.86, 0.92)),
    "tub_jpeg": Bounds(with_reference=(0.93, 0.94)),
    "srij_dev": Bounds(with_reference=(0.70, 0.80), within_scenes=(0.78, 0.85), pairs=(0.92, 0.95)),
}
ALONE, ALONE_BOUNDS = "mmp2k_dev", (0.50, 0.60)
"""Images without references, and what is asked of the SRCC of their judgements."""
OURS = "relational-iqa"


def measure_agreement(
    model: Model,
    root: Path,
    datasets: Mapping[str, Bounds] = DATASETS,
    alone: str | None = ALONE,
    log: Callable[[str], None] = lambda text: None,
) -> tuple[list[Row], dict[str, Any]]:
    """Rows and details (SRCC, KRCC, PLCC, and the mean SRCC within scenes, of ours with a reference beside every
    conventional metric; verdicts without a reference within scenes; judgements of images alone).

    Args:
        model: answers.
        root: folder of the sets.
        datasets: sets with references, and what is asked of each.
        alone: a set without references; None for none.
        log: is told what was measured.

    Raises:
        UsageError: for a missing set or one without references.
    """
    # Every set is read before the first is scored: a missing file is told at once.
    tables = {name: read_rated(root / name) for name in datasets}
    for name, images in tables.items():
        if any(image.reference is None for image in images):
            raise UsageError(f"{root / name}: some images have no reference; reference mode needs one for each")
    without = read_rated(root / alone) if alone else []
    rows: list[Row] = []
    details: dict[str, Any] = {}
    for name, images in tables.items():
        details[name] = compare_with_people(images, predict(model, images))
        log(f"{name}: {len(images)} rated images")
        rows += _rows(name, len(images), details[name], datasets[name])
        right = right_within_scenes(model, images)
        details[f"{name}, pairs"] = right
        log(f"{name}: {len(right)} pairs without their references")
        rows.append(_pairs_row(name, right, datasets[name]))
    if alone:
        rows.append(_alone_row(model, alone, without))
        details[alone] = rows[-1].value
    return rows, details


def right_within_scenes(model: Model, images: Sequence[RatedImage]) -> list[bool]:
    """Whether the verdict without a reference is that of people, for every pair of images of one scene whose scores are
    at least one standard deviation of all scores of the set apart."""
    apart = float(np.std([rated.score for rated in images]))
    loaded = {rated.image: load_image(rated.image) for rated in images}
    right = []
    for number, first in enumerate(images):
        for second in images[:number]:
            step = first.score - second.score
            if first.scene == second.scene and abs(step) >= apart:
                margin = float(model.margin_batch(loaded[first.image][None], loaded[second.image][None])[0])
                right.append(margin * step > 0)
    return right


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


def _rows(dataset: str, count: int, result: Mapping[str, Mapping[str, float]], bounds: Bounds) -> list[Row]:
    """SRCC over all images and within scenes, ours and below it every conventional metric."""
    rows = []
    for title, key, asked in (
        ("SRCC with people", "srcc", bounds.with_reference),
        ("SRCC with people within a scene, mean", "srcc_within_scenes", bounds.within_scenes),
    ):
        must, aim = asked or (None, None)
        rows.append(Row(f"{title}, {dataset}", _known(result[OURS][key]), f"{count} images", must, aim=aim))
        rows += [Row(name, _known(values[key]), part=True) for name, values in result.items() if name != OURS]
    return rows


def _alone_row(model: Model, dataset: str, images: Sequence[RatedImage]) -> Row:
    name, (must, aim) = f"SRCC with people of the judgement of one image, {dataset}", ALONE_BOUNDS
    try:
        judged = np.array([model.judgement(load_image(rated.image)) for rated in images])
    except UsageError as error:  # weights without a judgement
        return Row(name, None, f"{len(images)} images", must, note=str(error), aim=aim)
    value = srcc(judged, np.array([rated.score for rated in images]))
    return Row(name, _known(value), f"{len(images)} images", must, aim=aim)


def _pairs_row(dataset: str, right: Sequence[bool], bounds: Bounds) -> Row:
    must, aim = bounds.pairs or (None, None)
    name = f"pairs of one scene, one deviation of opinion apart, without reference, {dataset}"
    value = float(np.mean(right)) if right else None
    return Row(name, value, f"{len(right)} pairs", must, "share", aim=aim)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
