"""Recipes and ranked sets are plain data: equal after JSON, never changed in place, complete."""

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from distortion_engine.masks import MaskSpec
from distortion_engine.recipe import SET_KINDS, Operation, RankedSet, Recipe, Step
from distortion_engine.sampling import sample_set


@pytest.mark.parametrize("kind", SET_KINDS)
def test_a_set_of_every_kind_survives_json_unchanged(kind: str):
    for seed in range(10):
        ranked = sample_set(np.random.default_rng(seed), kind=kind)
        again = RankedSet.from_dict(json.loads(json.dumps(ranked.to_dict(), allow_nan=False)))
        assert again == ranked and again.kind == kind
        assert all(isinstance(step.mask, MaskSpec) for member in again.members for step in member.steps)


def test_two_different_sets_are_different_as_json():
    first, second = (sample_set(np.random.default_rng(seed), kind="ladder") for seed in (0, 1))
    assert json.dumps(first.to_dict()) != json.dumps(second.to_dict())


def test_the_json_of_a_recipe_does_not_share_data_with_it():
    recipe = Recipe((Step("motion_blur", 0.5, 9.0, {"angle_deg": 30.0}),))
    recipe.to_dict()["steps"][0]["params"]["angle_deg"] = 99.0
    assert recipe.steps[0].params["angle_deg"] == 30.0


def test_recipes_cannot_be_changed():
    step = Step("jpeg", 0.5, 60.0)
    with pytest.raises(FrozenInstanceError):
        step.severity = 0.1
    with pytest.raises(FrozenInstanceError):
        Recipe((step,)).steps = ()


def test_recipes_without_operations_have_the_json_they_always_had():
    assert Recipe().to_dict() == {"steps": []} and Recipe.from_dict({"steps": []}) == Recipe()
    operation = Operation("jpeg", {"quality_jpeg": 30}, 4)
    told = {"name": "jpeg", "params": {"quality_jpeg": 30}, "seed": 4}
    assert Recipe((), (operation,)).to_dict() == {"steps": [], "operations": [told]}
    assert Recipe.from_dict({"steps": [], "operations": [told]}) == Recipe((), (operation,))


def test_a_set_needs_one_rank_a_member():
    with pytest.raises(ValueError, match="3 members needs as many ranks, not 2"):
        RankedSet("ladder", (Recipe(), Recipe(), Recipe()), (0, 1))


def test_json_that_is_no_recipe_is_refused():
    with pytest.raises(KeyError):
        Recipe.from_dict({"step": []})
    with pytest.raises(TypeError):
        Recipe.from_dict({"steps": [{"distortion": "jpeg", "strength": 3, "mask": {}}]})
