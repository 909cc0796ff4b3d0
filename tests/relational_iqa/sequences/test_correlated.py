"""The interval of the mean of dependent frames, against processes whose truth is known."""

import numpy as np
import pytest

from relational_iqa.folders.summary import DRAWS, bootstrap_intervals
from relational_iqa.sequences.correlated import block_length, correlated_mean, resampled_means


def autoregressive(generator: np.random.Generator, count: int, rho: float) -> np.ndarray:
    """x[t] = rho x[t-1] + e[t], stationary, with mean 0 and variance 1 / (1 - rho^2)."""
    values = np.empty(count)
    values[0] = generator.normal() / np.sqrt(1 - rho**2)
    for index in range(1, count):
        values[index] = rho * values[index - 1] + generator.normal()
    return values


def test_a_resample_is_made_of_whole_blocks_that_go_round() -> None:
    """Literal: index by index, with the same random starts."""
    values, block, seed = np.arange(11.0) ** 2, 4, 3
    expected = []
    for starts in np.random.default_rng(seed).integers(0, 11, (DRAWS, 3))[:5]:
        drawn: list[float] = []
        for start, length in zip(starts, (4, 4, 3), strict=True):
            drawn += [values[(start + step) % 11] for step in range(length)]
        expected.append(sum(drawn) / 11)
    found = resampled_means(np.column_stack([values, 2 * values]), block, seed)
    assert np.allclose(found[:5, 0], expected, rtol=1e-12) and np.allclose(found[:, 1], 2 * found[:, 0])


def test_the_variance_of_the_mean_is_that_of_the_process() -> None:
    generator, rho, count = np.random.default_rng(0), 0.7, 800
    found = [correlated_mean(autoregressive(generator, count, rho)) for _ in range(12)]
    truth = count * (1 - rho) / (1 + rho)  # the number of independent values that are as sure, for large n
    assert 0.75 < np.median([each.effective for each in found]) / truth < 1.35
    assert all(each.block > 3 for each in found)


def test_intervals_of_dependent_frames_hold_the_truth_where_those_of_single_frames_do_not() -> None:
    generator, blocks, singles = np.random.default_rng(1), 0, 0
    for _ in range(40):
        values = autoregressive(generator, 200, 0.8)
        interval = correlated_mean(values).estimate.interval
        single = bootstrap_intervals(values[:, None])
        assert interval is not None and single is not None
        blocks += interval[0] <= 0 <= interval[1]
        singles += single[0, 0] <= 0 <= single[1, 0]
    assert blocks >= 33 and singles <= 27  # of 40; 38 would be 95 %


def test_independent_frames_count_each_and_equal_ones_have_no_width() -> None:
    independent = np.random.default_rng(2).normal(size=300)
    assert block_length(independent) <= 3 and correlated_mean(independent).effective > 180
    equal = correlated_mean(np.full(40, 1.5))
    assert equal.estimate.interval == (1.5, 1.5) and equal.block == 1


@pytest.mark.parametrize("count", [1, 2, 9])
def test_few_frames_have_no_interval(count: int) -> None:
    assert correlated_mean(np.arange(count, dtype=float)).estimate.interval is None


def test_the_same_frames_give_the_same_interval() -> None:
    values = autoregressive(np.random.default_rng(3), 50, 0.5)
    assert correlated_mean(values) == correlated_mean(values.copy())
