"""Two comparisons held against each other: equal, or mirrored."""

import numpy as np
import pytest

from relational_iqa.results.comparison import Comparison
from relational_iqa.results.map import Map


def arrays_of(result: Comparison) -> dict[str, Map]:
    """Every array of a comparison that changes sign with the order of its images."""
    return {**result.maps, "local margin": result.local_margin}


def assert_mirrored(forward: Comparison, backward: Comparison) -> None:
    assert forward.margin == -backward.margin
    assert np.array_equal(forward.weight, backward.weight)
    for name, values in arrays_of(forward).items():
        assert np.array_equal(values, -arrays_of(backward)[name]), name


def assert_equal(one: Comparison, other: Comparison, tolerance: float = 0.0) -> None:
    assert one.margin == pytest.approx(other.margin, abs=tolerance)
    for name, values in {**arrays_of(one), "weight": one.weight}.items():
        np.testing.assert_allclose(values, {**arrays_of(other), "weight": other.weight}[name], rtol=0, atol=tolerance)
