"""What the tests of the commands share: a model that needs no weights, and the program in a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from distortion_engine.catalog import AXES
from relational_iqa.results.comparison import Comparison, Ranking, Score
from relational_iqa.results.map import Map

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "experiments" / "demo"
Refusal = Callable[..., str]


class BrightnessModel:
    """Stands in for the networks: the darker image is the better one by ten times the difference of means.

    Args:
        confidence: of every comparison without a reference; None for weights that know none.
    """

    def __init__(self, confidence: float | None = None) -> None:
        self.confidence = confidence
        self.regions: list[Any] = []
        self.meta: dict[str, Any] = {}

    def compare(self, a: Any, b: Any, reference: Any = None, **options: Any) -> Comparison:
        assert a.shape == b.shape
        self.regions += options.get("rois", ())
        difference = float(b.mean() - a.mean())
        maps = {axis.name: np.zeros(a.shape[1:], np.float32) for axis in AXES}
        maps["brightness"] += np.float32(difference)
        quality = (-float(a.mean()), -float(b.mean())) if reference is not None else (None, None)
        field = np.full(a.shape[1:], 10 * difference, np.float32)
        return Comparison(
            10 * difference,
            {name: Map.from_array(values) for name, values in maps.items()},
            Map.from_array(field),
            Map.from_array(np.ones_like(field)),
            reference is not None,
            *quality,
            options.get("names", ("A", "B")),
            confidence=self.confidence if reference is None else None,
        )

    def score(self, image: Any, reference: Any) -> Score:
        result = self.compare(reference, image, reference)
        return Score(-abs(result.margin), Map.from_array(-np.abs(result.local_margin)), result.intensities, result.maps)

    def visible_differences(self, images: list[Any]) -> dict[tuple[int, int], float]:
        """Every difference is visible."""
        return dict.fromkeys(combinations(range(len(images)), 2), 1.0)

    def rank(self, images: list[Any], reference: Any = None) -> Ranking:
        means = [float(image.mean()) for image in images]
        order = sorted(range(len(images)), key=means.__getitem__)
        gaps = [10 * (means[j] - means[i]) for i, j in zip(order, order[1:], strict=False)]
        pairwise = 10 * (np.array(means)[None] - np.array(means)[:, None])
        return Ranking(order, [str(i) for i in order], gaps, None, pairwise)


def riqa(*argv: str) -> "subprocess.CompletedProcess[str]":
    """A run of the program in a process of its own."""
    return subprocess.run([sys.executable, "-m", "relational_iqa.cli", *argv], capture_output=True, text=True, cwd=ROOT)
