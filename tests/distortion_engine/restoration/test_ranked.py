"""Ranked sets of restoration outputs: an order where construction tells one and none elsewhere, replayed to the bit."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from distortion_engine.axes import AXIS_INDEX
from distortion_engine.errors import UsageError
from distortion_engine.reading.image_io import load_image
from distortion_engine.recipe import RESTORATION_OUTPUTS, Operation, RankedSet, Recipe, Step
from distortion_engine.render import render
from distortion_engine.restoration import neural
from distortion_engine.restoration.measured import measured_field
from distortion_engine.restoration.neural import RestorationArchitecture, RestorationNetwork, write_networks
from distortion_engine.restoration.operations import apply
from distortion_engine.restoration.ranked import (
    BEYOND_BEST,
    risen,
    sample_restoration_set,
    sample_rising_damage,
    sample_rising_strength,
)
from distortion_engine.restoration.sampling import FAMILIES, sample_damage, sample_outputs
from distortion_engine.sampling import DEFAULT_SAMPLING, SamplingConfig, sample_set

PHOTOS = [load_image(path) for path in sorted((Path(__file__).parents[2] / "images").glob("photo_*.png"))]
ALL_FAMILIES = sorted({*itertools.chain(*FAMILIES.values()), "neural"})
DAMAGE = ("camera", "white_noise", "correlated_noise", "blur", "shrink", "jpeg")


def drawn(count: int, ordered_share: float, without: tuple[str, ...] = ()) -> list[RankedSet]:
    return [sample_restoration_set(np.random.default_rng(seed), 4, ordered_share, without) for seed in range(count)]


def damage_in(recipe: Recipe) -> tuple[Operation, ...]:
    return tuple(operation for operation in recipe.operations if operation.name in DAMAGE)


def families_in(recipe: Recipe) -> set[str]:
    """Families whose algorithms a recipe uses, by its operations alone."""
    algorithms = [operation for operation in recipe.operations if operation.name not in DAMAGE]
    shown = [o for o in algorithms if (o.name, o.params.get("interpolation")) == ("enlarge", "nearest")]
    names = {operation.name for operation in algorithms if operation not in shown}
    return {"interpolation" if name == "enlarge" else name for name in names}


def squared_errors(photo: Tensor, ranked: RankedSet) -> np.ndarray:
    return np.array([float(((apply(photo, member.operations) - photo) ** 2).mean()) for member in ranked.members])


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A denoiser and two upscalers, untrained but with random last layers, as if they were shipped."""
    torch.manual_seed(0)
    networks = {}
    for name, task, factor in (("denoise-x", "denoise", 1), ("up2-x", "upscale", 2), ("up3-x", "upscale", 3)):
        network = RestorationNetwork(RestorationArchitecture(6, 1, factor))
        torch.nn.init.normal_(network.last.weight, std=0.05)
        networks[name] = (task, network)
    path = tmp_path / "networks.safetensors"
    path.write_bytes(write_networks(networks))
    monkeypatch.setattr(neural, "SHIPPED", path)
    neural.shipped_networks.cache_clear()
    yield
    neural.shipped_networks.cache_clear()


@pytest.fixture
def none_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(neural, "SHIPPED", tmp_path / "networks.safetensors")
    neural.shipped_networks.cache_clear()
    yield
    neural.shipped_networks.cache_clear()


def test_the_outputs_of_a_set_share_one_damage_and_the_damaged_input_is_the_first():
    for ranked in drawn(60, 0.0):
        first, *others = ranked.members
        assert families_in(first) == set() and all(damage_in(other) == damage_in(first) for other in others)
        assert all(families_in(other) for other in others) and len(set(map(repr, ranked.members))) == 4


def test_between_outputs_of_different_algorithms_no_order_is_claimed():
    for ranked in drawn(20, 0.0):
        assert (ranked.kind, ranked.ranks, ranked.certainty) == (RESTORATION_OUTPUTS, (0, 0, 0, 0), 0.0)


def test_the_share_of_ordered_sets_is_the_one_that_was_asked_for():
    certain = [ranked.certainty for ranked in drawn(400, 0.3)]
    assert set(certain) == {0.0, 1.0} and np.mean(certain) == pytest.approx(0.3, abs=0.07)
    assert all(ranked.certainty == 1.0 and ranked.ranks == (0, 1, 2, 3) for ranked in drawn(40, 1.0))


@pytest.mark.parametrize("form", [sample_rising_damage, sample_rising_strength])
def test_the_order_that_is_claimed_is_that_of_the_squared_error_on_photographs(form):
    for seed in range(60):
        ranked = form(np.random.default_rng([seed, 5]), 4)
        errors = squared_errors(PHOTOS[seed % len(PHOTOS)], ranked)
        assert (np.diff(errors) > 0).all(), (seed, errors, ranked.members[0])


