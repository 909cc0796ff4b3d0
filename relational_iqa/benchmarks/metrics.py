"""The table of metrics that `riqa evaluate` knows: what each number means, what it needs, and how to load it.

A new metric is one line in METRICS (or a call of `register`) and a function that loads it. Loaded metrics take images
(3, H, W) in [0, 1] and give a number, or, where they have still to be fitted to opinion, features (D,).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from torch import Tensor

from distortion_engine.errors import UsageError
from relational_iqa import conventional
from relational_iqa.results.map import Map
from relational_iqa.results.words.margins import TIE_MARGIN


@dataclass(frozen=True)
class Answer:
    """A score, or the margin of a pair, of a metric that knows more of it.

    Args:
        value: the score or margin.
        confidence: of a margin, the probability that its sign is right; None where unknown.
        visible: of a margin, the largest difference that an eye can see, 0 to 1, see `Comparison`; None where unknown.
        evidence: of a score, what `Loaded.confidence` needs of it.
    """

    value: float
    confidence: float | None = None
    visible: float | None = None
    evidence: bytes = b""


Scorer = Callable[[Tensor, Tensor | None], "float | np.ndarray | Answer"]
"""scorer(image, second) with what `QualityMetric.second` says as the second image."""

INFINITE = float("inf")


@dataclass(frozen=True)
class Loaded:
    """A metric ready to score.

    Args:
        score: the scorer.
        facts: what identifies its weights ("name", "sha256", ...), empty where it has none.
        confidence: of the evidence of two scores, the probability that their order is right, None where unknown; None
            for metrics that tell none.
    """

    score: Scorer
    facts: Mapping[str, Any] = field(default_factory=dict)
    confidence: Callable[[bytes, bytes], float | None] | None = None


@dataclass(frozen=True)
class QualityMetric:
    """One metric that can be evaluated.

    Args:
        name: on the command line.
        load: takes what stands behind NAME= on the command line, None for the shipped weights; gives the scorer and
            facts about it.
        higher_is_better: whether higher values mean better images.
        range: lowest and highest value.
        unit: of the values.
        differentiable: whether gradients reach the images.
        second: what the scorer takes beside the image: its "reference", "nothing", or a "partner", another version of
            the scene. With a partner, the value is the margin of the first image over the second, and there is no score
            of a single image.
        source: the publication.
        fitted: True where the scorer gives features (D,), which are fitted to opinions on splits.
        tie_margin: two scores that differ by less, or a smaller margin, are a tie.
    """

    name: str
    load: Callable[[str | None], Loaded]
    higher_is_better: bool
    range: tuple[float, float]
    unit: str
    differentiable: bool
    second: Literal["reference", "nothing", "partner"]
    source: str
    fitted: bool = False
    tie_margin: float = 0.0

    @property
    def needs_reference(self) -> bool:
        """True for full-reference metrics."""
        return self.second == "reference"

    def oriented(self, values: np.ndarray) -> np.ndarray:
        """Values turned so that higher is better."""
        return values if self.higher_is_better else -values


@dataclass(frozen=True)
class Chosen:
    """A metric as asked for: label, in tables and columns; weights, or None."""

    label: str
    metric: QualityMetric
    weights: str | None = None

    def load(self) -> Loaded:
        """The metric with its weights. Raises UsageError where weights are missing, damaged or foreign."""
        return self.metric.load(self.weights)


def _conventional(name: str, weights: str | None) -> Loaded:
    if weights is not None:
        raise UsageError(f"{name}={weights}: {name} has no weights")
    function = conventional.METRICS[name].function
    return Loaded(lambda image, second: float(function(image[None], _given(second, name)[None])[0]))


def _ours(weights: str | None) -> Loaded:
    from relational_iqa.systems.pixel_perfect import load

    model = load(weights)

    def score(image: Tensor, second: Tensor | None) -> Answer:
        found = model.score(image, _given(second, "ours"))
        kept = replace(found, local_quality=_NO_MAP, maps={}, distortions={}, meta={})
        return Answer(found.quality, evidence=pickle.dumps(kept))

    def confidence(first: bytes, second: bytes) -> float | None:
        found = model.order_confidences([pickle.loads(one) for one in (first, second)])
        return None if found is None else float(found[0, 1])

    return Loaded(score, model.meta, confidence)


_NO_MAP = Map.from_array(np.zeros((4, 4), np.float32))


def _ours_nr(weights: str | None) -> Loaded:
    from relational_iqa.systems.pixel_perfect import load

    model = load(weights)

    def score(image: Tensor, second: Tensor | None) -> Answer:
        found = model.rank([image, _given(second, "ours-nr")])  # what `compare` says, without the maps
        sure = None if found.confidences is None else float(found.confidences[0, 1])
        seen = None if found.visible is None else float(found.visible[0, 1])
        return Answer(float(found.pairwise[0, 1]), sure, seen)

    return Loaded(score, model.meta)


def _pmos(weights: str | None) -> Loaded:
    from relational_iqa.systems.pmos import load

    model = load(weights)
    return Loaded(lambda image, second: model.mos(image), model.meta)


def _reiqa(weights: str | None) -> Loaded:
    """Features, to be fitted on splits; with a fitted regressor as `weights` its scores."""
    from relational_iqa.systems.reiqa import load

    if weights is None:
        model = load()
        return Loaded(lambda image, second: model.features(image), model.meta)
    fitted = load(regressor=weights)
    return Loaded(lambda image, second: fitted.score(image), fitted.meta)


def _spips(weights: str | None) -> Loaded:
    from relational_iqa.systems.spips import load

    model = load(weights)
    return Loaded(lambda image, second: model.quality(image, _given(second, "spips")), model.meta)


def _given(second: Tensor | None, name: str) -> Tensor:
    if second is None:
        raise UsageError(f"{name} needs a second image, got none")
    return second


_BELOW_REFERENCE = "severity levels below the reference"

METRICS: dict[str, QualityMetric] = {
    metric.name: metric
    for metric in (
        QualityMetric("ours", _ours, True, (-INFINITE, 0.0), _BELOW_REFERENCE, False, "reference",
                      "RelationalIQA.quality", tie_margin=TIE_MARGIN),
        QualityMetric("ours-nr", _ours_nr, True, (-INFINITE, INFINITE), "severity levels of margin", False, "partner",
                      "RelationalIQA.compare without a reference", tie_margin=TIE_MARGIN),
        QualityMetric("pmos", _pmos, True, (1.0, 5.0), "MOS", False, "nothing",
                      "relational_iqa.systems.pmos"),
        QualityMetric("reiqa", _reiqa, True, (-INFINITE, INFINITE), "unit of the opinion", False, "nothing",
                      "relational_iqa.systems.reiqa, ridge regression on the training share of each split",
                      fitted=True),
        QualityMetric("spips", _spips, True, (-INFINITE, 0.0), _BELOW_REFERENCE, True, "reference",
                      "relational_iqa.systems.spips"),
        *(
            QualityMetric(m.name.replace("_", "-"), partial(_conventional, m.name), m.higher_is_better, m.range, m.unit,
                          m.differentiable, "reference", m.source)
            for m in conventional.METRICS.values()
        ),
    )
}  # fmt: skip


def register(metric: QualityMetric) -> None:
    """Add a metric of your own to METRICS. Raises UsageError for a name that is taken or holds a comma or '='."""
    if metric.name in METRICS or set(",=") & set(metric.name):
        raise UsageError(f"metric name {metric.name!r}: is taken, or holds a comma or '='; choose another")
    METRICS[metric.name] = metric


def choose(text: str) -> list[Chosen]:
    """Metrics from "psnr,ms-ssim,ours=runs/mine.safetensors". Raises UsageError for unknown names and repetitions."""
    chosen: list[Chosen] = []
    for entry in text.split(","):
        name, _, weights = entry.strip().partition("=")
        name = name.lower().replace("_", "-")
        if name not in METRICS:
            raise UsageError(f"metric {name!r}: expected some of {','.join(METRICS)}, each with =WEIGHTS if need be")
        label = name if not weights else f"{name}={weights}"
        if label in (c.label for c in chosen):
            raise UsageError(f"metric {label!r} is given twice")
        chosen.append(Chosen(label, METRICS[name], weights or None))
    return chosen
