"""Flicker: what was made to alternate is found with its period and size; what only changes is not."""

import numpy as np
import pytest

from relational_iqa.sequences.flicker import (
    LARGEST_P,
    MIN_FRAMES,
    find_flicker,
    find_period,
    von_neumann_ratio,
    without_slow_part,
)

FRAMES = np.arange(120)


def noise(size: float, count: int = 120, seed: int = 0) -> np.ndarray:
    return size * np.random.default_rng(seed).normal(size=count)


MADE = {
    "from frame to frame": (0.4 * (FRAMES % 2), 2, 0.4),
    "of a scene that changes": (0.4 * (FRAMES % 2) + 2 * np.sin(FRAMES / 15), 2, 0.4),
    "every third frame": (0.5 * (FRAMES % 3 == 0), 3, 0.5),
    "groups of 12 frames": (-0.1 * (FRAMES % 12), 12, 1.1),
    "key frames": (0.8 * (FRAMES % 30 == 0), 30, 0.8),
}


@pytest.mark.parametrize("name", MADE)
def test_flicker_that_was_made_is_found_with_its_period_and_its_size(name: str) -> None:
    values, period, size = MADE[name]
    (found,) = find_flicker({"frame": values + noise(0.04)})
    assert found.period == period and found.p_value <= LARGEST_P
    assert found.size == pytest.approx(size, rel=0.15)


def test_a_part_that_flickers_is_named_among_parts_that_do_not() -> None:
    parts = {f"part {index}": noise(0.1, seed=index) for index in range(16)}
    parts["part 5"] = parts["part 5"] + 0.6 * (FRAMES % 2)
    assert [one.name for one in find_flicker(parts)] == ["part 5"]


def walk(generator: np.random.Generator) -> np.ndarray:
    return np.cumsum(generator.normal(size=60))


def dependent(generator: np.random.Generator) -> np.ndarray:
    return np.convolve(generator.normal(size=64), np.ones(5) / 5, "valid")


STEADY = {
    "noise": lambda generator: generator.normal(size=60),
    "skewed noise": lambda generator: generator.exponential(size=60),
    "walk": walk,
    "dependent": dependent,
    "cut": lambda generator: 3.0 * (np.arange(60) > 31) + 0.2 * generator.normal(size=60),
}


@pytest.mark.parametrize("name", STEADY)
def test_what_changes_without_alternating_is_rarely_called_flicker(name: str) -> None:
    generator = np.random.default_rng(7)
    found = sum(bool(find_flicker({str(i): STEADY[name](generator) for i in range(4)})) for _ in range(40))
    assert found <= 3  # of 40, at a level of 1 %


def test_shuffled_order_ends_the_finding() -> None:
    values = MADE["from frame to frame"][0] + noise(0.04)
    assert find_flicker({"frame": values}) and not find_flicker({"frame": np.random.default_rng(1).permutation(values)})


def test_little_or_short_flicker_is_not_told() -> None:
    assert not find_flicker({"frame": 0.05 * (FRAMES % 2)})
    assert not find_flicker({"frame": (np.arange(MIN_FRAMES - 1) % 2).astype(float)})
    assert find_flicker({"frame": (np.arange(MIN_FRAMES + 4) % 2) + noise(0.02, MIN_FRAMES + 4)})


def test_the_ratio_of_von_neumann_is_the_written_out_sum() -> None:
    values = without_slow_part(noise(1.0))
    steps = sum((values[i + 1] - values[i]) ** 2 for i in range(len(values) - 1))
    assert von_neumann_ratio(values) == pytest.approx(steps / sum(values**2))
    alternating = np.where(FRAMES % 2, 1.0, -1.0)
    assert von_neumann_ratio(alternating) == pytest.approx(4 * 119 / 120)


def test_no_period_is_named_where_none_explains_half() -> None:
    assert find_period(without_slow_part(noise(1.0))) is None
