"""Models that several tests of the systems share."""

from collections.abc import Callable

import pytest

from relational_iqa.networks.pixel_perfect import Networks
from relational_iqa.systems.pixel_perfect import RelationalIQA


@pytest.fixture
def tiled(random_networks: Networks) -> Callable[[int], RelationalIQA]:
    """tiled(tile_px): the random model, run in tiles of this side."""
    return lambda tile_px: RelationalIQA(random_networks, {}, tile_px, whole_px=2 * tile_px**2)
