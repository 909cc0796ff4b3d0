"""Sampling: the order of a set follows from its recipes, and everything follows from the seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from distortion_engine.catalog import DISTORTIONS
from distortion_engine.masks import MaskSpec, render_mask
from distortion_engine.reading.image_io import load_image
from distortion_engine.recipe import RESTORATION_OUTPUTS, SET_KINDS, RankedSet, Recipe, Step
from distortion_engine.render import render
from distortion_engine.sampling import (
    CROSS_TYPE_CERTAINTY,
    DEFAULT_SAMPLING,
    EXTENT_CERTAINTY,
    SamplingConfig,
    damage_of,
    sample_mask,
    sample_set,
)
from distortion_engine.severity import amount_for, max_severity, min_severity

PHOTO = load_image(Path(__file__).parents[1] / "images" / "photo_3.png")[:, :64, :64]
SEEDS = range(40)
STEPPED = tuple(kind for kind in SET_KINDS if kind != RESTORATION_OUTPUTS)


def sets(kind: str, config: SamplingConfig = DEFAULT_SAMPLING) -> list[RankedSet]:
    return [sample_set(np.random.default_rng(seed), config, kind) for seed in SEEDS]


def only(recipe: Recipe) -> Step:
    (step,) = recipe.steps
    return step


@pytest.mark.parametrize("kind", SET_KINDS)
def test_a_set_is_a_function_of_the_generator_alone(kind: str):
    np.random.seed(1)
    first = sets(kind)
    np.random.seed(2)
    torch.manual_seed(2)
    assert sets(kind) == first
    assert len({repr(ranked) for ranked in first}) == len(first)


@pytest.mark.parametrize("kind", STEPPED)
def test_every_step_can_be_applied_as_it_stands(kind: str):
    for ranked in sets(kind):
        assert ranked.kind == kind and len(ranked.members) == 4 and 0 < ranked.certainty <= 1
        for step in (step for member in ranked.members for step in member.steps):
            spec = DISTORTIONS[step.distortion]
            assert 0 < step.severity <= max_severity(step.distortion)
            assert step.amount == pytest.approx(amount_for(step.distortion, step.severity))
            assert 0 < step.amount <= spec.ladder[-1] * (1 + 1e-6)
            assert set(step.params) == set(spec.sample_params(np.random.default_rng(0)))


@pytest.mark.parametrize("kind", [kind for kind in STEPPED if kind != "tie"])
def test_members_of_an_ordered_set_have_ranks_from_best_to_worst(kind: str):
    assert all(ranked.ranks == (0, 1, 2, 3) for ranked in sets(kind))


def test_a_ladder_differs_in_severity_alone_which_rises_in_visible_steps():
    for ranked in sets("ladder"):
        steps = [only(member) for member in ranked.members]
        severities = [step.severity for step in steps]
        least = max(0.06, min_severity(steps[0].distortion))
        room = (max_severity(steps[0].distortion) - least) / 3
        assert least <= severities[0] and min(np.diff(severities)) >= min(0.1, room) - 1e-9
        assert min(np.diff([step.amount for step in steps])) > 0
        assert len({repr(replace(step, severity=0.0, amount=0.0)) for step in steps}) == 1


def test_in_a_dominance_set_no_step_ever_falls_and_one_always_rises():
    for ranked in sets("dominance"):
        levels = np.array([[step.severity for step in member.steps] for member in ranked.members])
        assert 2 <= levels.shape[1] <= 3
        rises = np.diff(levels, axis=0)
        assert (rises >= 0).all() and (rises.max(axis=1) > 0.01).all()
        kept = [[repr(replace(step, severity=0.0, amount=0.0)) for step in m.steps] for m in ranked.members]
        assert all(other == kept[0] for other in kept)


def test_steps_of_a_composition_lie_on_different_axes():
    for ranked in sets("dominance") + sets("restoration"):
        axes = [DISTORTIONS[step.distortion].axis for step in ranked.members[-1].steps]
        assert len(set(axes)) == len(axes)


def test_an_extent_set_is_one_step_whose_masks_are_nested_and_grow():
    for ranked in sets("extent")[:12]:
        steps = [only(member) for member in ranked.members]
        assert len({repr(replace(step, mask=steps[0].mask)) for step in steps}) == 1
        masks = [render_mask(step.mask, PHOTO) for step in steps]
        for small, large in zip(masks, masks[1:], strict=False):
            assert bool((small <= large + 1e-5).all()) and float((large - small).mean()) > 0.05


def test_a_restoration_set_takes_the_last_steps_away_one_at_a_time():
    for ranked in sets("restoration"):
        for count, member in enumerate(ranked.members, 1):
            assert member.steps == ranked.members[-1].steps[:count] and len(member.steps) == count


def test_an_extent_set_is_as_certain_as_the_judge_is_of_its_axis():
    drawn = sets("extent")
    for ranked in drawn:
        spec = DISTORTIONS[only(ranked.members[0]).distortion]
        assert ranked.certainty == EXTENT_CERTAINTY.get((spec.axis, spec.sign), 1.0)
    assert len({ranked.certainty for ranked in drawn}) > 1
    assert {(axis, sign) for axis, sign in EXTENT_CERTAINTY} <= {(s.axis, s.sign) for s in DISTORTIONS.values()}


def test_a_cross_type_set_is_the_more_certain_the_further_its_members_are_apart():
    certain = [(np.diff([damage_of(m) for m in r.members]).min(), r.certainty) for r in sets("cross_type")]
    assert np.corrcoef(np.array(certain).T)[0, 1] > 0.3
    gaps, shares = CROSS_TYPE_CERTAINTY
    assert list(gaps) == sorted(gaps) and list(shares) == sorted(shares) and shares[0] >= 0.5
    narrow = SamplingConfig(distortions=("jpeg", "haze", "white_noise", "saturate"), mask_share=0.0, min_severity=0.6)
    wide = replace(narrow, min_severity=0.06)
    means = [np.mean([r.certainty for r in sets("cross_type", config)]) for config in (narrow, wide)]
    assert means[0] < means[1]


def test_a_cross_type_set_has_different_axes_in_order_of_severity_times_area_and_is_less_certain():
    for ranked in sets("cross_type"):
        steps = [only(member) for member in ranked.members]
        assert len({DISTORTIONS[step.distortion].axis for step in steps}) == len(steps)
        damage = [step.severity * step.mask.extent for step in steps]
        assert damage == sorted(damage)
        assert 0.5 <= ranked.certainty < sample_set(np.random.default_rng(0), kind="ladder").certainty


def test_a_tie_is_one_step_with_other_seeds_equal_ranks_and_different_pixels():
    for ranked in sets("tie"):
        steps = [only(member) for member in ranked.members]
        assert ranked.ranks == (0, 0, 0, 0)
        assert len({repr(replace(step, seed=0)) for step in steps}) == 1
        assert len({step.seed for step in steps}) == 4 and DISTORTIONS[steps[0].distortion].seeded


def test_exactly_the_seeded_distortions_depend_on_the_seed():
    for name, spec in DISTORTIONS.items():
        params = spec.sample_params(np.random.default_rng(0))
        steps = [Step(name, 1.0, spec.ladder[-1], params, seed=seed) for seed in (1, 2)]
        one, two = (render(PHOTO, Recipe((step,))).image for step in steps)
        assert torch.equal(one, two) == (not spec.seeded), name


def test_only_the_kinds_and_distortions_that_were_asked_for_are_drawn():
    config = SamplingConfig(kinds={"ladder": 1.0, "tie": 1.0}, members=3, mask_share=0.0, distortions=("jpeg", "haze"))
    drawn = [sample_set(np.random.default_rng(seed), config) for seed in SEEDS]
    assert {ranked.kind for ranked in drawn} == {"ladder", "tie"}
    steps = [step for ranked in drawn for member in ranked.members for step in member.steps]
    assert {step.distortion for step in steps} == {"jpeg", "haze"}
    assert all(len(ranked.members) == 3 for ranked in drawn) and all(step.mask.extent == 1.0 for step in steps)


def test_all_kinds_and_all_trained_distortions_turn_up():
    drawn = [sample_set(np.random.default_rng(seed)) for seed in range(600)]
    assert {ranked.kind for ranked in drawn} == set(STEPPED)
    names = {step.distortion for ranked in drawn for member in ranked.members for step in member.steps}
    assert names == {name for name, spec in DISTORTIONS.items() if spec.trained}


def test_an_unknown_kind_is_refused():
    with pytest.raises(KeyError, match="pyramid"):
        sample_set(np.random.default_rng(0), kind="pyramid")


def test_the_damage_of_a_recipe_is_severity_times_area_summed_over_its_steps():
    whole, part = Step("jpeg", 0.5, 60.0), Step("darken", 0.8, 1.0, mask=MaskSpec("ramp", 0.25))
    assert damage_of(Recipe((whole, part))) == pytest.approx(0.5 + 0.8 * 0.25)


def test_compositions_follow_the_camera_optics_before_light_before_the_sensor_before_coding():
    stages = {
        "geometric": 0, "sharpness": 1, "pixelation": 2, "smearing": 3, "chroma_defect": 4, "haze": 5, "brightness": 6,
        "contrast": 7, "saturation": 8, "color_cast": 9, "tint": 10, "hue": 11, "quantization": 12, "noise": 13,
        "chroma_noise": 14, "impulse": 15, "blocking": 16, "local_damage": 17,
    }  # fmt: skip
    seen = set()
    for seed in range(150):
        for kind in ("dominance", "restoration"):
            last = sample_set(np.random.default_rng(seed), kind=kind).members[-1]
            specs = [DISTORTIONS[step.distortion] for step in last.steps]
            places = [16 if spec.codec else stages[spec.axis] for spec in specs]
            assert places == sorted(places)
            seen |= {spec.name for spec in specs if spec.codec and spec.axis == "smearing"}
    assert len(seen) >= 3  # codecs that smear come after the noise all the same


def test_masks_are_drawn_in_the_share_that_was_asked_for():
    config = SamplingConfig(mask_share=0.3)
    masks = [sample_mask(np.random.default_rng(seed), config) for seed in range(600)]
    parts = [mask for mask in masks if mask != MaskSpec()]
    assert len(parts) / 600 == pytest.approx(0.3, abs=0.06)
    extents = np.array([mask.extent for mask in parts])
    assert 0.1 <= extents.min() < 0.15 and 0.75 < extents.max() <= 0.8
    assert {mask.softness for mask in parts} == {0.0, 0.05, 0.2, 0.4} and "whole" not in {mask.kind for mask in parts}


def test_the_certainty_of_a_cross_type_set_is_read_off_its_gaps():
    gaps, shares = CROSS_TYPE_CERTAINTY
    for ranked in sets("cross_type")[:10]:
        between = np.diff([damage_of(member) for member in ranked.members])
        assert ranked.certainty == pytest.approx(np.mean([np.interp(gap, gaps, shares) for gap in between]))
