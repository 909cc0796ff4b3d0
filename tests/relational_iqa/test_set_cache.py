"""The cache of ranked sets: what is drawn, and what its key depends on."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from distortion_engine.errors import UsageError
from distortion_engine.recipe import SET_KINDS
from distortion_engine.sampling import DEFAULT_SAMPLING
from relational_iqa.training.set_cache import DataConfig, cached_sets


def no_judge(test: Tensor, reference: Tensor) -> Tensor:
    return torch.zeros(len(test), 1)


@pytest.fixture
def photos() -> list[Path]:
    return sorted((Path(__file__).parents[1] / "images").glob("photo_*.png"))[:2]


def small(folder: Path, **options: object) -> DataConfig:
    values = {"photos": "", "sets": 4, "size_px": 32, "min_scale": 0.9, "workers": 0, "cache_dir": str(folder)}
    return DataConfig(**{**values, **options})


def test_only_the_kinds_that_are_asked_for_are_drawn(tmp_path: Path, photos: list[Path]) -> None:
    sets = cached_sets(small(tmp_path, kinds={"extent": 0.5, "ladder": 0.0}), photos, no_judge, 1)
    assert {SET_KINDS[kind] for kind in sets.kinds} == {"extent"}
    assert small(tmp_path).sampling().kinds == DEFAULT_SAMPLING.kinds


def test_another_mixture_is_another_cache_and_the_number_of_workers_is_not(tmp_path: Path, photos: list[Path]) -> None:
    for options in ({}, {"workers": 1}, {"kinds": {"tie": 1.0}}, {"seed": 5}):
        cached_sets(small(tmp_path, **options), photos, no_judge, 1)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("kinds", [{"ladders": 1.0}, {"ladder": -0.1}, {"ladder": float("nan")}])
def test_unknown_kinds_and_negative_weights_are_refused(kinds: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="data.kinds"):
        DataConfig("photos", kinds=kinds).sampling()
