"""Small measures of the evaluation: shares with intervals, the consensus, correlation from sums, the model's face."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from distortion_engine.severity import CONSENSUS_METRICS, at_viewing_scales, consensus
from relational_iqa.conventional import METRICS
from relational_iqa.networks.joint_margin import PairVerdict

_RESAMPLES = 1000


class Model(Protocol):
    """What the evaluation uses of `relational_iqa.RelationalIQA`; shapes and units are documented there."""

    @property
    def meta(self) -> Mapping[str, Any]: ...
    def quality(self, image: Tensor, reference: Tensor, /) -> float: ...
    def quality_batch(self, tests: Tensor, references: Tensor, /) -> Tensor: ...
    def judgement(self, image: Tensor, /) -> float: ...
    def margin_batch(self, a: Tensor, b: Tensor, /) -> Tensor: ...
    def verdict_batch(self, a: Tensor, b: Tensor, /) -> PairVerdict: ...
    def relate_batch(self, a: Tensor, b: Tensor, /) -> Tensor: ...
    def compare(self, a: Any, b: Any, reference: Any = None) -> Any: ...
    def score(self, image: Any, reference: Any) -> Any: ...


@dataclass(frozen=True)
class Share:
    """A share of right answers.

    Args:
        value: in [0, 1]; NaN without answers.
        spread: half-width of the 95 % bootstrap interval over groups.
        answers: their number.
        groups: sets or photographs; answers of one group are not independent.
    """

    value: float
    spread: float
    answers: int
    groups: int


def share(groups: Iterable[Iterable[bool]]) -> Share:
    """The share of True over all answers of all groups; groups without answers do not count."""
    listed = [list(group) for group in groups]
    counts = np.array([(sum(group), len(group)) for group in listed if group], dtype=float).reshape(-1, 2)
    if not len(counts):
        return Share(float("nan"), float("nan"), 0, 0)
    drawn = counts[np.random.default_rng(0).integers(0, len(counts), (_RESAMPLES, len(counts)))].sum(1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    right, total = counts.sum(0)
    return Share(float(right / total), float(high - low) / 2, int(total), len(counts))


def severity_seen(tests: Tensor, references: Tensor) -> Tensor:
    """Severity (B,), 0 to a little above 1, that the consensus of conventional metrics sees; images (B, 3, H, W)."""
    metrics = {name: METRICS[name].function for name in CONSENSUS_METRICS}
    return consensus({name: at_viewing_scales(name, f, tests, references) for name, f in metrics.items()})


def verdicts(model: Model, a: Tensor, b: Tensor) -> list[tuple[float, float | None]]:
    """Margin without a reference, in levels, and confidence of every pair (a, b), (B, 3, H, W) each; the confidence is
    None where the weights tell none."""
    found = model.verdict_batch(a, b)
    margins = found.margin.cpu().tolist()
    if found.confidence is None:
        return [(margin, None) for margin in margins]
    return list(zip(margins, found.confidence.cpu().tolist(), strict=True))


class PearsonSums:
    """Pearson's correlation over more values than one wants to keep: the six sums, in float64."""

    def __init__(self) -> None:
        self._sums = np.zeros(6)

    def add(self, x: Tensor, y: Tensor) -> None:
        """Values of any equal shape."""
        u, v = x.double().flatten(), y.double().flatten()
        parts = (u.new_tensor(float(u.numel())), u.sum(), v.sum(), (u * u).sum(), (v * v).sum(), (u * v).sum())
        self._sums += np.array([float(part) for part in parts])

    def __add__(self, other: PearsonSums) -> PearsonSums:
        total = PearsonSums()
        total._sums = self._sums + other._sums
        return total

    @property
    def count(self) -> int:
        """Values so far."""
        return int(self._sums[0])

    @property
    def value(self) -> float:
        """The correlation; NaN where one side is constant or there is nothing."""
        n, x, y, xx, yy, xy = self._sums
        spread = (n * xx - x * x) * (n * yy - y * y)
        return float((n * xy - x * y) / np.sqrt(spread)) if n > 1 and spread > 1e-12 * n**4 else float("nan")
