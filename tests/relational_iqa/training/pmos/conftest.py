"""A small network for the tests of training pMOS."""

import pytest
from torch import Tensor

from relational_iqa.networks.pmos_network import PmosNetwork
from tests.relational_iqa.small_pmos import random_pmos


@pytest.fixture
def network(versions: list[Tensor]) -> PmosNetwork:
    return random_pmos(versions)
