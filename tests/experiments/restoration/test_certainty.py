"""The certainty of restoration outputs: pairs are counted by algorithm, by error and by judge, in the order claimed."""

import numpy as np
import pytest
from torch import Tensor

from distortion_engine.recipe import RESTORATION_OUTPUTS, Operation, RankedSet, Recipe
from experiments.restoration import certainty


def noisy(deviations: tuple[float, ...], *algorithm: Operation) -> RankedSet:
    recipes = [Recipe((), (Operation("white_noise", {"deviation": d}, 1), *algorithm)) for d in deviations]
    return RankedSet(RESTORATION_OUTPUTS, tuple(recipes), tuple(range(len(recipes))))


def test_neighbours_are_counted_as_error_and_judge_see_them(photos: list[Tensor], monkeypatch: pytest.MonkeyPatch):
    sets = iter([noisy((0.02, 0.05, 0.1)), noisy((0.02, 0.1, 0.05), Operation("median", {"side_px": 3}))])
    opinions = iter([[0.1, 0.3, 0.5], [0.1, 0.3, 0.1]])
    monkeypatch.setattr(certainty, "FORMS", {"rising damage": lambda rng, members: next(sets)})
    monkeypatch.setattr(certainty, "judged", lambda photo, ranked: np.array(next(opinions)))
    found = certainty.measure(photos[:1], "rising damage", 2)
    assert found["none"] == certainty.Neighbours(1.0, 1.0, 0.0, 2)
    assert found["median"] == certainty.Neighbours(0.5, 0.5, 0.5, 2)
    assert found["all"] == certainty.Neighbours(0.75, 0.75, 0.25, 4)


@pytest.mark.parametrize("form", certainty.FORMS)
def test_the_forms_are_those_that_the_engine_ranks(form: str):
    ranked = certainty.FORMS[form](np.random.default_rng(0), 4)
    assert (ranked.ranks, ranked.certainty) == ((0, 1, 2, 3), 1.0)
