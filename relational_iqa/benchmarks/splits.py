"""Splits of rated images by scene, and agreement with people on the images that a split left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.agreement import NAN, Agreement, agreement, plain
from relational_iqa.benchmarks.logistic import MIN_SAMPLES, Logistic, fit_logistic

SPLITS = 10
"""The usual number; the literature reports the median over ten."""
TEST_SHARE = 0.2

Indices = np.ndarray
Predict = Callable[[Indices, Indices], np.ndarray]
"""predict(training indices, indices) -> predictions (len(indices),): fitted to the first, evaluated on the second."""


def grouped_splits(
    groups: Sequence[str], count: int = SPLITS, test_share: float = TEST_SHARE, seed: int = 0
) -> list[tuple[Indices, Indices]]:
    """Random splits by group, so that no scene is on both sides. The same arguments give the same splits everywhere.

    Args:
        groups: one name an item, the scene or reference it shows; "" is a group of its own, for images without a scene.
        count: number of splits, 1 or more.
        test_share: share of the *groups* that go to the test, in (0, 1); rounded, at least one group on each side.
        seed: of the draw.

    Returns:
        `count` pairs (training indices, test indices), int64, rising, together every item once.

    Raises:
        UsageError: for fewer than two groups, no split, or a share outside (0, 1).
    """
    if count < 1:
        raise UsageError(f"{count} splits: expected 1 or more")
    if not 0 < test_share < 1:
        raise UsageError(f"share of the test {test_share}: expected above 0 and below 1")
    ids = _group_ids(groups)
    total = int(ids.max()) + 1 if len(ids) else 0
    if total < 2:
        raise UsageError(f"{total} scenes cannot be split in two; give a set of more scenes")
    in_test = min(max(1, round(total * test_share)), total - 1)
    rng = np.random.default_rng(seed)
    splits = []
    for _ in range(count):
        tested = np.zeros(total, dtype=bool)
        tested[rng.permutation(total)[:in_test]] = True
        splits.append((np.flatnonzero(~tested[ids]), np.flatnonzero(tested[ids])))
    return splits


@dataclass(frozen=True)
class SplitVerdict:
    """How far predictions agree with people on images that were not fitted to.

    Args:
        splits: agreement on the test share of each split; `plcc` and `rmse` are NaN where no curve was fitted.
        held_out: (n,), the mean prediction of each image over the splits that tested it, NaN where none did.
    """

    splits: tuple[Agreement, ...]
    held_out: np.ndarray

    def values(self, name: str) -> np.ndarray:
        """One number a split, (count,), of "srcc", "krcc", "plcc", "plcc_raw" or "rmse"."""
        return np.array([getattr(split, name) for split in self.splits], dtype=np.float64)

    def median(self, name: str) -> float:
        """Median over splits, as the literature reports it; splits without a number are left out, NaN where all are."""
        values = self.values(name)
        return float(np.nanmedian(values)) if np.isfinite(values).any() else NAN

    def medians(self) -> dict[str, float]:
        """Medians of "srcc", "krcc" and "plcc" (of predictions as they are), "srcc_std", and the number of "splits"."""
        named = {"srcc": "srcc", "krcc": "krcc", "plcc": "plcc_raw"}
        found = {name: self.median(value) for name, value in named.items()}
        return found | {"srcc_std": float(np.std(self.values("srcc"))), "splits": len(self.splits)}

    def rows(self) -> list[dict[str, float]]:
        """ "srcc", "krcc" and "plcc" (of predictions as they are) of every split."""
        return [{"srcc": one.srcc, "krcc": one.krcc, "plcc": one.plcc_raw} for one in self.splits]

    def summary(self) -> str:
        """One line."""
        found = self.values("srcc")
        return (
            f"SRCC {self.median('srcc'):.3f}, PLCC {self.median('plcc_raw'):.3f} "
            f"(medians of {len(found)} splits by scene; SRCC {found.min():.3f} to {found.max():.3f})"
        )

    def to_json(self) -> dict[str, Any]:
        """Medians and every split, plain Python."""
        names = ("srcc", "krcc", "plcc", "plcc_raw", "rmse")
        medians = {name: self.median(name) for name in names}
        fields: dict[str, Any] = plain({"median": medians, "splits": [asdict(split) for split in self.splits]})
        return fields


def cross_validate(
    predict: Predict,
    observed: np.ndarray,
    groups: Sequence[str],
    count: int = SPLITS,
    *,
    test_share: float = TEST_SHARE,
    seed: int = 0,
    with_curve: bool = False,
) -> SplitVerdict:
    """Fits to the training share of every split of `grouped_splits` and judges on its test share.

    Args:
        predict: see `Predict`; higher is better. It is asked for the test indices of every split, in order.
        observed: (n,), people's scores, higher is better.
        groups: one name an image, see `grouped_splits`.
        count: number of splits.
        test_share: share of the groups to test on.
        seed: of the splits.
        with_curve: also fit the logistic of VQEG to predictions of the training share, which `predict` is then asked
            for too, so that `plcc` and `rmse` are those of mapped predictions.

    Raises:
        UsageError: where the scenes are too few to split.
    """
    tested, curves = [], []
    splits = grouped_splits(groups, count, test_share, seed)
    for train, test in splits:
        curve = None
        if with_curve and len(train) >= MIN_SAMPLES:
            curve = fit_logistic(predict(train, train), observed[train])
        tested.append(predict(train, test))
        curves.append(curve)
    return judge_held_out(splits, tested, observed, curves)


def judge_held_out(
    splits: Sequence[tuple[Indices, Indices]],
    tested: Sequence[np.ndarray],
    observed: np.ndarray,
    curves: Sequence[Logistic | None] | None = None,
) -> SplitVerdict:
    """The verdict on predictions that are made already: `cross_validate` for what fits all splits at once.

    Args:
        splits: as `grouped_splits` gives them.
        tested: predictions of the test indices of each split.
        observed: (n,), people's scores.
        curves: the curve fitted to the training share of each split; None for none.
    """
    total, times = np.zeros(len(observed)), np.zeros(len(observed))
    verdicts = []
    for (_, test), values, curve in zip(splits, tested, curves or [None] * len(splits), strict=True):
        verdicts.append(agreement(values, observed[test], curve))
        total[test] += values
        times[test] += 1
    with np.errstate(invalid="ignore"):
        return SplitVerdict(tuple(verdicts), total / np.where(times > 0, times, np.nan))


def _group_ids(groups: Sequence[str]) -> Indices:
    """A whole number for every item, by first appearance, so that the names themselves decide nothing."""
    known: dict[str, int] = {}
    ids = [known.setdefault(group if group else f"\0{index}", len(known)) for index, group in enumerate(groups)]
    return np.array(ids, dtype=np.int64)
