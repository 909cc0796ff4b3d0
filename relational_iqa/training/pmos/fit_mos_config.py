"""Options of a fit of pMOS to opinion scores, its ablations, and the scale that scores are mapped to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.items import Benchmark
from relational_iqa.networks.pmos_head import MOS_MAX, MOS_MIN
from relational_iqa.training.loop.config import TrainConfig
from relational_iqa.training.loop.runs import parse_run
from relational_iqa.training.pmos.fit_mos_stage import FitLossWeights

FITTED = "fitted"
DENSE = 0.5
"""Weight of the dense loss, where a variant takes it in."""


@dataclass(frozen=True)
class FitConfig:
    """A whole run of `riqa fit-mos`.

    Args:
        name: name of the weights.
        rated: root of the data set; for "csv" a table (image,score[,scene]) or the folder of scores.csv.
        out: folder of checkpoints, logs and the result.
        fit: options of the trainer.
        dataset: a name that `riqa evaluate` knows.
        lower_is_better: whether lower scores of a CSV are better.
        start_from: pMOS weights; empty for the shipped ones.
        encoder: "frozen" fits the head, "tuned" the whole network.
        film: True lets what the thumbnail says take part: the modulation by its embedding, and the linear part on the
            scene. With a few hundred images it knows them by heart.
        roi: False leaves the region-of-interest weights out, for an ablation.
        loss: weights of the parts of the loss.
        score_range: the scores (higher is better) that become MOS 1 and MOS 5; empty for the range that the data set
            states, or else that of the images that are fitted to.
        splits: number of splits by scene; 0 leaves the measuring out.
        test_share: share of the scenes in a test.
        split_seed: seed of the splits.
        watched_share: share of the scenes fitted to, that a frozen encoder's head does not learn from; the head is kept
            as it was when it was right about them most.
        cells: number of cells of each image that are kept for a frozen encoder.
        crop_px: side of the crops that a tuned encoder sees.
    """

    name: str
    rated: str
    out: str
    fit: TrainConfig
    dataset: str = "csv"
    lower_is_better: bool = False
    start_from: str = ""
    encoder: Literal["frozen", "tuned"] = "frozen"
    film: bool = False
    roi: bool = True
    loss: FitLossWeights = field(default_factory=FitLossWeights)
    score_range: list[float] = field(default_factory=list)
    splits: int = 10
    test_share: float = 0.2
    split_seed: int = 0
    watched_share: float = 0.15
    cells: int = 1024
    crop_px: int = 192

    def __post_init__(self) -> None:
        if self.score_range and (len(self.score_range) != 2 or self.score_range[0] >= self.score_range[1]):
            raise UsageError(f"score_range is {self.score_range}: give two rising numbers, for example [0, 100]")
        for name in ("cells", "crop_px"):
            if getattr(self, name) < 16:
                raise UsageError(f"{name} is {getattr(self, name)}: expected 16 or more")


def variants(config: FitConfig) -> dict[str, FitConfig]:
    """The ablations: the fit as it is configured, and with one part each left out or, where it has none, taken in."""
    dense = config.loss.dense > 0
    return {
        FITTED: config,
        _other("ROI", config.roi): replace(config, roi=not config.roi),
        _other("dense supervision", dense): replace(config, loss=replace(config.loss, dense=0.0 if dense else DENSE)),
        _other("FiLM", config.film): replace(config, film=not config.film),
    }


def _other(part: str, has: bool) -> str:
    return f"{'without' if has else 'with'} {part}"


def parse_fit_config(values: Mapping[str, Any]) -> FitConfig:
    """Nested plain data -> FitConfig; UsageError names a wrong or missing key."""
    return parse_run(FitConfig, values)


def to_mos(scores: np.ndarray, low: float, high: float) -> np.ndarray:
    """Maps scores linearly to 1 to 5, `low` to 1 and `high` to 5; values outside are clipped."""
    return np.clip(MOS_MIN + (MOS_MAX - MOS_MIN) * (scores - low) / (high - low), MOS_MIN, MOS_MAX)


def score_range(config: FitConfig, benchmark: Benchmark, scores: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest score of the scale, which become MOS 1 and MOS 5.

    The range is that of `config.score_range`, else that which the data set states, else that of `scores`, the scores of
    the images that are fitted to.
    """
    opinion = benchmark.opinion
    if config.score_range:
        return config.score_range[0], config.score_range[1]
    if opinion.low is not None and opinion.high is not None:
        return opinion.low, opinion.high
    return float(scores.min()), float(scores.max())
