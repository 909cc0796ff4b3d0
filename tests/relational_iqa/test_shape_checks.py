"""Shapes in signatures are checked while the tests run, and cost nothing where the package is used."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jaxtyping
import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from distortion_engine.distortions.filters import gaussian, pad_symmetric
from relational_iqa.networks.blocks import enlarge
from relational_iqa.results.colormaps import overlay
from tests.shape_checker import checked


def test_sizes_that_must_be_equal_and_are_not_are_refused() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="picture"):
        overlay(np.zeros((4, 5), np.float32), np.zeros((4, 6, 3), np.uint8))


def test_a_wrong_kind_of_number_is_refused() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'x'"):
        enlarge(torch.zeros(1, 2, 3, 3, dtype=torch.uint8), torch.zeros(1, 2, 6, 6))


def test_a_missing_axis_is_refused() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'image'"):
        pad_symmetric(torch.zeros(8, 8), 2, 2)


def test_an_int_may_stand_for_a_float() -> None:
    assert gaussian(torch.zeros(3, 8, 8), 1).shape == (3, 8, 8)


def test_a_function_inside_of_a_function_is_checked_whenever_it_is_made() -> None:
    def adding(offset: float, lost: int = 0) -> Callable[[Tensor], Tensor]:
        @checked
        def add(x: Float[Tensor, "2 n"]) -> Float[Tensor, "2 n"]:
            return (x if offset == 1 else adding(offset - 1)(x) + 1)[:, lost:] + (offset == 1)

        return add

    x = torch.zeros(2, 3)
    for offset in (1, 2, 3):  # the last ones call others of their kind
        assert torch.equal(adding(offset)(x), x + offset)
        with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'x'"):
            adding(offset)(torch.zeros(3, 3))
        with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
            adding(offset, lost=1)(x)
    with ThreadPoolExecutor(2) as threads:
        assert [float(each.sum()) for each in threads.map(lambda offset: adding(offset)(x), (1, 2, 3))] == [6, 12, 18]


def test_outside_of_tests_nothing_is_checked_and_the_checker_is_not_loaded() -> None:
    code = (
        "import sys, torch\n"
        "from relational_iqa.networks.blocks import enlarge\n"
        "enlarge(torch.zeros(1, 2, 3, 3, dtype=torch.uint8), torch.zeros(1, 6, 6))\n"  # neither kind nor shape is right
        "assert 'beartype' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