def test_rising_damage_changes_noise_or_compression_and_nothing_else():
    risen_parameters = Counter()
    for seed in range(80):
        first, *others = sample_rising_damage(np.random.default_rng(seed), 4).members
        for other in others:
            changed = [(a, b) for a, b in zip(first.operations, other.operations, strict=True) if a != b]
            ((before, after),) = changed
            assert (before.name, before.seed) == (after.name, after.seed) and before.name in DAMAGE
            risen_parameters.update(name for name in before.params if before.params[name] != after.params[name])
    assert set(risen_parameters) == {"shot", "read", "chroma_blotch", "deviation", "quality_jpeg"}


def test_algorithms_after_rising_damage_are_told_of_less_noise_than_the_least_there_is():
    told = []
    for seed in range(120):
        first = sample_rising_damage(np.random.default_rng(seed), 4).members[0]
        plain = [o.params["deviation"] for o in first.operations if o.name in ("white_noise", "correlated_noise")]
        for operation in first.operations:
            if plain and operation.name not in DAMAGE and "deviation" in operation.params:
                told.append(operation.params["deviation"] / plain[0])
    assert max(told) == pytest.approx(0.7) and min(told) < 0.5


def test_rising_strength_changes_one_number_of_the_algorithm_and_nothing_else():
    families = Counter()
    for seed in range(80):
        ranked = sample_rising_strength(np.random.default_rng(seed), 4)
        (family,) = families_in(ranked.members[0])
        strength = BEYOND_BEST[family]
        values = [member.operations[-1].params[strength.parameter] for member in ranked.members]
        assert values == sorted(values, reverse=strength.power < 0) and len(set(values)) == 4
        same = {repr(replace(m.operations[-1], params={**m.operations[-1].params, strength.parameter: 0}))
                for m in ranked.members}  # fmt: skip
        assert len(same) == 1 and len({m.operations[:-1] for m in map(hashable, ranked.members)}) == 1
        families[family] += 1
    assert set(families) == set(BEYOND_BEST)


def hashable(recipe: Recipe) -> Recipe:
    return Recipe(operations=tuple(map(repr, recipe.operations)))


def test_noise_rises_by_its_deviation_and_a_jpeg_by_its_distance_from_quality_100():
    camera = Operation("camera", {"shot": 0.01, "read": 0.02, "red": 2.0, "demosaicing": "malvar"}, 3)
    assert risen(camera, 2.0).params == {"shot": 0.04, "read": 0.04, "red": 2.0, "demosaicing": "malvar"}
    assert risen(camera, 2.0).seed == 3  # variance of shot noise in proportion to `shot`
    assert risen(Operation("white_noise", {"deviation": 0.1}), 1.5).params["deviation"] == pytest.approx(0.15)
    assert risen(Operation("jpeg", {"quality_jpeg": 90}), 2.5).params == {"quality_jpeg": 75}


@pytest.mark.parametrize("members", [2, 4, 8])
def test_the_last_member_is_as_strong_for_any_number_of_members(members: int):
    for seed in range(60):
        first, *_, last = sample_rising_damage(np.random.default_rng(seed), members).members
        for before, after in zip(first.operations, last.operations, strict=True):
            if before.name == "jpeg":
                assert 10 <= after.params["quality_jpeg"] < before.params["quality_jpeg"]
            if before.name in ("white_noise", "correlated_noise"):
                assert 1 <= after.params["deviation"] / before.params["deviation"] <= 1.6**3 + 1e-9


@given(
    without=st.lists(st.sampled_from(ALL_FAMILIES), unique=True, max_size=8).map(tuple),
    seed=st.integers(0, 2**31 - 1),
    ordered_share=st.sampled_from([0.0, 0.5, 1.0]),
)
@settings(max_examples=150)
def test_families_that_are_left_out_never_appear(without: tuple[str, ...], seed: int, ordered_share: float):
    try:
        ranked = sample_restoration_set(np.random.default_rng(seed), 4, ordered_share, without)
    except UsageError as error:
        assert "no family" in str(error)
        return
    for member in ranked.members:
        assert not families_in(member) & set(without)


def test_damage_for_which_every_family_is_left_out_is_not_drawn():
    without = (*FAMILIES["noise"], *FAMILIES["shrink"], "neural")
    kinds = {sample_damage(np.random.default_rng(seed), without).kind for seed in range(30)}
    assert kinds == {"blur"}
    for ranked in drawn(30, 0.5, without):
        assert all(families_in(m) <= set(FAMILIES["blur"]) - set(without) for m in ranked.members)


def test_unknown_families_and_no_families_are_refused_with_what_there_is():
    with pytest.raises(UsageError, match=r"'bm4d' is unknown; expected some of .*bm3d"):
        drawn(1, 0.0, ("bm4d",))
    with pytest.raises(UsageError, match="no family of algorithms is left; leave fewer"):
        drawn(1, 0.0, tuple(ALL_FAMILIES))
    noisy = next(d for d in map(sample_damage, map(np.random.default_rng, range(20))) if d.kind == "noise")
    with pytest.raises(UsageError, match="no family of algorithms is left for damage by noise"):
        sample_outputs(np.random.default_rng(0), noisy, 3, (*FAMILIES["noise"], "neural"))


