"""A photograph as an array."""

import numpy as np
import pytest

from tests.relational_iqa.report.pages import HEIGHT, WIDTH


@pytest.fixture
def photo() -> np.ndarray:
    """Noise of the size of `pages.comparison`, (HEIGHT, WIDTH, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
