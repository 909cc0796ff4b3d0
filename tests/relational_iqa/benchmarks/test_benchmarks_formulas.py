"""The numbers of an evaluation against slow, literal versions of their formulas, and against SciPy's bootstrap."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from relational_iqa.benchmarks.agreement import agreement, difference, judge
from relational_iqa.benchmarks.bootstrap import interval, resample
from relational_iqa.benchmarks.correlation import krcc, plcc, srcc
from relational_iqa.benchmarks.logistic import Logistic
from relational_iqa.benchmarks.readers.items import Opinion

SCALE = st.integers(-4, 4)  # few values, so that there are ties
SAMPLES = st.lists(st.tuples(SCALE, SCALE), min_size=3, max_size=12).filter(
    lambda rows: len({x for x, _ in rows}) > 1 and len({y for _, y in rows}) > 1
)


def literal_plcc(x: list[float], y: list[float]) -> float:
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    together = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return together / math.sqrt(sum((a - mean_x) ** 2 for a in x) * sum((b - mean_y) ** 2 for b in y))


def literal_ranks(values: list[float]) -> list[float]:
    """1 for the smallest; equal values share the mean of their ranks."""
    return [sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
            for value in values]  # fmt: skip


def literal_krcc(x: list[float], y: list[float]) -> float:
    """Kendall's tau-b: (agreeing - opposing pairs) / sqrt(pairs untied in x * pairs untied in y)."""
    balance = untied_x = untied_y = 0
    for i in range(len(x)):
        for j in range(i):
            sign_x, sign_y = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            balance += sign_x * sign_y
            untied_x += sign_x != 0
            untied_y += sign_y != 0
    return float(balance / math.sqrt(untied_x * untied_y))


@given(SAMPLES)
def test_correlations_are_their_formulas_with_ties(rows: list[tuple[int, int]]) -> None:
    x, y = ([float(value) for value in side] for side in zip(*rows, strict=True))
    assert plcc(x, y) == pytest.approx(literal_plcc(x, y), abs=1e-12)
    assert srcc(x, y) == pytest.approx(literal_plcc(literal_ranks(x), literal_ranks(y)), abs=1e-12)
    assert krcc(x, y) == pytest.approx(literal_krcc(x, y), abs=1e-12)


def test_agreement_is_measured_after_the_curve() -> None:
    curve = Logistic(high=5.0, low=1.0, centre=0.5, scale=0.2)
    rng = np.random.default_rng(0)
    x, y = rng.random(40), 1 + 4 * rng.random(40)
    mapped = [1 + 4 / (1 + math.exp(-(value - 0.5) / 0.2)) for value in x]
    np.testing.assert_allclose(curve(x), mapped)
    found = agreement(x, y, curve)
    assert found.plcc == pytest.approx(literal_plcc(mapped, list(y)))
    assert found.plcc_raw == pytest.approx(literal_plcc(list(x), list(y)))
    assert found.rmse == pytest.approx(math.sqrt(sum((m - o) ** 2 for m, o in zip(mapped, y, strict=True)) / 40))
    falling = agreement(x, y, Logistic(high=1.0, low=5.0, centre=0.5, scale=0.2))
    assert falling.plcc == pytest.approx(found.plcc)  # 6 - mapped, counted as negative


def test_intervals_are_those_of_scipys_bootstrap_over_scenes() -> None:
    rng = np.random.default_rng(1)
    names = [f"s{i // 6}" for i in range(60)]
    members = [np.flatnonzero([name == f"s{scene}" for name in names]) for scene in range(10)]
    x = rng.normal(size=60)
    y = x + rng.normal(size=60)

    def statistic(scenes: np.ndarray) -> float:
        chosen = np.concatenate([members[int(scene)] for scene in scenes])
        return srcc(x[chosen], y[chosen])

    theirs = stats.bootstrap(
        (np.arange(10),), statistic, vectorized=False, method="percentile", n_resamples=300,
        random_state=np.random.default_rng(5),
    ).confidence_interval  # fmt: skip
    draws = resample(names, 300, seed=5)
    ours = interval(draws.values(lambda draw: srcc(x[draw], y[draw])))
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    value, ends = difference(y, x, y, draws)
    assert value == pytest.approx(1 - srcc(x, y)) and ends == pytest.approx((1 - theirs.high, 1 - theirs.low))
    verdict = judge(x, y, names, [""] * 60, draws)
    assert verdict.intervals["srcc"] == pytest.approx(ours)


def test_the_interval_leaves_as_much_below_as_above() -> None:
    assert interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))
    assert interval(np.append(np.arange(101.0), [np.nan, np.inf]), 0.8) == pytest.approx((10, 90))
    assert interval(np.arange(19.0)) is None


def test_opinions_are_mirrored_inside_their_range() -> None:
    assert Opinion("DMOS", 1, 5, higher_is_better=False).oriented(2) == 4
    assert Opinion("DMOS", None, 5, higher_is_better=False).oriented(2) == 3
    assert Opinion("degradation", None, None, higher_is_better=False).oriented(2) == -2
    assert Opinion("MOS", 1, 5, higher_is_better=True).oriented(2) == 2