def test_a_recipe_of_operations_comes_back_from_json_and_replays_to_the_same_bytes():
    for ranked in drawn(4, 0.0)[:2] + drawn(3, 1.0)[1:]:
        told = RankedSet.from_dict(json.loads(json.dumps(ranked.to_dict())))
        assert told == ranked
        for one, other in zip(told.members[1:3], ranked.members[1:3], strict=True):
            first, second = render(PHOTOS[0], one), render(PHOTOS[0], other)
            assert torch.equal(first.image, second.image) and torch.equal(first.field, second.field)


def test_the_field_of_an_output_is_measured_and_that_of_the_reference_is_0():
    noise = Operation("white_noise", {"deviation": 0.08}, 1)
    recipe = Recipe(operations=(noise, Operation("median", {"side_px": 3})))
    rendered = render(PHOTOS[1], recipe)
    field, validity = measured_field(rendered.image, PHOTOS[1])
    assert torch.equal(rendered.image, apply(PHOTOS[1], recipe.operations))
    assert torch.equal(rendered.field, field) and torch.equal(rendered.validity, validity)
    assert (
        float(rendered.field[AXIS_INDEX["noise"]].mean()) > 0.1
        and float(rendered.field[AXIS_INDEX["sharpness"]].mean()) < -0.05
    )
    assert not render(PHOTOS[1], Recipe()).field.any()
    assert not render(
        PHOTOS[1], Recipe(operations=(Operation("enlarge", {"factor": 1, "interpolation": "nearest"}),))
    ).field.any()


def test_steps_come_after_operations_and_add_to_their_field():
    operations = (Operation("white_noise", {"deviation": 0.05}, 1),)
    darker = Step("darken", 0.5, 0.4)
    both, alone = (render(PHOTOS[0], Recipe((darker,), o)) for o in (operations, ()))
    noisy = render(PHOTOS[0], Recipe((), operations))
    dark = render(noisy.image, Recipe((darker,)))
    assert torch.equal(both.image, dark.image)
    torch.testing.assert_close(both.field, (noisy.field + alone.field).clamp(-1, 1))


def test_the_default_mixture_has_none_of_them_and_they_are_drawn_where_they_are_named():
    assert RESTORATION_OUTPUTS not in DEFAULT_SAMPLING.kinds
    config = SamplingConfig(kinds={RESTORATION_OUTPUTS: 1.0}, ordered_outputs=1.0, without_families=("guided",))
    for seed in range(20):
        ranked = sample_set(np.random.default_rng(seed), config)
        assert (ranked.kind, ranked.certainty) == (RESTORATION_OUTPUTS, 1.0)
        assert not any("guided" in families_in(member) for member in ranked.members)


def test_networks_that_are_shipped_are_a_family_like_the_others(shipped: None):
    sets = drawn(120, 0.3)
    used = [o for ranked in sets for member in ranked.members for o in member.operations if o.name == "neural"]
    assert {operation.params["network"] for operation in used} == {"denoise-x", "up2-x", "up3-x"}
    one = next(m for ranked in sets for m in ranked.members if m.operations[-1].name == "neural")
    told = Recipe.from_dict(json.loads(json.dumps(one.to_dict())))
    assert torch.equal(render(PHOTOS[0], one).image, render(PHOTOS[0], told).image)
    assert not any("neural" in families_in(m) for ranked in drawn(60, 0.3, ("neural",)) for m in ranked.members)


def test_an_upscaler_is_used_on_its_own_factor_alone(shipped: None):
    for ranked in drawn(200, 0.3):
        for operations in (member.operations for member in ranked.members):
            factor = next((o.params["factor"] for o in operations if o.name == "shrink"), 1)
            for network in (o.params["network"] for o in operations if o.name == "neural"):
                assert network == {1: "denoise-x", 2: "up2-x", 3: "up3-x"}[factor]


def test_without_shipped_networks_the_family_is_not_drawn_and_its_recipes_are_refused(none_shipped: None):
    assert not any("neural" in families_in(m) for ranked in drawn(100, 0.3) for m in ranked.members)
    with pytest.raises(UsageError, match=r"'up2-x' is not shipped.*experiments\.restoration\.train"):
        apply(PHOTOS[0], (Operation("neural", {"network": "up2-x"}),))


def test_no_two_outputs_of_a_set_are_made_in_the_same_way():
    """Of the median alone there are four ways without a final sharpening, so an accident would soon make one twice."""
    without = tuple(family for family in ALL_FAMILIES if family != "median")
    for seed in range(30):
        rng = np.random.default_rng(seed)
        damaged = sample_damage(rng)
        if damaged.kind == "noise":
            outputs = sample_outputs(rng, damaged, 3, without)
            assert len({repr(output.operations) for output in outputs}) == 4
