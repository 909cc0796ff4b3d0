"""Order and identity: what holds for every answer of the networks by construction."""

import itertools
import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from relational_iqa.systems.pixel_perfect import RelationalIQA
from relational_iqa.tiling.tile_geometry import HALO_PX
from tests.relational_iqa.systems.comparisons import arrays_of, assert_mirrored

Scene = Callable[[int, int, int], Tensor]


Tiled = Callable[[int], RelationalIQA]


def test_the_random_model_answers_something(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    for reference in (None, versions[0]):
        result = random_model.compare(versions[1], versions[2], reference)
        assert abs(result.margin) > 0.1 and result.local_margin.std() > 0.1
        assert all(np.abs(values).max() > 1e-4 for values in result.maps.values())


@pytest.mark.parametrize("referenced", [False, True])
def test_swapping_inputs_negates_every_map_the_local_margin_and_the_margin(
    random_model: RelationalIQA, versions: list[Tensor], referenced: bool
) -> None:
    reference = versions[0] if referenced else None
    for a, b in itertools.combinations(versions, 2):
        assert_mirrored(random_model.compare(a, b, reference), random_model.compare(b, a, reference))


@pytest.mark.parametrize("referenced", [False, True])
def test_swapping_inputs_negates_everything_in_tiles_too(tiled: Tiled, scene: Scene, referenced: bool) -> None:
    model = tiled(128)
    a, b = scene(40, 900, 1), scene(40, 900, 2)
    reference = scene(40, 900, 3) if referenced else None
    assert_mirrored(model.compare(a, b, reference), model.compare(b, a, reference))


@settings(max_examples=8)
@given(seed=st.integers(0, 2**20), height=st.integers(16, 70), width=st.integers(16, 70), faint=st.booleans())
def test_swapping_any_two_images_negates_the_answer(
    random_model: RelationalIQA, scene: Scene, seed: int, height: int, width: int, faint: bool
) -> None:
    a, b = scene(height, width, seed), scene(height, width, seed + 1)
    b = (a + 0.004 * (b - a)).clamp(0, 1) if faint else b
    assert_mirrored(random_model.compare(a, b), random_model.compare(b, a))


@pytest.mark.parametrize("referenced", ["none", "itself", "other"])
def test_identical_inputs_give_exactly_zero(
    random_model: RelationalIQA, versions: list[Tensor], referenced: str
) -> None:
    for image in versions:
        reference = {"none": None, "itself": image, "other": versions[0]}[referenced]
        result = random_model.compare(image, image.clone(), reference)
        assert result.margin == 0 and result.better == "tie" and result.identical
        assert not any(values.any() for values in arrays_of(result).values())
        assert "-0.0" not in json.dumps(result.to_json())


def test_image_equal_to_its_reference_has_quality_zero(random_model: RelationalIQA, versions: list[Tensor]) -> None:
    for image in versions:
        score = random_model.score(image, image.clone())
        assert score.quality == 0 and not score.local_quality.any()
        assert not any(values.any() for values in score.maps.values())


@settings(max_examples=10)
@given(seed=st.integers(0, 2**20), height=st.integers(16, 60), width=st.integers(16, 60), log_change=st.floats(-7, 0))
def test_quality_is_never_above_zero(
    random_model: RelationalIQA, scene: Scene, seed: int, height: int, width: int, log_change: float
) -> None:
    reference, other = scene(height, width, seed), scene(height, width, seed + 1)
    test = reference + 10**log_change * (other - reference)
    score = random_model.score(test.clamp(0, 1), reference)
    assert score.quality <= 0 and score.local_quality.max() <= 0


def test_local_quality_is_zero_far_from_any_difference(random_model: RelationalIQA, scene: Scene) -> None:
    reference = scene(32, 768, 0)
    test = torch.cat([scene(32, 256, 1), reference[..., 256:]], -1)
    quality = random_model.score(test, reference).local_quality
    assert (quality[:, :256] < 0).all() and not quality[:, 256 + HALO_PX :].any()
